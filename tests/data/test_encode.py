"""Columns into numbers, by what the training rows taught."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from data.making import says

from dovetail.data.encode import encode, learn, natural
from dovetail.data.tabular import Columns
from dovetail.recipe.facts import Column, Input


def table(**values: str) -> Columns:
    cells = {name: ["" if cell == "-" else cell for cell in text.split()] for name, text in values.items()}
    return Columns("t", cells, list(range(2, 2 + len(next(iter(cells.values()))))))


def taught(data: Columns, rows: int, missing: str = "mean", categorical: list[str] | None = None) -> Input:
    return learn(data, list(data.values), categorical or [], torch.arange(rows), missing, True)


def test_numbers_are_standardized_by_the_training_rows() -> None:
    data = table(a="1 2 3 100")
    input = taught(data, 3)
    assert input.columns == [Column("a", [], 2.0, np.std([1, 2, 3]).item())]
    assert encode(data, input)[:, 0].tolist() == pytest.approx([-1.2247449, 0, 1.2247449, 98 / np.std([1, 2, 3])])


def test_without_scaling_only_the_mean_goes() -> None:
    data = table(a="1 2 3")
    assert encode(data, learn(data, ["a"], [], torch.arange(3), "mean", False))[:, 0].tolist() == [-1, 0, 1]


def test_a_constant_column_is_only_shifted() -> None:
    for value in ("5", "0.1", "1e-30"):
        data = table(a=" ".join([value] * 10 + ["7.1"]))
        input = taught(data, 10)
        assert input.columns[0].deviation == 1.0
        assert encode(data, input)[:, 0].tolist() == pytest.approx([0] * 10 + [7.1 - float(value)])


def test_a_category_gets_one_unit_a_value_and_what_training_never_saw_none() -> None:
    data = table(a="red blue red green")
    input = taught(data, 3)
    assert input.columns == [Column("a", ["blue", "red"])]
    assert encode(data, input).tolist() == [[0, 1], [1, 0], [0, 1], [0, 0]]


def test_a_number_may_be_a_category_however_it_is_written() -> None:
    data = table(a="1 2 10 1.0 02 9 -")
    input = taught(data, 3, categorical=["a"])
    assert input.columns == [Column("a", ["1", "2", "10"])]
    assert encode(data, input).argmax(1).tolist() == [0, 1, 2, 0, 1, 0, 0]
    assert encode(data, input).sum(1).tolist() == [1, 1, 1, 1, 1, 0, 0]


def test_unknown_words_are_no_category_beside_words_and_numbers() -> None:
    data = table(a="x 1 y z 1.0")
    assert encode(data, taught(data, 2, categorical=["a"])).tolist() == [[0, 1], [1, 0], [0, 0], [0, 0], [1, 0]]


def test_an_absent_value_is_the_mean_or_no_category() -> None:
    data = table(a="1 - 3", b="x y -")
    assert encode(data, taught(data, 3)).tolist() == [[-1, 1, 0], [0, 0, 1], [1, 0, 0]]


def test_an_indicator_is_1_where_a_value_was_absent() -> None:
    data = table(a="1 - 3", b="x y -", c="1 2 3")
    input = taught(data, 3, "indicator")
    assert [column.indicator for column in input.columns] == [True, True, False]
    assert input.shape == [2 + 3 + 1]
    assert encode(data, input)[:, [1, 4]].tolist() == [[0, 0], [1, 0], [0, 1]]


@pytest.mark.parametrize("missing", ["error", "drop"])
def test_an_absent_value_is_refused_where_training_had_none(missing: str) -> None:
    input = taught(table(a="1 2 3"), 3, missing)
    with says("t: row 3, column 'a': the value is absent (1 in all); say what to do: missing: mean, indicator or drop"):
        encode(table(a="1 -"), input)


@pytest.mark.parametrize("cells", ["- - 3", "- - x"])
def test_a_column_without_a_training_value_is_refused(cells: str) -> None:
    with says("t: column 'a' has no value in the training part"):
        taught(table(a=cells), 2)


def test_columns_are_found_by_name_and_others_are_left_alone() -> None:
    input = taught(table(age="1 3", size="x y"), 2)
    assert encode(table(size="y", more="?", age="3"), input).tolist() == [[1, 0, 1]]
    with says("t: there is no column 'size'. Did you mean 'sizes'?"):
        encode(table(sizes="y", age="3"), input)
    with says("t: row 2, column 'age': 'old' is not a number"):
        encode(table(age="old", size="x"), input)


def test_natural_order() -> None:
    assert natural({"10", "9", "1e1", "-2"}) == ["-2", "9", "10", "1e1"]
    assert natural({"10", "9", "x"}) == ["10", "9", "x"]
