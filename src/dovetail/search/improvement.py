"""Expected improvement: how much lower than the best one may hope to come at a point."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, log_ndtr, ndtr

Array = NDArray[np.float64]
ROOT2, LOG_ROOT_2PI = 2**0.5, 0.5 * math.log(2 * math.pi)


def log_improvement(mean: Array, deviation: Array, best: float) -> Array:
    """The logarithm of E max(best - y, 0) for a normal y.

    That is log of deviation * (phi(z) + z Phi(z)), with z = (best - mean) / deviation. Exact far out, too, where the
    improvement itself is 0 in floating point. Jones, Schonlau and Welch (1998), Efficient global optimization; Ament
    et al. (2023), Unexpected improvements to expected improvement, for the logarithm.

    >>> float(np.exp(log_improvement(np.array(1.0), np.array(0.5), 1.2)).round(10))
    0.3152194185
    >>> float(log_improvement(np.array(40.0), np.array(1.0), 0.0).round(3))
    -808.299
    """
    z = (best - mean) / deviation
    near = np.maximum(z, -1.0)
    plain = np.log(np.exp(-0.5 * near**2 - LOG_ROOT_2PI) + near * ndtr(near))
    below = np.clip(z, -1e3, -1.0)
    mills = math.sqrt(math.pi / 2) * erfcx(-below / ROOT2)  # Phi / phi
    tail = np.log(np.maximum(1 + below * mills, 1e-16))
    further = -2 * np.log(np.maximum(-z, 1.0))
    far = np.where(z > -1e3, tail, further) - 0.5 * z**2 - LOG_ROOT_2PI
    return np.where(z > -1, plain, far) + np.log(deviation)


def log_improvement_slopes(mean: float, deviation: float, best: float) -> tuple[float, float, float]:
    """The same at one point, with its derivatives by mean and by deviation."""
    value = float(log_improvement(np.array(mean), np.array(deviation), best))
    z = (best - mean) / deviation
    return value, -math.exp(min(log_ndtr(z) - value, 700.0)), math.exp(min(-0.5 * z * z - LOG_ROOT_2PI - value, 700.0))
