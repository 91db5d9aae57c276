"""Tables: inputs, weights, absent values, parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
import torch
from data.making import ABC, everything, numbered, says, table_of

import dovetail as dt
from dovetail.recipe.errors import RecipeError

HERE = Path()


def test_text_and_number_columns_become_one_row_of_numbers() -> None:
    source = table_of(ABC)
    x, y, weights = everything(source.part("train"))
    color, size, age = source.facts.input.columns
    assert (color.values, size.values, age.values) == (["blue", "green", "red"], [], [])
    assert x.shape == (6, 5)
    assert x[:, :3].tolist() == [[0, 0, 1], [1, 0, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert (x[:, 3] * size.deviation + size.mean).tolist() == pytest.approx([1.5, 2.5, 0.5, 9.5, 3, 2])
    assert (x[:, 4] * age.deviation + age.mean).tolist() == pytest.approx([3, 4, 3, 7, 1, 5])
    assert y.tolist() == [1, 0, 0, 1, 0, 1]
    assert (source.facts.target.names, source.facts.target.counts) == (["no", "yes"], [3, 3])
    assert weights is None


def test_parquet_is_the_same_table() -> None:
    cells = list(zip(*(row.split(",") for row in ABC), strict=True))
    columns = {
        "color": cells[0],
        "size": [float(v) for v in cells[1]],
        "age": [int(v) for v in cells[2]],
        "y": cells[3],
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), "t.parquet")
    source, same = dt.table("t.parquet", "y", test=2).make(HERE), table_of(ABC, test=2)
    assert source.facts.input == same.facts.input
    for a, b in zip(everything(source.part("test"))[:2], everything(same.part("test"))[:2], strict=True):
        assert torch.equal(a, b)


def test_columns_may_be_left_out_named_categories_and_left_unscaled() -> None:
    source = table_of(ABC, ignore=["color"], categorical=["age"], normalize=False)
    assert [(column.name, column.values) for column in source.facts.input.columns] == [
        ("size", []),
        ("age", ["1", "3", "4", "5", "7"]),
    ]
    assert source.facts.input.columns[0].deviation == 1


WRONG = {
    "one class": (numbered("a", "a"), {}, "t.csv: column 'y' has one class only, 'a'"),
    "text among numbers": (numbered(*[1, 2] * 9, "x"), {}, "t.csv: row 20, column 'y': 'x' is not a number"),
    "labels": (numbered(0, 1, 2), {"task": "labels"}, "t.csv: row 4, column 'y': labels are 0 or 1, not 2"),
    "not a number": (numbered("a", "b"), {"task": "numbers"}, "t.csv: row 2, column 'y': 'a' is not a number"),
    "too large": (numbered("1e40", "2"), {"task": "numbers"}, "t.csv: row 2, column 'y': 1e40 is too large"),
    "absent target": (
        numbered(1, "", 2),
        {"missing": "mean"},
        "t.csv: row 3, column 'y': the value is absent (1 in all); say what to do: missing: mean, indicator or drop",
    ),
    "no inputs": (numbered(1, 2), {"ignore": ["a"]}, "t.csv: there is no column to predict from"),
    "nothing left": (["1,", ",2"], {"missing": "drop"}, "t.csv: no row is left: each of the 2 has an absent value"),
    "all tested": (
        numbered(1, 2),
        {"test": 2},
        "t.csv: 2 examples do not make 2 for test and 0 for validation and leave some to train on",
    ),
}


@pytest.mark.parametrize(("rows", "options", "message"), WRONG.values(), ids=WRONG)
def test_tells_what_is_wrong(rows: list[str], options: dict[str, Any], message: str) -> None:
    with says(message):
        _ = table_of(rows, "a,y", **options).facts


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "Y1"}, "target: no column 'Y1'. Did you mean 'y'?"),
        ({"target": ["y", "colour"]}, "target: no column 'colour'. Did you mean 'color'?"),
        ({"weight": "w"}, "weight: no column 'w'. Known: age, color, size, y."),
        ({"ignore": ["ages"]}, "ignore: no column 'ages'. Did you mean 'age'?"),
        ({"categorical": ["sizes"]}, "categorical: no column 'sizes'. Did you mean 'size'?"),
    ],
)
def test_a_column_that_is_not_there_is_told_with_the_nearest(options: dict[str, Any], message: str) -> None:
    with says(f"data table: {message}", RecipeError):
        _ = table_of(ABC, **options).facts


def test_options_that_do_not_go_together() -> None:
    with says("task: class takes one target column", ValueError):
        table_of(ABC, target=["y", "age"], task="class")
    with says("target: names no column", ValueError):
        table_of(ABC, target=[])
    with says("table: option 'delimiter' takes auto or one character, not '::'", RecipeError):
        dt.table("t.csv", "y", delimiter="::")
    with says("no.csv: there is no such file"):
        dt.table("no.csv", "y").make(HERE)


GAPS = ["1,x,0", ",y,1", "3,,0", "5,y,1"]


def test_missing_error_names_the_first_gap() -> None:
    with says(
        "t.csv: row 3, column 'a': the value is absent (2 in all); say what to do: missing: mean, indicator or drop"
    ):
        _ = table_of(GAPS, "a,b,y").facts


@pytest.mark.parametrize(
    ("missing", "rows", "width"),
    [("mean", 4, 3), ("indicator", 4, 5), ("drop", 2, 3)],
)
def test_missing_values_are_replaced_marked_or_dropped(missing: str, rows: int, width: int) -> None:
    source = table_of(GAPS, "a,b,y", missing=missing)
    x, _, _ = everything(source.part("train"))
    assert x.shape == (rows, width)
    assert source.facts.input.columns[0].mean == 3
    assert source.facts.input.missing == missing
    if missing != "drop":
        assert x[1, 0] == 0
        assert x[2, -2 - (missing == "indicator") :][:2].tolist() == [0, 0]


def test_a_gap_in_an_ignored_column_is_nobody_s_business() -> None:
    assert table_of(["1,,0", "2,,1"], "a,b,y", ignore=["b"]).facts.sizes["train"] == 2


def test_weights_come_with_the_examples_and_are_no_input() -> None:
    source = table_of(["1,0,0.5", "2,1,2", "3,1,0"], "a,y,w", weight="w")
    _, y, weights = source.part("train").fetch(torch.tensor([2, 0]))
    assert weights is not None
    assert (y.tolist(), weights.tolist()) == ([1, 0], [0, 0.5])
    assert [column.name for column in source.facts.input.columns] == ["a"]
    with says("t.csv: row 3, column 'w': a weight below 0"):
        _ = table_of(["1,0,1", "2,1,-2"], "a,y,w", weight="w").facts


def test_a_category_of_the_test_part_alone_teaches_nothing() -> None:
    seen = 0
    for seed in range(6):
        source = table_of(
            [f"{'rare' if i == 5 else 'ab'[i % 2]},{i % 2}" for i in range(10)], "a,y", test=5, split=seed
        )
        x, _, _ = everything(source.part("test"))
        tested = source.facts.input.columns[0].values == ["a", "b"]
        assert sorted(x.sum(1).tolist()) == ([0, 1, 1, 1, 1] if tested else [1] * 5)
        seen += tested
    assert 0 < seen < 6


def test_statistics_do_not_see_the_test_part() -> None:
    rows = [f"{i},{i % 3}" for i in range(30)]
    source = table_of(rows, "a,y", test=10)
    column = source.facts.input.columns[0]
    train, test = (
        (everything(source.part(part))[0].double()[:, 0] * column.deviation + column.mean).round()
        for part in ("train", "test")
    )
    assert column.mean == pytest.approx(float(train.mean()))
    assert column.deviation == pytest.approx(float(train.std(correction=0)))
    assert sorted([*train.tolist(), *test.tolist()]) == list(range(30))
