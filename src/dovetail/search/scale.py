"""The scale on which a Gaussian process learns figures, of which the worst are often far above the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .gaussian import Array, Gaussian

MILD, STRONG = 1.0, 10.0
NOISY = 1e-4  # the share of noise in the variance of figures above which differences near the best mean little


@dataclass(frozen=True)
class Scale:
    """Straight near the best, logarithmic far off: arsinh(strength (y - best) / (median - best)).

    Without it the few bad values are all that the process learns of.

    >>> scale = Scale.of(np.array([1.0, 2.0, 3.0, 1000.0]), MILD)
    >>> scale.warped(np.array([1.0, 2.5, 1000.0])).round(2)
    array([0.  , 0.88, 7.19])
    >>> scale.figures(scale.warped(np.array([7.0]))).round(9)
    array([7.])
    """

    best: float
    unit: float

    @classmethod
    def of(cls, values: Array, strength: float) -> Scale:
        over = values - values.min()
        middle = float(np.median(over)) or float(over.max()) or 1.0
        return cls(float(values.min()), middle / strength)

    def warped(self, values: Array) -> Array:
        return np.asarray(np.arcsinh((values - self.best) / self.unit))

    def figures(self, warped: Array) -> Array:
        """Back to figures."""
        return np.asarray(self.best + self.unit * np.sinh(np.clip(warped, -20, 20)))


def learned(
    features: Array, values: Array, owners: NDArray[np.int_], chance: np.random.Generator
) -> tuple[Gaussian, Scale]:
    """The process of the figures at some points, and the scale it is on.

    Strong for a function that repeats itself, so that the search closes in on its lowest point; mild where the mild one
    shows noise, which a strong one would blow up.
    """
    mild = Scale.of(values, MILD)
    process = Gaussian(features, mild.warped(values), owners, chance)
    if process.noise > NOISY:
        return process, mild
    strong = Scale.of(values, STRONG)
    return Gaussian(features, strong.warped(values), owners, chance), strong


def usable(values: Sequence[float | None]) -> Array:
    """Values with those of failed trials as bad as the worst."""
    worst = max(value for value in values if value is not None)
    return np.array([worst if value is None else value for value in values])
