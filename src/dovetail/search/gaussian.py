"""A Gaussian process: what values at some points let one expect at others."""

from __future__ import annotations

from copy import copy

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, solve_triangular
from scipy.optimize import minimize

Array = NDArray[np.float64]
ROOT5 = 5**0.5
# normal priors of the logarithms of what is learned, as (mean, deviation), for values of variance 1 on a cube of side 1
LENGTH, AMPLITUDE, NOISE = (np.log(0.5), 1.0), (0.0, 1.5), (np.log(1e-4), 4.0)
BOUNDS = ((-5.0, 4.0), (-5.0, 6.0), (-18.0, 1.0))


def matern(r: Array) -> Array:
    """Matern's function of smoothness 5/2, (1 + sqrt(5) r + 5/3 r^2) exp(-sqrt(5) r).

    >>> float(matern(np.array(0.7)).round(10))
    0.7069426819
    """
    return (1 + ROOT5 * r + 5 / 3 * r * r) * np.exp(-ROOT5 * r)


def _slope(r: Array) -> Array:
    """-(dk/dr) / r."""
    return 5 / 3 * (1 + ROOT5 * r) * np.exp(-ROOT5 * r)


class Gaussian:
    """The process given values `y` (N,) at `x` (N, features): an unknown mean, Matern 5/2, a length for each owner.

    `owners` says which length each feature is divided by. Lengths, amplitude and noise are the likeliest under normal
    priors of their logarithms; the mean is eliminated. Rasmussen and Williams (2006), Gaussian processes for machine
    learning, sections 2.2, 2.7 and 5.4; Snoek, Larochelle and Adams (2012), Practical Bayesian optimization of machine
    learning algorithms.

    >>> x = np.linspace(0, 1, 8)[:, None]
    >>> process = Gaussian(x, np.sin(6 * x[:, 0]), np.array([0]), np.random.default_rng(0))
    >>> mean, deviation = process.expected(np.array([[0.37]]))
    >>> bool(abs(mean[0] - np.sin(6 * 0.37)) < 3 * deviation[0] < 0.1)
    True
    """

    def __init__(self, x: Array, y: Array, owners: NDArray[np.int_], chance: np.random.Generator) -> None:
        self.x, self.owners, self.count = x, owners, int(owners.max()) + 1
        self.shift, self.scale = float(y.mean()), float(y.std()) or 1.0
        self.y = (y - self.shift) / self.scale
        rows = [LENGTH] * self.count + [AMPLITUDE, NOISE]
        self.prior, self.spread = (np.array(column) for column in zip(*rows, strict=True))
        bounds = [BOUNDS[0]] * self.count + list(BOUNDS[1:])
        begin = [self.prior, *(self.prior + 0.7 * self.spread * chance.normal(size=(2, len(rows))))]
        found = [minimize(self._loss, start, jac=True, method="L-BFGS-B", bounds=bounds) for start in begin]
        self.theta: Array = min(found, key=lambda one: float(one.fun)).x
        self._solve()

    @property
    def noise(self) -> float:
        """The variance of what does not repeat, in that of the values."""
        return float(np.exp(self.theta[-1]))

    def _solve(self) -> None:
        covariance, _, _ = self._covariance(self.theta)
        self.factor = np.linalg.cholesky(covariance)
        ones, values = (cho_solve((self.factor, True), v) for v in (np.ones(len(self.y)), self.y))
        self.mean = float(values.sum() / ones.sum())
        self.weights = values - self.mean * ones

    def _covariance(self, theta: Array) -> tuple[Array, Array, Array]:
        """Of the values with each other; squared differences by feature in lengths; distances."""
        lengths, (amplitude, noise) = np.exp(theta[:-2])[self.owners], np.exp(theta[-2:])
        squares = ((self.x[:, None] - self.x) / lengths) ** 2
        r = np.sqrt(squares.sum(-1))
        return amplitude * matern(r) + (noise + 1e-10 * amplitude) * np.eye(len(r)), squares, r

    def _loss(self, theta: Array) -> tuple[float, Array]:
        """The negative logarithm of likelihood times prior, and its gradient."""
        amplitude, noise = np.exp(theta[-2:])
        covariance, squares, r = self._covariance(theta)
        try:
            factor = np.linalg.cholesky(covariance)
        except np.linalg.LinAlgError:
            return 1e10, np.zeros_like(theta)
        inverse = cho_solve((factor, True), np.eye(len(r)))
        rest = self.y - (inverse @ self.y).sum() / inverse.sum()
        weights = inverse @ rest
        pull = 0.5 * (inverse - np.outer(weights, weights))
        by_square = pull * amplitude * _slope(r)
        features = np.einsum("ij,ijf->f", by_square, squares)
        gradient = np.empty_like(theta)
        gradient[:-2] = np.bincount(self.owners, features, self.count)
        gradient[-2] = (pull * (covariance - noise * np.eye(len(r)))).sum()
        gradient[-1] = pull.trace() * noise
        off = (theta - self.prior) / self.spread
        value = 0.5 * rest @ weights + np.log(factor.diagonal()).sum() + 0.5 * off @ off
        return float(value), gradient + off / self.spread

    def believing(self, x: Array) -> Gaussian:
        """The process as if what it expects at `x` (M, features) had been seen there: trials under way."""
        believer = copy(self)
        believer.y = np.append(self.y, (self.expected(x)[0] - self.shift) / self.scale)
        believer.x = np.vstack([self.x, x])
        believer._solve()
        return believer

    def expected(self, x: Array) -> tuple[Array, Array]:
        """Mean and deviation (M,) at `x` (M, features)."""
        lengths, amplitude = np.exp(self.theta[:-2])[self.owners], np.exp(self.theta[-2])
        r = np.sqrt((((x[:, None] - self.x) / lengths) ** 2).sum(-1))
        k = amplitude * matern(r)
        half = solve_triangular(self.factor, k.T, lower=True)
        variance = np.maximum(amplitude - (half * half).sum(0), 1e-14)
        return self.shift + self.scale * (self.mean + k @ self.weights), self.scale * np.sqrt(variance)

    def slopes(self, x: Array) -> tuple[float, float, Array, Array]:
        """Mean and deviation at one point (features,), and the gradients of both."""
        lengths, amplitude = np.exp(self.theta[:-2])[self.owners], np.exp(self.theta[-2])
        away = (x - self.x) / lengths
        r = np.sqrt((away**2).sum(-1))
        k, slope = amplitude * matern(r), -(amplitude * _slope(r))[:, None] * away / lengths
        solved = cho_solve((self.factor, True), k)
        deviation = max(amplitude - k @ solved, 1e-14) ** 0.5
        mean = self.shift + self.scale * (self.mean + k @ self.weights)
        by_mean, by_deviation = slope.T @ self.weights, -slope.T @ solved / deviation
        return mean, self.scale * deviation, self.scale * by_mean, self.scale * by_deviation
