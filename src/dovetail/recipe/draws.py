"""Random numbers as a pure function of (seed, purpose, step): nothing about them is ever stored.

A draw for a batch is made for all rows up to the last one wanted and cut, so that micro-batches and processes, which
hold different rows of one global batch, draw what one process would have drawn.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from functools import cache

import torch
from torch import Tensor

_MASK = (1 << 64) - 1


@cache
def purpose_key(purpose: str) -> int:
    """A 64-bit number for a name, the same in every process."""
    return int.from_bytes(hashlib.blake2b(purpose.encode(), digest_size=8).digest(), "little")


def mix(*words: int) -> int:
    """One well-mixed 63-bit number from several (the finalizer of SplitMix64; Steele, Lea and Flood, 2014)."""
    state = 0
    for word in words:
        state = (state + 0x9E3779B97F4A7C15 + word) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state >> 1


def generator(seed: int, purpose: str, step: int = 0, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator whose numbers depend on nothing but (seed, purpose, step).

    >>> a, b = (torch.rand(1, generator=generator(0, "order", 3)) for _ in range(2))
    >>> bool(a == b)
    True
    """
    return torch.Generator(device).manual_seed(mix(seed, purpose_key(purpose), step))


_BELOW_ONE = 1 - 2.0**-24


def _normal(out: Tensor, g: torch.Generator) -> Tensor:
    """Normal numbers each from one uniform one: PyTorch's own depend on how many are drawn after them."""
    return out.uniform_(-_BELOW_ONE, _BELOW_ONE, generator=g).erfinv_().mul_(math.sqrt(2))


class Draws:
    """Where in the run the network is: modules that draw hold this object, the trainer moves it.

    `first` is the row of the step's global batch at which the present micro-batch begins.
    """

    def __init__(self, seed: int) -> None:
        self.seed, self.step, self.first = seed, 0, 0

    def key(self, purpose: str) -> int:
        """A number for what is drawn from it, row by row from `first` on."""
        return mix(self.seed, purpose_key(purpose), self.step)

    def uniform(self, like: Tensor, shape: tuple[int, ...], purpose: str) -> Tensor:
        """A tensor (N, ...) of the type and device of another, uniform in 0 to 1."""
        return self._rows(like, shape, purpose, lambda out, g: out.uniform_(generator=g))

    def normal(self, like: Tensor, shape: tuple[int, ...], purpose: str) -> Tensor:
        """A tensor (N, ...) of the type and device of another, normal with mean 0 and deviation 1."""
        return self._rows(like, shape, purpose, lambda out, g: _normal(out, g))

    def gamma(self, like: Tensor, shape: tuple[int, ...], alpha: float, purpose: str) -> Tensor:
        """A tensor (N, ...) of the type and device of another, of the gamma distribution of that shape and scale 1."""
        return self._rows(like, shape, purpose, lambda out, g: torch._standard_gamma(out.fill_(alpha), generator=g))

    def _rows(
        self, like: Tensor, shape: Sequence[int], purpose: str, fill: Callable[[Tensor, torch.Generator], Tensor]
    ) -> Tensor:
        if like.is_meta:
            return like.new_empty(shape)
        rows = like.new_empty((self.first + shape[0], *shape[1:]))
        return fill(rows, generator(self.seed, purpose, self.step, like.device))[self.first :]
