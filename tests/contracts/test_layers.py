"""Every registered layer against every property. A new layer is tested by adding a row."""

from __future__ import annotations

import re

import pytest
from contracts.checks import CHECKS, Check

import dovetail as dt
from dovetail.recipe import layer
from dovetail.recipe.errors import RecipeError
from dovetail.recipe.spec import Spec

SETTINGS: list[tuple[Spec, tuple[int, ...]]] = [
    (dt.linear(4), (5,)),
    (dt.linear(3, bias=False, init="glorot"), (2, 5)),
    (dt.sigmoid(), (5,)),
    (dt.tanh(), (5,)),
    (dt.scaled_tanh(), (2, 3, 3)),
    (dt.relu(), (5,)),
    (dt.leaky_relu(0.2), (5,)),
    (dt.elu(0.7), (5,)),
    (dt.gelu(), (5,)),
    (dt.softplus(), (5,)),
    (dt.maxout(3), (6,)),
    (dt.maxout(2), (4, 3, 3)),
    (dt.conv(3, kernel=3, init="he"), (2, 7)),
    (dt.conv(4, kernel=[2, 3], stride=[1, 2], pad=[1, 0], groups=2), (2, 5, 6)),
    (dt.conv(2, kernel=3, pad="same", bias=False), (1, 4, 5)),
    (dt.conv(2, kernel=2), (1, 3, 4, 3)),
    (dt.maxpool(2), (2, 6)),
    (dt.maxpool(3, stride=2, pad=1, round_up=True), (2, 6, 5)),
    (dt.maxpool(2), (1, 4, 4, 4)),
    (dt.avgpool(2), (2, 6)),
    (dt.avgpool(3, stride=2, pad=1, round_up=True), (2, 6, 5)),
    (dt.avgpool(2), (1, 4, 4, 4)),
    (dt.globalpool(), (3, 4, 4)),
    (dt.globalpool("max"), (3, 5)),
    (dt.subsample(2, init="uniform"), (3, 4, 4)),
    (dt.subsample(2), (3, 6)),
    (dt.subsample([1, 2, 2]), (2, 2, 4, 4)),
    (dt.flatten(), (2, 3, 2)),
    (dt.reshape([3, -1]), (2, 6)),
    (dt.reshape([2, 3, 2]), (12,)),
    (dt.dropout(0.5), (5,)),
    (dt.gaussian_noise(0.3), (5,)),
    (dt.dropconnect(4), (5,)),
    (dt.dropconnect(3, keep=0.8, activation="tanh", bias=False, init="he"), (70,)),
    (dt.dropconnect(3, activation="sigmoid", inference="mean"), (5,)),
    (dt.dropconnect(4, batchnorm=True), (5,)),
    (dt.batchnorm(), (4,)),
    (dt.batchnorm(momentum=0.3), (3, 5)),
    (dt.batchnorm(affine=False), (3, 4, 4)),
    (dt.batchnorm(), (2, 2, 2, 3)),
    (dt.layernorm(), (5,)),
    (dt.layernorm(axes=1, affine=False), (3, 5)),
    (dt.localnorm(size=3, alpha=0.5), (5, 3, 3)),
    (dt.chain([dt.linear(4), dt.tanh()]), (5,)),
    (dt.residual([dt.linear(5), dt.tanh()]), (5,)),
    (dt.residual([dt.conv(4, pad=1)], shortcut=[dt.conv(4, 1)]), (2, 4, 4)),
    (dt.branch([[dt.conv(2, 1)], [dt.conv(3, 3, pad=1), dt.tanh()]]), (2, 4, 4)),
    (dt.branch([[dt.linear(3)], [dt.linear(3), dt.tanh()]], join="add"), (5,)),
    (dt.repeat([dt.linear(4), dt.tanh()], times=2), (5,)),
    (dt.avgpool(5, stride=3, shrink=True), (2, 4, 6)),
    (dt.pad(1, value=-0.1), (2, 3)),
    (dt.pad([0, 2]), (1, 3, 4)),
    (dt.table_conv([[0, 1], [2], [0, 1, 2]], kernel=[2, 3], init="lecun"), (3, 4, 5)),
    (dt.table_conv([[1], [0]], kernel=2, bias=False), (2, 5)),
    (dt.rbf(3), (4,)),
    (dt.rbf(10, codes="glyphs"), (84,)),
    (dt.stages([[2], [3, [4, 1]]], after=[dt.tanh()], init="he"), (2, 8, 8)),
    (dt.inception(2, [1, 3], [1, 2], 1, after=[dt.batchnorm(), dt.tanh()]), (2, 5, 4)),
    (dt.heads(main=[dt.linear(3), dt.tanh(), dt.linear(2)], side=[dt.linear(2)]), (5,)),
    (dt.lstm(3, both=True), (4, 2)),
    (dt.spread(2), (3, 4)),
]
OF_SEQUENCES = {"characters", "embedding", "indicators", "segments", "sweep"}  # alone: in test_sequences


def test_every_layer_has_a_row() -> None:
    assert {part.name for part in layer if part.function.__module__.startswith("dovetail.")} == {
        spec.name for spec, _ in SETTINGS
    } | OF_SEQUENCES


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(("spec", "shape"), SETTINGS, ids=lambda value: str(value)[:40])
def test_every_layer_keeps_every_promise(spec: Spec, shape: tuple[int, ...], check: Check) -> None:
    check(spec, shape)


@pytest.mark.parametrize("part", list(layer), ids=lambda part: part.name)
def test_an_unknown_option_is_named(part: object) -> None:
    with pytest.raises(RecipeError, match=re.escape(f"{part.name}: unknown option 'colour'.")):  # type: ignore[attr-defined]
        part(colour=1)  # type: ignore[operator]
