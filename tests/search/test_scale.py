"""Which scale figures are learned on: strong where they repeat, mild where they do not; and what that is good for."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dovetail.search import linear
from dovetail.search.propose import propose
from dovetail.search.scale import MILD, STRONG, Scale, learned, usable
from dovetail.search.space import Space


def seen(noise: float, count: int = 25) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(1)
    points = chance.random((count, 2))
    values = 0.1 + ((points - 0.4) ** 2).sum(1)
    return points, values * np.exp(noise * chance.normal(size=count))


@pytest.mark.parametrize(("noise", "strength"), [(0.0, STRONG), (0.3, MILD)])
def test_the_scale_goes_by_the_noise(noise: float, strength: float) -> None:
    points, values = seen(noise)
    process, scale = learned(points, values, np.array([0, 1]), np.random.default_rng(0))
    assert scale == Scale.of(values, strength)
    mean, _ = process.expected(points)
    assert np.abs(scale.figures(mean) - values).max() < (3e-3 if not noise else 0.5)


def test_figures_come_back_from_both_scales() -> None:
    values = np.array([0.2, 0.25, 0.9, 40.0])
    for strength in (MILD, STRONG):
        scale = Scale.of(values, strength)
        np.testing.assert_allclose(scale.figures(scale.warped(values)), values)
    assert usable([0.3, None, 0.7]).tolist() == [0.3, 0.7, 0.7]


def trained(rate: float, width: float, idle: float, chance: np.random.Generator) -> float:
    """A loss as networks have it: a valley along the rate, a cliff beyond it, and noise of a tenth."""
    if rate > 0.8:
        return 2.3
    return (0.15 + 2.5 * (rate - 0.6) ** 2 + 0.15 * (1 - width) ** 2 + 0.0 * idle) * math.exp(0.1 * chance.normal())


def test_noise_does_not_hold_the_search_at_a_lucky_point() -> None:
    space = Space({name: linear([0.0, 1.0]) for name in ("rate", "width", "idle")})
    gained = []
    for seed in range(5):
        chance = np.random.default_rng(seed)
        points: list[np.ndarray] = []
        values: list[float] = []
        for _ in range(24):
            point = propose(space, points, values, seed)
            assert point is not None
            points.append(point)
            values.append(trained(**space.settings(point), chance=chance))
        at_random = [trained(*chance.random(3), chance) for _ in range(48)]
        gained.append(min(at_random) - min(values))
    assert np.mean(gained) > 0.003  # beats twice as many at random
