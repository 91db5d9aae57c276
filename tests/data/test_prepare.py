"""Stored values to normalized ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import dovetail as dt
from dovetail.data.prepare import Prepare
from dovetail.recipe.facts import Input

CPU = torch.device("cpu")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("stored", ["uint8", "float32"])
def test_standardizes_every_channel(stored: str, channels: int, dtype: torch.dtype) -> None:
    raw = torch.randint(0, 256, (8, channels, 4, 5), generator=torch.Generator().manual_seed(0)).to(
        getattr(torch, stored)
    )
    mean, deviation = [100.0, 120.0, 7.5][:channels], [50.0, 60.0, 3.25][:channels]
    made = Prepare(Input("image", [channels, 4, 5], stored, mean, deviation), CPU, dtype)(raw)
    shaped = (torch.tensor(values, dtype=torch.float64).view(1, -1, 1, 1) for values in (mean, deviation))
    expected = (raw.double() - next(shaped)) / next(shaped)
    assert made.dtype == dtype
    tolerance = {torch.float32: 1e-5, torch.float64: 1e-12, torch.bfloat16: 0.5}[dtype]
    torch.testing.assert_close(made.double(), expected, rtol=tolerance, atol=tolerance)


def test_features_have_their_own_statistics() -> None:
    input = Input("array", [2], "float32", [1.0, 10.0], [2.0, 5.0])
    made = Prepare(input, CPU, torch.float32)(torch.tensor([[3.0, 0.0]]))
    assert made.tolist() == [[1.0, -2.0]]


@pytest.mark.parametrize("mean", [[], [0.0]])
def test_unit_divides_alone(mean: list[float]) -> None:
    prepare = Prepare(Input("image", [1, 1, 2], "uint8", [0.0], [255.0]), CPU, torch.float32)
    assert prepare(torch.tensor([[[[0, 255]]]], dtype=torch.uint8)).flatten().tolist() == [0.0, pytest.approx(1.0)]


def test_without_statistics_values_stay() -> None:
    prepare = Prepare(Input("image", [1, 1, 2], "uint8"), CPU, torch.float32)
    made = prepare(torch.tensor([[[[0, 255]]]], dtype=torch.uint8))
    assert made.dtype == torch.float32
    assert made.flatten().tolist() == [0.0, 255.0]


@pytest.mark.parametrize("statistics", [([], []), ([1.0], [2.0]), ([1.0, 2.0], [2.0, 2.0])])
def test_the_stored_values_are_never_touched(statistics: tuple[list[float], list[float]]) -> None:
    raw = torch.arange(6.0).view(3, 2)
    Prepare(Input("array", [2], "float32", *statistics), CPU, torch.float32)(raw)
    assert raw.flatten().tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("channels", [1, 3])
def test_strides_are_kept(channels: int) -> None:
    raw = torch.zeros(4, channels, 5, 6, dtype=torch.uint8).to(memory_format=torch.channels_last)
    input = Input("image", [channels, 5, 6], "uint8", [1.0] * channels, [2.0] * channels)
    assert Prepare(input, CPU, torch.float32)(raw).stride() == raw.stride()


def test_the_training_part_becomes_mean_0_and_deviation_1() -> None:
    source = dt.arrays(np.random.default_rng(0).normal(30, 4, (500, 3)), np.arange(500) % 2).make(Path())
    train = source.part("train")
    made = Prepare(source.facts.input, CPU, torch.float32)(train.fetch(torch.arange(len(train)))[0])
    torch.testing.assert_close(made.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(made.std(0, correction=0), torch.ones(3), atol=1e-5, rtol=0)
