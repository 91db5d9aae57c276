"""Which point to try next: evenly spread ones first, then where a Gaussian process expects most improvement."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch.quasirandom import SobolEngine

from ..recipe.draws import mix, purpose_key
from .gaussian import Array, Gaussian
from .improvement import log_improvement, log_improvement_slopes
from .scale import learned, usable
from .space import Space

Cost = Callable[[dict[str, Any]], float]
CANDIDATES, REFINED = 1024, 6
NEIGHBOURHOODS = (0.1, 0.03, 0.01, 0.003)


def first_trials(space: Space) -> int:
    """How many points are spread evenly before the process is asked."""
    return len(space.names) + 3


def propose(
    space: Space,
    points: Sequence[Array],
    values: Sequence[float | None],
    seed: int = 0,
    first: int | None = None,
    cost: Cost | None = None,
) -> Array | None:
    """The point to try after `points`, of which the first have `values` (None: failed) and the rest are under way.

    A pure function of what it is given: nothing else is drawn or remembered. Lower values are better. The first points
    are those of a scrambled Sobol sequence; later ones have the highest expected improvement, divided by `cost` of the
    settings where that is given, and points under way count as if what is expected there had come. None where every
    point of the space was tried.

    >>> from dovetail.search import linear
    >>> space, points, values = Space({"x": linear([-1.0, 2.0])}), [], []
    >>> for _ in range(12):
    ...     points.append(propose(space, points, values))
    ...     values.append((space.settings(points[-1])["x"] - 0.5) ** 2)
    >>> min(values) < 1e-4
    True
    """
    number = len(points)
    first = first_trials(space) if first is None else first
    if number < first or all(value is None for value in values):
        return _untried(space, spread(space, number, first, seed), points, seed)
    chance = np.random.default_rng(mix(seed, purpose_key("search"), number))
    tried, done = np.array(points), len(values)
    process, _ = learned(space.features(tried[:done]), usable(values), space.owners, chance)
    if number > done:
        process = process.believing(space.features(tried[done:]))
    best = float(process.expected(space.features(tried))[0].min())
    return _highest(space, process, best, tried, chance, cost)


def _untried(space: Space, point: Array, points: Sequence[Array], seed: int) -> Array | None:
    """The point, or where values are few and it was tried, another at random; None where none is found."""
    chance = np.random.default_rng(mix(seed, purpose_key("untried point"), len(points)))
    for _ in range(CANDIDATES):
        if not any(np.abs(point - other).max() <= 1e-6 for other in points):
            return point
        point = space.snapped(chance.random(len(space.names)))
    return None


def spread(space: Space, number: int, of: int, seed: int) -> Array:
    """One of the points of a scrambled Sobol sequence; beyond `of` a random one."""
    if number >= of:
        chance = np.random.default_rng(mix(seed, purpose_key("random point"), number))
        return space.snapped(chance.random(len(space.names)))
    return space.snapped(sobol(len(space.names), of, mix(seed, purpose_key("spread points")))[number])


def sobol(dimensions: int, count: int, seed: int) -> Array:
    """The first points (count, dimensions) of a scrambled Sobol sequence."""
    engine: Any = SobolEngine  # which PyTorch gives no types
    drawn: Array = engine(dimensions, scramble=True, seed=seed).draw(count, dtype=torch.float64).numpy()
    return drawn


def _highest(
    space: Space, process: Gaussian, best: float, tried: Array, chance: np.random.Generator, cost: Cost | None
) -> Array | None:
    """The untried point of the highest improvement: the best of many, improved by following the slope."""
    count, dense = len(space.names), np.flatnonzero(space.dense)
    order = np.argsort(process.expected(space.features(tried))[0])
    near = [tried[order[0]] + size * chance.normal(size=(64, count)) for size in NEIGHBOURHOODS]
    drawn = np.vstack([sobol(count, CANDIDATES, int(chance.integers(1 << 62))), *near])
    candidates = np.unique([space.snapped(point) for point in drawn.clip(0, 1)], axis=0)
    fresh = np.abs(candidates[:, None] - tried).max(-1).min(-1) > 1e-6
    if not fresh.any():
        return None
    candidates = candidates[fresh]

    def price(point: Array) -> float:
        return math.log(cost(space.settings(point))) if cost else 0.0

    costs = np.array([price(point) for point in candidates])
    scores = log_improvement(*process.expected(space.features(candidates)), best) - costs
    order = np.argsort(-scores, kind="stable")[:REFINED]
    found = [(float(scores[place]), candidates[place]) for place in order]
    for point in [point for _, point in found] if len(dense) else ():
        score, point = _climbed(space, process, best, point, dense)
        found.append((score - price(point), point))
    found = [(score, point) for score, point in found if np.abs(tried - point).max(-1).min() > 1e-6]
    highest: Array = max(found, key=lambda pair: pair[0])[1]
    return highest


def _climbed(
    space: Space, process: Gaussian, best: float, point: Array, dense: NDArray[np.int_]
) -> tuple[float, Array]:
    """A point moved uphill along the ranges whose values lie dense, the others kept."""
    searched = [place for place in dense if space.names[place] in space.settings(point)]
    columns = [int(np.flatnonzero(space.owners == place)[0]) for place in searched]

    def moved(numbers: Array) -> Array:
        one = point.copy()
        one[searched] = numbers
        return one

    def loss(numbers: Array) -> tuple[float, Array]:
        mean, deviation, by_mean, by_deviation = process.slopes(space.features(moved(numbers)[None])[0])
        value, of_mean, of_deviation = log_improvement_slopes(mean, deviation, best)
        return -value, -(of_mean * by_mean + of_deviation * by_deviation)[columns]

    found = minimize(loss, point[searched], jac=True, method="L-BFGS-B", bounds=[(0, 1)] * len(searched))
    return -float(found.fun), space.snapped(moved(found.x))
