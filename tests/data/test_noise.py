"""Data without files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from data.making import everything

import dovetail as dt
from dovetail.recipe.errors import RecipeError

HERE = Path()


def test_inputs_are_normal_and_classes_uniform() -> None:
    x, y, weights = everything(dt.noise([4, 5], classes=4, size=5000).make(HERE).part("train"))
    assert weights is None
    assert (x.shape, x.dtype, y.dtype) == ((5000, 4, 5), torch.float32, torch.int64)
    assert abs(x.mean()) < 0.02
    assert abs(x.std() - 1) < 0.02
    assert abs(x.flatten(1).T.corrcoef() - torch.eye(20)).max() < 0.08
    assert (torch.bincount(y, minlength=4) - 1250).abs().max() < 150


def test_numbers_have_as_many_components_as_asked() -> None:
    source = dt.noise([3], classes=None, outputs=2, size=500).make(HERE)
    _, y, _ = everything(source.part("train"))
    assert y.shape == (500, 2)
    assert source.facts.target.names == ["y0", "y1"]
    assert source.facts.target.mean == pytest.approx(y.double().mean(0).tolist())
    assert source.facts.target.deviation == pytest.approx(y.double().std(0, correction=0).tolist())


def test_all_of_it_is_to_train_on_and_nothing_is_normalized() -> None:
    facts = dt.noise([2], size=7).make(HERE).facts
    assert facts.sizes == {"train": 7, "validation": 0, "test": 0}
    assert (facts.input.mean, facts.input.deviation) == ([], [])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": [0]}, r"noise: option 'shape' takes a list \(a whole number above 0 each\), not \[0\]"),
        ({"shape": [3], "classes": 1}, "noise: option 'classes' takes a whole number at least 2.*, not 1"),
        ({"shape": [3], "size": 0}, "noise: option 'size' takes a whole number above 0, not 0"),
        ({"shape": [3], "clases": 2}, "noise: unknown option 'clases'. Did you mean 'classes'?"),
    ],
)
def test_options_are_checked(options: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        dt.noise(**options)
