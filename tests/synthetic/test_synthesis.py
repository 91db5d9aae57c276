"""Synthetic versions of sequences: of lines, and of images at their places."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import dovetail as dt
from dovetail.recipe.draws import Draws
from dovetail.recipe.errors import RecipeError
from dovetail.recipe.facts import Field, Input
from dovetail.recipe.sequences import Sequences
from dovetail.recipe.spec import Spec
from dovetail.synthetic.synthesis import Synthesis

S = dt.synthetic
LINES = Input("sequence", [40, 12], "uint8")


def lines(lengths: list[int]) -> Sequences:
    g = torch.Generator().manual_seed(1)
    return Sequences(torch.rand(sum(lengths), 12, generator=g), torch.tensor(lengths))


def seen(x: Sequences, input: Input, *specs: Spec) -> Sequences:
    draws = Draws(seed=3)
    changed: Sequences = Synthesis(specs, input)(x, draws)[0]
    return changed


def image(x: Sequences) -> Tensor:
    return x.padded().transpose(1, 2)[:, None]


def test_a_line_is_changed_as_an_image() -> None:
    x = lines([32, 32])
    specs = (S.shear(0.3), S.shift(2), S.blur(1.0), S.elastic(10, 3))
    changed, _ = Synthesis(specs, Input("image", [1, 12, 32], "uint8"))(image(x), Draws(seed=3))
    torch.testing.assert_close(image(seen(x, LINES, *specs)), changed)


def test_lines_keep_their_lengths_and_change() -> None:
    x = lines([32, 7, 19])
    y = seen(x, LINES, S.elastic(10, 3))
    assert y.lengths.tolist() == [32, 7, 19]
    assert y.values.shape == x.values.shape
    assert not torch.equal(y.values, x.values)


def test_images_at_places_are_changed_each_by_itself() -> None:
    g = torch.Generator().manual_seed(1)
    x = Sequences(torch.rand(5, 1, 8, 6, generator=g), torch.tensor([3, 2]))
    y = seen(x, Input("sequence", [3, 1, 8, 6], "uint8"), S.shift(2))
    expected, _ = Synthesis([S.shift(2)], Input("image", [1, 8, 6], "uint8"))(x.values, Draws(seed=3))
    assert torch.equal(y.values, expected)


def test_what_has_no_synthetic_version_is_told() -> None:
    with pytest.raises(RecipeError, match="synthetic: there are no synthetic versions of words"):
        Synthesis([S.shift(2)], Input("sequence", [3, 1], "int32", fields=[Field("word[0]", [1])]))
    with pytest.raises(RecipeError, match="sequences cannot be mixed"):
        Synthesis([S.mixup()], LINES)
