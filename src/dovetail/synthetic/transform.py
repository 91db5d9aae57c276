"""What a transform is: images in, synthetic versions of them out, random numbers keyed by what they are for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Protocol

import torch
from pydantic import Field
from torch import Tensor

from ..recipe.draws import Draws
from .flow import Flow

Probability = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[float, Field(ge=0)]
Range = Annotated[
    Amount | Annotated[list[float], Field(min_length=2, max_length=2)], "a number or two: lowest and highest"
]


class Draw:
    """Random numbers for one transform of one step, a row of the step's global batch each.

    They depend on seed, purpose, step and row alone, so any number of processes or micro-batches sees the same images.
    """

    def __init__(self, draws: Draws, purpose: str, like: Tensor) -> None:
        self._draws, self._purpose, self._like = draws, purpose, like
        self.rows, self._number = len(like), 0

    def _next(self) -> str:
        self._number += 1
        return f"{self._purpose}.{self._number}"

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """(rows, *shape), uniform between `low` and `high`."""
        return self._draws.uniform(self._like, (self.rows, *shape), self._next()).mul_(high - low).add_(low)

    def normal(self, *shape: int) -> Tensor:
        """(rows, *shape), normal with mean 0 and deviation 1."""
        return self._draws.normal(self._like, (self.rows, *shape), self._next())

    def gamma(self, alpha: float, *shape: int) -> Tensor:
        """(rows, *shape) of the gamma distribution of that shape and scale 1."""
        return self._draws.gamma(self._like, (self.rows, *shape), alpha, self._next())

    def amount(self, low: float, high: float, probability: float, neutral: float = 0.0) -> Tensor:
        """(rows,): uniform between `low` and `high` with a probability, else `neutral`, which changes nothing."""
        values = self.uniform(low, high)
        if probability == 1:
            return values
        return torch.where(self.uniform(0, 1) < probability, values, neutral)

    def chosen(self, probability: float) -> Tensor:
        """(rows,): 1 with the probability, else 0."""
        return (self.uniform(0, 1) < probability).to(self._like.dtype)


class Warp(ABC):
    """A transform that moves pixels. Warps that follow one another become one resampling."""

    @abstractmethod
    def warp(self, flow: Flow, draw: Draw) -> None:
        """Add this motion to those that came before."""


class Change(Protocol):
    """A transform of pixel values: a function of a batch (N, C, H, W), 0 to 1, and of random numbers."""

    def __call__(self, x: Tensor, draw: Draw, /) -> Tensor: ...


def around(value: Range, neutral: float = 0.0) -> tuple[float, float]:
    """The ends of a range: a number alone is how far to either side of what changes nothing.

    >>> around(0.25, 1.0), around([0.5, 3.0], 1.0)
    ((0.75, 1.25), (0.5, 3.0))
    """
    return _ordered(value) if isinstance(value, list) else (neutral - value, neutral + value)


def factors(value: Range) -> tuple[float, float]:
    """The ends of a range of factors, which stay above 0."""
    low, high = around(value, 1.0)
    if low <= 0:
        raise ValueError(f"a factor stays above 0: give less than 1, or [lowest, highest], not {value}")
    return low, high


def up_to(value: Range) -> tuple[float, float]:
    """The ends of a range of strengths: a number alone is the most, the least being 0."""
    low, high = _ordered(value) if isinstance(value, list) else (0.0, value)
    if low < 0:
        raise ValueError(f"a strength is 0 or more, not {low}")
    return low, high


def _ordered(pair: list[float]) -> tuple[float, float]:
    low, high = map(float, pair)
    if low > high:
        raise ValueError(f"a range goes from its lowest to its highest, not from {low} to {high}")
    return low, high


def require_images(x: Tensor) -> None:
    """Refuse data that are not images."""
    if x.dim() != 4:
        raise ValueError(f"expects images (N, C, H, W), and an example of these data has {x.dim() - 1} axes")


def require_pixels(x: Tensor) -> None:
    """Refuse data that are not images of bytes, whose values are known to go from 0 to 1."""
    require_images(x)
    if x.dtype != torch.uint8:
        raise ValueError("changes values that go from 0 to 1, as those of images of bytes do; these data are numbers")
