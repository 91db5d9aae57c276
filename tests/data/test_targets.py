"""What a table predicts, and new rows of it for a run."""

from __future__ import annotations

from pathlib import Path

import pytest
from data.making import ABC, everything, numbered, says, table_of

import dovetail as dt


@pytest.mark.parametrize(
    ("cells", "task", "form", "names"),
    [
        ("a b a", "auto", "class", ["a", "b"]),
        ("3 1 20 1", "auto", "class", ["1", "3", "20"]),
        ("0.5 1 2", "auto", "numbers", ["y"]),
        (" ".join(map(str, range(20))), "auto", "class", [str(i) for i in range(20)]),
        (" ".join(map(str, range(21))), "auto", "numbers", ["y"]),
        ("3 1 20 1", "numbers", "numbers", ["y"]),
        ("0.5 1 2", "class", "class", ["0.5", "1", "2"]),
        ("1 1 1 1 1 1 1 1 1 x", "class", "class", ["1", "x"]),
        ("0 1 1", "labels", "labels", ["y"]),
        ("0 1 1", "auto", "class", ["0", "1"]),
    ],
)
def test_what_a_target_is(cells: str, task: str, form: str, names: list[str]) -> None:
    target = table_of(numbered(*cells.split()), "a,y", task=task).facts.target
    assert (target.form, target.names, target.width) == (form, names, len(names))


@pytest.mark.parametrize(
    ("rows", "form", "values"),
    [(["1,0,1", "2,1,1"], "labels", [[0, 1], [1, 1]]), (["1,0,1", "2,1,7"], "numbers", [[0, 1], [1, 7]])],
)
def test_several_targets_are_labels_where_all_are_0_or_1(rows: list[str], form: str, values: list[list[int]]) -> None:
    source = table_of(rows, "a,p,q", ["p", "q"])
    assert source.facts.target.form == form
    assert source.facts.target.names == ["p", "q"]
    assert source.facts.target.counts == ([1, 2] if form == "labels" else [])
    assert everything(source.part("train"))[1].tolist() == values


def test_new_rows_are_encoded_and_numbered_as_the_run_was() -> None:
    run = table_of(["1,x,a", "2,y,b", "3,x,c"], "n,t,y").facts
    more = table_of(["2,x,c", "9,z,a"], "n,t,y")
    more.adopt(run)
    x, y, _ = everything(more.part("train"))
    assert y.tolist() == [2, 0]
    assert x[0].tolist() == [0, 1, 0]
    assert x[1, 1:].tolist() == [0, 0]
    one = table_of(["2,x,c", "3,x,c"], "n,t,y")
    one.adopt(run)
    assert everything(one.part("train"))[1].tolist() == [2, 2]


def test_new_rows_that_do_not_fit_are_refused() -> None:
    run = table_of(["1,x,a", "2,y,b"], "n,t,y").facts
    with says("t.csv: the run knows no class 'd'; its classes: a, b"):
        table_of(["1,x,d", "1,x,a"], "n,t,y").adopt(run)
    with says("t.csv: there is no column 't'. Known: n, u, y."):
        table_of(["1,x,a", "2,y,b"], "n,u,y").adopt(run)
    with says("t.csv: a table, the run takes image of 1x28x28"):
        table_of(ABC).adopt(dt.digits().make(Path()).facts)
    with says("t.csv: the target has 1 numbers, the run predicts 2"):
        table_of(["1,2,3"], "a,p,q", "p").adopt(table_of(["1,2,3", "4,5,6"], "a,p,q", ["p", "q"]).facts)
