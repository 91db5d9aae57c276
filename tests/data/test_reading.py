"""New inputs for a trained system."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from data.making import says
from PIL import Image

import dovetail as dt
from dovetail.data.encode import encode
from dovetail.data.reading import check_array, read
from dovetail.data.tabular import read_table
from dovetail.recipe.facts import Column, Input

GREY = Input("image", [1, 4, 3], "uint8", [100.0], [50.0])
COLOR = Input("image", [3, 4, 3], "uint8")
ARRAY = Input("array", [3], "float32")
TABLE = Input("table", [3], "float32", columns=[Column("age", [], 10.0, 2.0), Column("size", ["1", "2"])])
GAPS = Input("table", [2], "float32", columns=[Column("age", [], 10.0, 2.0, True)], missing="indicator")


def picture(name: str, *shape: int, value: int = 7) -> Path:
    Image.fromarray(np.full(shape, value, np.uint8)).save(name)
    return Path(name)


def write(name: str, text: str) -> Path:
    Path(name).write_text(text)
    return Path(name)


def array(name: str, values: Any) -> Path:
    np.save(name, values)
    return Path(name)


def test_images_of_any_size_and_colour_come_as_the_training_images_were() -> None:
    paths = [picture("a.png", 4, 3), picture("b.jpg", 40, 30), picture("c.png", 9, 9, 3)]
    for input in (GREY, COLOR):
        names, raw = read(input, paths)
        assert names == ["a.png", "b.jpg", "c.png"]
        assert (list(raw.shape), raw.dtype) == ([3, *input.shape], torch.uint8)
        assert (raw == 7).all()


@pytest.mark.parametrize(("fit", "columns"), [("stretch", 3), ("crop", 3), ("pad", 1)])
def test_images_are_fitted_as_the_training_images_were(fit: Any, columns: int) -> None:
    path = picture("a.png", 40, 10, value=200)
    _, raw = read(Input("image", [1, 4, 3], "uint8", fit=fit, border=200.0), [path])
    assert int((raw[0, 0] > 0).all(0).sum()) == columns


def test_light_and_dark_may_be_swapped_and_a_remark_says_when(capsys: pytest.CaptureFixture[str]) -> None:
    path = picture("a.png", 4, 3, value=250)
    assert read(GREY, [path])[1].unique().tolist() == [250]
    assert capsys.readouterr().err == ("a.png: its background is light, the training images' is dark; try --invert\n")
    assert read(GREY, [path], invert=True)[1].unique().tolist() == [5]
    assert capsys.readouterr().err == ""


def test_rows_of_several_tables_are_named_by_file_and_row() -> None:
    files = [write("a.csv", "size,age\n1,12\n2,8\n"), write("b.csv", "more;age;size\n?;10;1.0\n")]
    names, raw = read(TABLE, files)
    assert names == ["a.csv:1", "a.csv:2", "b.csv"]
    assert raw.tolist() == [[1, 1, 0], [-1, 0, 1], [0, 1, 0]]


def test_arrays_come_from_files() -> None:
    names, raw = read(ARRAY, [array("a.npy", np.arange(6).reshape(2, 3)), array("b.npy", np.ones((1, 3)))])
    assert names == ["a.npy:1", "a.npy:2", "b.npy"]
    assert raw.tolist() == [[0, 1, 2], [3, 4, 5], [1, 1, 1]]
    names, raw = read(GREY, [array("c.npy", np.full((2, 4, 3), 9, np.uint8)), picture("d.png", 4, 3)])
    assert names == ["c.npy:1", "c.npy:2", "d.png"]
    assert raw[:, 0, 0, 0].tolist() == [9, 9, 7]


@pytest.mark.parametrize(
    ("input", "path", "message"),
    [
        (GREY, lambda: Path("no.png"), "no.png: there is no such file"),
        (GREY, lambda: Path(), ".: is a folder, expected a file: name the files, ./*"),
        (GREY, lambda: write("a.csv", "age\n1\n"), "a.csv: not an image that Pillow can read"),
        (GREY, lambda: array("a.npy", np.ones((1, 5, 5))), "a.npy: expected (N, 1, 4, 3), got (1, 5, 5)"),
        (TABLE, lambda: write("a.csv", "age,sise\n1,2\n"), "a.csv: there is no column 'size'. Did you mean 'sise'?"),
        (TABLE, lambda: write("a.csv", "age,size\nold,1\n"), "a.csv: row 2, column 'age': 'old' is not a number"),
        (TABLE, lambda: picture("a.png", 4, 3), "a.png: row 1: not UTF-8 text: byte 0x89"),
        (ARRAY, lambda: write("a.csv", "1,2,3\n"), None),
        (ARRAY, lambda: array("a.npy", np.ones((2, 4))), "a.npy: expected (N, 3), got (2, 4)"),
        (ARRAY, lambda: array("a.npy", [[1, np.nan, 1]]), "a.npy[0, 1] is nan, expected finite numbers (1 are not)"),
        (ARRAY, lambda: array("a.npy", [["a", "b", "c"]]), "a.npy: expected numbers, got <U1"),
    ],
)
def test_tells_which_file_does_not_fit(input: Input, path: Any, message: str | None) -> None:
    file = path()
    with says(message) if message else pytest.raises(ValueError, match=r"^a\.csv: not an array file"):
        read(input, [file])


@pytest.mark.parametrize(
    ("input", "given", "raw"),
    [
        (GREY, np.full((2, 4, 3), 9), [9] * 24),
        (GREY, np.full((2, 1, 4, 3), 254.6), [255] * 24),
        (GREY, torch.zeros(1, 4, 3, dtype=torch.bfloat16), [0] * 12),
        (COLOR, np.full((1, 3, 4, 3), 1.0), [1] * 36),
        (ARRAY, [[1, 2, 3]], [1, 2, 3]),
        (ARRAY, torch.ones(2, 3, requires_grad=True), [1] * 6),
        (ARRAY, np.ones((0, 3)), []),
        (TABLE, [[12, 2]], [1, 0, 1]),
        (TABLE, np.array([[12.0, 2.0]]), [1, 0, 1]),
        (TABLE, [["12", "2"]], [1, 0, 1]),
        (GAPS, [[np.nan], [12], [None]], [0, 1, 1, 0, 0, 1]),
        (GAPS, [["nan"], ["12"], [" "]], [0, 1, 1, 0, 0, 1]),
    ],
)
def test_arrays_given_in_python(input: Input, given: Any, raw: list[float]) -> None:
    read = check_array(input, given)
    assert read.flatten().tolist() == raw
    assert list(read.shape[1:]) == input.shape
    assert str(read.dtype) == f"torch.{input.dtype}"


@pytest.mark.parametrize(
    ("input", "given", "message"),
    [
        (GREY, np.full((1, 4, 3), 256), "inputs: expected images with values of 0 to 255, got 256 to 256"),
        (GREY, np.full((1, 4, 3), -1), "inputs: expected images with values of 0 to 255, got -1 to -1"),
        (GREY, np.full((1, 4, 3), np.nan), "inputs: expected images with values of 0 to 255, got nan to nan"),
        (
            GREY,
            np.linspace(0, 1, 12).reshape(1, 4, 3),
            "inputs: expected images with values of 0 to 255, got 0 to 1; multiply them by 255",
        ),
        (GREY, np.zeros((4, 3)), "inputs: expected (N, 1, 4, 3), got (4, 3)"),
        (COLOR, np.zeros((1, 4, 3)), "inputs: expected (N, 3, 4, 3), got (1, 4, 3)"),
        (ARRAY, [1, 2, 3], "inputs: expected (N, 3), got (3,)"),
        (ARRAY, 5, "inputs: expected (N, 3), got ()"),
        (ARRAY, [[1, 2, 3], [1, 2]], "inputs: rows of different lengths"),
        (ARRAY, [[1, np.inf, 3]], "inputs[0, 1] is inf, expected finite numbers (1 are not)"),
        (ARRAY, [["a", "b", "c"]], "inputs: expected numbers, got <U1"),
        (TABLE, [[1, 2, 3]], "inputs: expected rows of 2 columns (age, size), got (1, 3)"),
        (TABLE, [["x", "2"]], "inputs: row 0, column 'age': 'x' is not a number"),
        (
            TABLE,
            [["1", "2"], ["nan", "2"]],
            "inputs: row 1, column 'age': the value is absent (1 in all); "
            "say what to do: missing: mean, indicator or drop",
        ),
    ],
)
def test_arrays_that_do_not_fit_are_refused(input: Input, given: Any, message: str) -> None:
    with says(message):
        check_array(input, given)


def test_training_rows_read_again_are_what_was_trained_on() -> None:
    write("t.csv", "a,b,y\n1,u,0\n2,v,1\n4,u,0\n")
    source = dt.table("t.csv", "y", test=0).make(Path())
    _, raw = read(source.facts.input, [Path("t.csv")])
    assert torch.equal(raw, source.part("train").fetch(torch.arange(3))[0])
    assert torch.equal(raw, encode(read_table(Path("t.csv")), source.facts.input))
