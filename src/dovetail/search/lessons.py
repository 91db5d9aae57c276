"""What a search taught: how much each range matters, and how the figure goes along it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .gaussian import Array
from .propose import sobol
from .scale import learned, usable
from .space import Space

DRAWN, STEPS = 256, 33


@dataclass(frozen=True)
class Slice:
    """The expected figure along one range, all else as in the best trial that it was searched in; `low` and `high` are
    two deviations off.

    `factors` says that equal factors lie equally far apart.
    """

    values: list[Any]
    factors: bool
    means: list[float]
    low: list[float]
    high: list[float]


@dataclass(frozen=True)
class Lessons:
    """By range: the share of the figure's variance over the space that it explains alone, and a slice.

    A range that no trial searched, since its condition never held, has no slice.
    """

    importance: dict[str, float]
    slices: dict[str, Slice]


def lessons(space: Space, points: Sequence[Array], figures: Sequence[float | None]) -> Lessons | None:
    """What a Gaussian process makes of the trials; None before there are three that did not fail.

    Importance is that of functional analysis of variance, on the warped figures: the variance of the mean over all
    other ranges, divided by the whole variance. Hutter, Hoos and Leyton-Brown (2014), An efficient approach for
    assessing hyperparameter importance.

    >>> from dovetail.search import linear
    >>> space = Space({"matters": linear([0.0, 1.0]), "idle": linear([0.0, 1.0])})
    >>> points = list(np.random.default_rng(0).random((20, 2)))
    >>> taught = lessons(space, points, [float(point[0] ** 2) for point in points])
    >>> taught.importance["matters"] > 0.9 > 0.1 > taught.importance["idle"]
    True
    """
    if sum(value is not None for value in figures) < 3:
        return None
    values, tried = usable(figures), np.array(points)
    process, scale = learned(space.features(tried), values, space.owners, np.random.default_rng(0))
    drawn = sobol(len(space.names), DRAWN, 0)
    whole = process.expected(_features(space, drawn))[0].var()
    searched = [space.settings(point) for point in tried]
    importance, slices = {}, {}
    for place, (name, one) in enumerate(space.ranges.items()):
        steps = one.cells if 0 < one.cells < STEPS else STEPS
        places = (np.arange(steps) + 0.5) / steps
        means = [process.expected(_features(space, _with(drawn, place, at)))[0].mean() for at in places]
        importance[name] = float(min(np.var(means) / whole, 1.0)) if whole > 0 else 0.0
        holders = [k for k, settings in enumerate(searched) if name in settings]
        if not holders:
            continue
        best = tried[min(holders, key=lambda k: float(values[k]))]
        mean, deviation = process.expected(_features(space, np.vstack([_with(best[None], place, at) for at in places])))
        curves = [scale.figures(curve).tolist() for curve in (mean, mean - 2 * deviation, mean + 2 * deviation)]
        slices[name] = Slice([one.value(float(at)) for at in places], one.factors, *curves)
    return Lessons(importance, slices)


def _features(space: Space, points: Array) -> Array:
    return space.features(np.array([space.snapped(point) for point in points]))


def _with(points: Array, place: int, at: float) -> Array:
    changed = points.copy()
    changed[:, place] = at
    return changed
