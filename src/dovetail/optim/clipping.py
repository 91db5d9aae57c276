"""Clipping: how long gradients may be, the whole, a group's, a parameter's, or entry by entry."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Total = Callable[[list[float]], list[float]]
"""Of sums over the parts of tensors that are here, the sums over all parts."""


class Clipping:
    """Brings the gradients of PyTorch's groups within bounds, in this order: entries, parameters, groups.

    `values` bounds the size of each entry, `layers` the Euclidean norm of each parameter's gradient, and a group's own
    `clip` that of all its gradients together.

    >>> w = torch.zeros(2, requires_grad=True)
    >>> w.grad = torch.tensor([3.0, -8.0])
    >>> Clipping(layers=1.0, values=4.0)([{"params": [w], "clip": None}])
    >>> w.grad
    tensor([ 0.6000, -0.8000])
    """

    def __init__(self, layers: float | None = None, values: float | None = None, total: Total | None = None) -> None:
        self.layers, self.values, self.total = layers, values, total
        self.bounded = layers is not None or values is not None

    def __call__(self, groups: list[dict[str, Any]]) -> None:
        for group in groups:
            gradients: list[Tensor] = [p.grad for p in group["params"] if p.grad is not None]
            if self.values is not None and gradients:
                torch._foreach_clamp_min_(gradients, -self.values)
                torch._foreach_clamp_max_(gradients, self.values)
            if self.layers is not None:
                shorten([[gradient] for gradient in gradients], self.layers, self.total)
            if group["clip"] is not None:
                shorten([gradients], group["clip"], self.total)


def shorten(lists: list[list[Tensor]], bound: float, total: Total | None) -> None:
    """Scale the tensors of each list by min(1, bound / the norm of all of them)."""
    squares = [norm(tensors) ** 2 for tensors in lists]
    for tensors, square in zip(lists, squares if total is None else total(squares), strict=True):
        if square > bound * bound:
            torch._foreach_mul_(tensors, bound / math.sqrt(square))


def norm(tensors: list[Tensor]) -> float:
    """The Euclidean norm of all entries of all tensors (0 of none); not finite if any entry is not.

    On the CPU by dot products over the memory as it lies, which take half the time of PyTorch's norms: the check that
    a gradient is finite runs at every step.
    """
    if not tensors:
        return 0.0
    if tensors[0].device.type != "cpu":
        return float(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(tensors))))
    rows = [in_memory_order(tensor.coalesce().values() if tensor.is_sparse else tensor) for tensor in tensors]
    return math.sqrt(sum(torch.dot(row, row).item() for row in rows))


def in_memory_order(tensor: Tensor) -> Tensor:
    """All entries in one row, as they lie in memory; a copy only where the layout is neither of the usual ones."""
    if tensor.is_contiguous():
        return tensor.view(-1)
    return (tensor.movedim(1, -1) if tensor.dim() > 2 else tensor).reshape(-1)  # channels last
