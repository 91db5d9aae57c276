"""Semirings: what is done with the scores of arcs along a path, and with those of paths side by side.

Each is written out in PyTorch's operations on arcs grouped by the state they lead to; these are the definitions that
kernels are tested against.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


def log_sum(scores: Tensor, groups: Tensor, count: int) -> Tensor:
    """log sum exp of the scores (..., arcs) in each of `count` groups; -inf where a group is empty."""
    shape = (*scores.shape[:-1], count)
    index = groups.expand_as(scores)
    most = scores.new_full(shape, -torch.inf).scatter_reduce(-1, index, scores, "amax")
    base = most.detach().clamp(min=torch.finfo(scores.dtype).min)
    shares = (scores - base.gather(-1, index)).exp()
    return _logarithm(scores.new_zeros(shape).scatter_add(-1, index, shares), base)


def log_add(one: Tensor, other: Tensor) -> Tensor:
    """log (e^a + e^b), with gradients that are numbers where both are -inf, which PyTorch's are not."""
    base = torch.maximum(one, other).detach().clamp(min=torch.finfo(one.dtype).min)
    return _logarithm((one - base).exp() + (other - base).exp(), base)


def log_join(scores: Tensor) -> Tensor:
    """log sum exp over the last axis, with gradients that are numbers where all are -inf."""
    return log_sum(scores, torch.zeros(scores.shape[-1], dtype=torch.int64, device=scores.device), 1)[..., 0]


def _logarithm(sums: Tensor, base: Tensor) -> Tensor:
    """base + log sums, -inf where nothing was summed."""
    some = sums > 0
    return torch.where(some, base + torch.where(some, sums, 1.0).log(), -torch.inf)


def largest(scores: Tensor, groups: Tensor, count: int) -> Tensor:
    """The highest of the scores (..., arcs) in each of `count` groups; -inf where a group is empty."""
    index = groups.expand_as(scores)
    return scores.new_full((*scores.shape[:-1], count), -torch.inf).scatter_reduce(-1, index, scores, "amax")


@dataclass(frozen=True)
class Semiring:
    """How scores of paths side by side become one: in groups (..., arcs) -> (..., count), and two at a time."""

    grouped: Callable[[Tensor, Tensor, int], Tensor]
    pair: Callable[[Tensor, Tensor], Tensor]


LOG = Semiring(log_sum, log_add)
MAX = Semiring(largest, torch.maximum)


def log_shares(scores: Tensor, totals: Tensor) -> Tensor:
    """exp(score - total), which is at most 1: what each arc contributes; 0 where the total is -inf."""
    usable = totals > -torch.inf
    return torch.where(usable, (scores - torch.where(usable, totals, 0.0)).exp(), 0.0)
