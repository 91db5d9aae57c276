"""Conjugate gradients, towards where a parabola of many variables is lowest."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch

from .foreach import Tensors
from .whole import dot

_SPACING = 1.3  # iterates that are kept to go back to: 1, 2, 3, 4, 6, 8, 10, ...


class Iterate(NamedTuple):
    """A place on the way to a parabola's lowest, and how high the parabola is there, 0 at the origin."""

    place: Tensors
    height: float


def conjugate_gradients(
    matrix: Callable[[Tensors], Tensors],
    right: Tensors,
    start: Tensors,
    most: int,
    inverse: Callable[[Tensors], Tensors] | None = None,
) -> list[Iterate]:
    """Iterates towards the solution of matrix x = right, ever wider apart; the last is the best.

    Ends after `most` products, or where the parabola x^T matrix x / 2 - right^T x has hardly fallen for a while:
    Martens (2010), Deep learning via Hessian-free optimization, section 4.4. `inverse`, about that of the matrix, and
    symmetric as it is, makes the way shorter.

    >>> matrix = torch.tensor([[2.0, 1.0], [1.0, 3.0]])
    >>> conjugate_gradients(lambda v: [matrix @ v[0]], [torch.tensor([3.0, 5.0])], [torch.zeros(2)], most=9)[-1]
    Iterate(place=[tensor([0.8000, 1.4000])], height=-4.7...)
    """
    x = [s.clone() for s in start]
    rest = [b - a for b, a in zip(right, matrix(x), strict=True)] if dot(x, x) else [b.clone() for b in right]
    led = inverse(rest) if inverse else rest
    way = [r.clone() for r in led]
    square = dot(rest, led)
    kept: list[Iterate] = []
    heights: list[float] = []
    keep = 1
    for i in range(1, most + 1):
        if square == 0:
            break
        product = matrix(way)
        bend = dot(way, product)
        if not bend > 0:
            break
        torch._foreach_add_(x, way, alpha=square / bend)
        torch._foreach_sub_(rest, torch._foreach_mul(product, square / bend))
        heights.append(-0.5 * (dot(x, rest) + dot(x, right)))
        back = max(10, i // 10)
        done = i > back and heights[-1] < 0 and (heights[-1] - heights[-1 - back]) / heights[-1] < 5e-4 * back
        if done or i in (keep, most):
            kept.append(Iterate([value.clone() for value in x], heights[-1]))
            keep = math.ceil(keep * _SPACING)
        if done or i == most:
            break
        led = inverse(rest) if inverse else rest
        new = dot(rest, led)
        torch._foreach_mul_(way, new / square)
        torch._foreach_add_(way, led)
        square = new
    if not kept or heights[-1] != kept[-1].height:
        kept.append(Iterate(x, -0.5 * (dot(x, rest) + dot(x, right))))
    return kept
