"""Masks and noise: the kernels beside the forms in PyTorch, and what a row's draws depend on."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

import dovetail as dt
from dovetail.kernels import library
from dovetail.layers.noise import dropout_mask, normal_rows
from dovetail.recipe.draws import Draws

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]


@pytest.mark.parametrize("shape", [(3,), (5, 7), (2, 64), (2, 3, 5000), (300, 3, 70), (0, 4), (4, 0)])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("keep", [0.5, 0.3, 1e-9, 1 - 1e-9])
def test_both_forms_draw_the_same_masks(
    shape: tuple[int, ...], dtype: torch.dtype, keep: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    like = torch.empty(shape, dtype=dtype)
    monkeypatch.setenv("DOVETAIL_KERNELS", "torch")
    plain = dropout_mask(like, keep, 12, 3)
    monkeypatch.setenv("DOVETAIL_KERNELS", "c")
    assert library("dropout") is not None
    mask = dropout_mask(like, keep, 12, 3)
    assert mask.dtype == dtype
    assert torch.equal(mask, plain)


@pytest.mark.parametrize("keep", [0.2, 0.5, 0.8, 2**-16])
def test_entries_are_drawn_apart_and_their_mean_is_one(keep: float) -> None:
    mask = dropout_mask(torch.empty(4096, 256), keep, 5)
    n, deviation = mask.numel(), math.sqrt((1 - keep) / keep)
    assert mask.unique().tolist() == [0.0, pytest.approx(1 / keep)]
    assert abs(float(mask.mean()) - 1) < 5 * deviation / math.sqrt(n)
    centred = (mask - 1) / deviation
    for other in (centred.roll(1, 0), centred.roll(1, 1), centred.roll(64, 1), centred.flip(1)):
        assert abs(float((centred * other).mean())) < 6 / math.sqrt(n) * (1 if keep > 0.01 else 3)


def test_rows_have_what_their_number_tells() -> None:
    whole = dropout_mask(torch.empty(8, 500), 0.5, 1)
    for first in (0, 3, 6):
        assert torch.equal(dropout_mask(torch.empty(2, 500), 0.5, 1, first), whole[first : first + 2])
    assert torch.equal(dropout_mask(torch.empty(8, 300), 0.5, 1), whole[:, :300])
    assert not torch.equal(dropout_mask(torch.empty(8, 500), 0.5, 2), whole)


def test_masks_go_with_seed_name_and_step() -> None:
    draws = Draws(seed=1)
    keys = {draws.key("1"), draws.key("2"), Draws(seed=2).key("1")}
    draws.step = 1
    assert len({*keys, draws.key("1")}) == 4


def one() -> Any:
    return dt.build([dt.dropout(0.5)], torch.zeros(1, 1))


def test_alone_the_global_generator_tells() -> None:
    def drawn(seed: int) -> Tensor:
        torch.manual_seed(seed)
        network, x = one(), torch.ones(10, 10)
        assert not torch.equal(network(x), network(x))
        result: Tensor = network(x)
        return result

    assert torch.equal(drawn(0), drawn(0))
    assert not torch.equal(drawn(0), drawn(1))


def test_the_gradient_goes_where_the_values_went() -> None:
    x = torch.randn(6, 3, 4, 4, requires_grad=True).to(memory_format=torch.channels_last)
    x.retain_grad()
    y = one()(x)
    y.sum().backward()
    assert torch.equal(y, x * x.grad)


@pytest.mark.parametrize("shape", [(3,), (5, 7), (2, 3, 5000), (300, 3, 70), (0, 4), (4, 0)])
def test_both_forms_draw_the_same_noise(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOVETAIL_KERNELS", "torch")
    plain = normal_rows(torch.empty(shape), 12, 3)
    monkeypatch.setenv("DOVETAIL_KERNELS", "c")
    assert library("normal") is not None
    torch.testing.assert_close(normal_rows(torch.empty(shape), 12, 3), plain, atol=0, rtol=2e-6)


@pytest.mark.parametrize("key", range(3))
def test_noise_is_normal(key: int) -> None:
    noise = normal_rows(torch.empty(2000, 1000), key).double()
    n = noise.numel()
    moments = [(noise, 0, 1), (noise**2, 1, 2), (noise**3, 0, 15), (noise**4, 3, 96)]
    moments += [(noise[:, 1:] * noise[:, :-1], 0, 1), (noise[1:] * noise[:-1], 0, 1)]
    for values, mean, variance in moments:
        assert abs(float(values.mean()) - mean) < 5 * math.sqrt(variance / n)
    places = torch.linspace(-4, 4, 33, dtype=torch.float64)
    below = torch.searchsorted(noise.flatten().sort().values, places) / n
    assert float((below - torch.special.ndtr(places)).abs().max()) < 2 / math.sqrt(n)  # Kolmogorov's, 1 in 1000


def test_rows_of_noise_have_what_their_number_tells() -> None:
    whole = normal_rows(torch.empty(8, 500), 1)
    for first in (0, 3, 6):
        assert torch.equal(normal_rows(torch.empty(2, 500), 1, first), whole[first : first + 2])
    assert torch.equal(normal_rows(torch.empty(8, 301), 1), whole[:, :301])
    assert not torch.equal(normal_rows(torch.empty(8, 500), 2), whole)
