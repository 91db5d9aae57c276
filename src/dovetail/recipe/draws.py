"""Random numbers as a pure function of (seed, purpose, step): nothing about them is ever stored.

A draw for a batch is made for all rows up to the last one wanted and cut, so that micro-batches and processes, which
hold different rows of one global batch, draw what one process would have drawn.
"""

from __future__ import annotations

import hashlib
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


class Draws:
    """Where in the run the network is: modules that draw hold this object, the trainer moves it.

    `first` is the row of the step's global batch at which the present micro-batch begins.
    """

    def __init__(self, seed: int) -> None:
        self.seed, self.step, self.first = seed, 0, 0

    def keep(self, x: Tensor, probability: float, purpose: str) -> Tensor:
        """A mask like `x` (N, ...), 1 with the given probability, else 0."""
        if x.is_meta:
            return torch.empty_like(x)
        rows = self.first + x.shape[0]
        mask = torch.empty((rows, *x.shape[1:]), dtype=x.dtype, device=x.device)
        mask.bernoulli_(probability, generator=generator(self.seed, purpose, self.step, x.device))
        return mask[self.first :]
