"""Arrays from Python and from .npy and .npz files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from data.making import everything, pictures, says

import dovetail as dt
from dovetail.recipe.errors import RecipeError
from dovetail.recipe.facts import Facts

HERE = Path()
X = np.random.default_rng(0).normal(3, 2, (12, 4))
Y = np.arange(12) % 3


def facts(x: Any = X, y: Any = Y, **options: Any) -> Facts:
    facts: Facts = dt.arrays(x, y, **{"test": 0, **options}).make(HERE).facts
    return facts


@pytest.mark.parametrize(
    ("y", "form", "names"),
    [
        (Y, "class", ["0", "1", "2"]),
        (Y * 5 - 5, "class", ["-5", "0", "5"]),
        (Y > 0, "class", ["False", "True"]),
        (np.array(list("bca") * 4), "class", ["a", "b", "c"]),
        (np.array([b"x", "ü".encode()] * 6), "class", ["x", "ü"]),
        (torch.from_numpy(Y), "class", ["0", "1", "2"]),
        (Y.astype(np.uint8), "class", ["0", "1", "2"]),
        (Y.astype(">i4"), "class", ["0", "1", "2"]),
        (X[:, 0], "numbers", ["y0"]),
        (X[:, :2].astype(np.float16), "numbers", ["y0", "y1"]),
        (torch.ones(12, 2, dtype=torch.bfloat16), "numbers", ["y0", "y1"]),
        (X[:, :3] > 3, "labels", ["y0", "y1", "y2"]),
        ((X[:, :3] > 3).astype(int), "labels", ["y0", "y1", "y2"]),
        ((X[:, :3] > 3).astype(int) * 2, "numbers", ["y0", "y1", "y2"]),
    ],
)
def test_what_a_target_is(y: Any, form: str, names: list[str]) -> None:
    target = facts(y=y).target
    assert (target.form, target.names, target.width) == (form, names, len(names))


def test_classes_are_numbered_in_the_order_of_their_names() -> None:
    _, y, _ = everything(dt.arrays(X, np.array(list("bca") * 4), test=0).make(HERE).part("train"))
    assert y.tolist() == [1, 2, 0] * 4


@pytest.mark.parametrize(
    ("y", "names"),
    [(Y, ["red", "green", "blue", "never"]), (Y > 0, ["no", "yes"]), (np.array(list("abc") * 4), ["c", "b", "a"])],
)
def test_names_name_the_classes(y: np.ndarray, names: list[str]) -> None:
    source = dt.arrays(X, y, test=0, names=names).make(HERE)
    assert source.facts.target.names == names
    _, targets, _ = everything(source.part("train"))
    assert targets.tolist() == [names.index(v) if isinstance(v, str) else int(v) for v in y.tolist()]


def test_features_are_standardized_each_and_channels_each() -> None:
    flat, planes = facts(), facts(np.arange(12 * 2 * 3 * 3.0).reshape(12, 2, 3, 3))
    assert flat.input.mean == pytest.approx(X.mean(0).tolist(), rel=1e-6)
    assert flat.input.deviation == pytest.approx(X.std(0).tolist(), rel=1e-6)
    assert (len(planes.input.mean), planes.input.shape) == (2, [2, 3, 3])
    assert facts(normalize="none").input.mean == []


def test_constant_features_are_only_shifted() -> None:
    constant = facts(np.full((1000, 2), [0.1, 1e-20]), np.arange(1000) % 2).input
    assert constant.deviation == [1, 1]
    assert constant.mean == pytest.approx([0.1, 1e-20])


@pytest.mark.parametrize("x", [pictures(12)[0], pictures(12)[0][:, None], torch.from_numpy(pictures(12)[0])])
def test_bytes_are_images(x: Any) -> None:
    image = facts(x)
    assert (image.input.form, image.input.shape, image.input.dtype) == ("image", [1, 6, 5], "uint8")
    assert image.input.mean == [pytest.approx(pictures(12)[0].mean())]


def test_test_arrays_are_the_test_part() -> None:
    source = dt.arrays(X, Y, test_x=X[:3] + 1, test_y=Y[:3], test=0.5, validation=4).make(HERE)
    assert source.facts.sizes == {"train": 8, "validation": 4, "test": 3}
    x, y, _ = everything(source.part("test"))
    assert torch.equal(x, torch.from_numpy((X[:3] + 1).astype(np.float32)))
    assert y.tolist() == [0, 1, 2]
    whole = dt.arrays(X, X[:, 0], test_x=X[:3], test_y=np.array([1, 2, 3])).make(HERE)
    assert everything(whole.part("test"))[1].tolist() == [[1], [2], [3]]


WANTED = ", expected numbers or texts (N,), or numbers (N, K)"
nan, wide, odd = X.copy(), np.ones((12, 3)), np.array([1, "a", None] * 4, dtype=object)
nan[2, 1] = nan[5, 0] = np.nan
WRONG = {
    "nan": (nan, Y, {}, "x[2, 1] is nan, expected finite numbers (2 are not)"),
    "inf": (X, np.full(12, -np.inf), {}, "y[0, 0] is -inf, expected finite numbers (12 are not)"),
    "too large": (X * 1e39, Y, {}, f"x[0, 0] is {X[0, 0] * 1e39}, expected finite numbers (48 are not)"),
    "lengths": (X, Y[:-1], {}, "x has 12 examples, y 11"),
    "test lengths": (X, Y, {"test_x": X, "test_y": Y[:-1]}, "test_x has 12 examples, test_y 11"),
    "flat": (X[:, 0], Y, {}, "x is float64 of shape (12,), expected numbers (N, ...)"),
    "complex": (X * 1j, Y, {}, "x is complex128 of shape (12, 4), expected numbers (N, ...)"),
    "texts": (X.astype(str), Y, {}, f"x is {X.astype(str).dtype} of shape (12, 4), expected numbers (N, ...)"),
    "none": (X[:0], Y[:0], {}, "y is int64 of shape (0,), it holds nothing"),
    "no features": (X[:, :0], Y, {}, "x is float64 of shape (12, 0), it holds nothing"),
    "no pixels": (
        pictures(12)[0][:, :0],
        Y,
        {},
        "x: expected images (N, H, W) of bytes, got (12, 0, 5) of uint8",
    ),
    "objects": (X, odd, {}, "y is object of shape (12,)" + WANTED),
    "dates": (
        X,
        Y.astype("M8[D]"),
        {},
        "y is datetime64[D] of shape (12,)" + WANTED,
    ),
    "texts (N, K)": (
        X,
        X.astype("U3"),
        {},
        "y is <U3 of shape (12, 4)" + WANTED,
    ),
    "cube": (
        X,
        X[:, :, None],
        {},
        "y is float64 of shape (12, 4, 1)" + WANTED,
    ),
    "one class": (X, Y * 0, {}, "y has one class only, '0'"),
    "unnamed class": (X, Y, {"names": ["a", "b"]}, "y has the class '2', expected 0, 1"),
    "names": (X, X[:, :2], {"names": ["a", "b", "c"]}, "y has 2 columns, expected 3: a, b, c"),
    "test class": (X, Y, {"test_x": X, "test_y": Y + 1}, "test_y has the class '3', expected 0, 1, 2"),
    "test form": (X, Y, {"test_x": X, "test_y": X[:, 0]}, "y is of class, test_y of numbers"),
    "test labels": (X, wide.astype(int), {"test_x": X, "test_y": wide * 2}, "y is of labels, test_y of numbers"),
    "test columns": (X, wide, {"test_x": X, "test_y": wide[:, :2]}, "test_y has 2 columns, expected 3: y0, y1, y2"),
    "test width": (
        X,
        Y,
        {"test_x": X[:, :3], "test_y": Y},
        "test_x is float64 of shape (12, 3), x float64 of shape (12, 4): they do not fit together",
    ),
    "test type": (
        pictures(12)[0],
        Y,
        {"test_x": pictures(12)[0][:, None] / 255, "test_y": Y},
        "test_x is float64 of shape (12, 1, 6, 5), x uint8 of shape (12, 6, 5): they do not fit together",
    ),
    "all tested": (
        X,
        Y,
        {"test": 12},
        "12 examples do not make 12 for test and 0 for validation and leave some to train on",
    ),
}


@pytest.mark.parametrize(("x", "y", "options", "message"), WRONG.values(), ids=WRONG)
def test_tells_what_is_wrong(x: np.ndarray, y: np.ndarray, options: dict[str, Any], message: str) -> None:
    with says(f"arrays: {message}"):
        facts(x, y, **options)


def test_test_x_and_test_y_go_together() -> None:
    with says("test_x and test_y go together", ValueError):
        dt.arrays(X, Y, test_x=X).make(HERE)


def test_lists_are_not_arrays() -> None:
    with pytest.raises(RecipeError, match=r"^arrays: option 'y' takes an array, or the path of a \.npy file"):
        dt.arrays(X, [1, 2])  # type: ignore[arg-type]
