"""Muon: momentum whose matrices are made orthogonal before they move the weights."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor
from torch.optim import Optimizer

from ..recipe import rule
from .foreach import Foreach, Groups, Tensors

Share = Annotated[float, Field(ge=0, lt=1)]
QUINTIC = (3.4445, -4.7750, 2.0315)  # steep at 0: singular values from 0.002 up come near 1 in five rounds
_WIDE = 8  # times as wide as high: then X X^T is so small that rounds of it alone are faster


class Muon(Foreach):
    """Orthogonal steps for matrices, Adam's for the rest; see `dovetail.muon`."""

    elementwise = False
    decoupled = counts = True

    def __init__(
        self,
        params: Any,
        lr: float = 0.001,
        momentum: float = 0.95,
        rounds: int = 5,
        beta1: float = 0.9,
        beta2: float = 0.95,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr, weight_decay, momentum=momentum, rounds=rounds, beta1=beta1, beta2=beta2)

    def move(self, group: dict[str, Any], t: int, parameters: Tensors, gradients: Tensors) -> None:
        if group["weight_decay"]:
            torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
        pairs = list(zip(parameters, gradients, strict=True))
        matrices = [pair for pair in pairs if pair[0].dim() > 1]
        others = [pair for pair in pairs if pair[0].dim() <= 1]
        if matrices:
            self.turn(group, *map(list, zip(*matrices, strict=True)))
        if others:
            self.adam(group, t, *map(list, zip(*others, strict=True)))

    def turn(self, group: dict[str, Any], parameters: Tensors, gradients: Tensors) -> None:
        averages = self.remembered(parameters, "average")
        torch._foreach_lerp_(averages, gradients, 1 - group["momentum"])
        ahead = torch._foreach_lerp(gradients, averages, group["momentum"])
        for weight, direction in zip(parameters, ahead, strict=True):
            step = orthogonal(direction.flatten(1), group["rounds"])
            weight.sub_(step.view_as(weight), alpha=group["lr"] * 0.2 * max(step.shape) ** 0.5)

    def adam(self, group: dict[str, Any], t: int, parameters: Tensors, gradients: Tensors) -> None:
        means, squares = self.remembered(parameters, "mean"), self.remembered(parameters, "square")
        torch._foreach_lerp_(means, gradients, 1 - group["beta1"])
        torch._foreach_mul_(squares, group["beta2"])
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - group["beta2"])
        scale = torch._foreach_sqrt(squares)
        torch._foreach_div_(scale, (1 - group["beta2"] ** (t + 1)) ** 0.5)
        torch._foreach_add_(scale, 1e-8)
        torch._foreach_addcdiv_(parameters, means, scale, -group["lr"] / (1 - group["beta1"] ** (t + 1)))


def orthogonal(matrix: Tensor, rounds: int = 5) -> Tensor:
    """Near the orthogonal matrix U V^T of the singular value decomposition U S V^T, by Newton and Schulz's iteration.

        X <- a X + (b A + c A^2) X   with A = X X^T, from X = matrix / |matrix|

    Every singular value comes near 1 (0.7 to 1.2 after five rounds), in bfloat16, which is fast and enough; of matrices
    eight times as wide as high in single precision at least, by X X^T.

    >>> torch.linalg.svdvals(orthogonal(torch.diag(torch.tensor([3.0, 1.0, 0.1])))).round(decimals=0)
    tensor([1., 1., 1.])
    """
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = _by_products(x, rounds) if x.shape[1] >= _WIDE * x.shape[0] else _by_steps(x, rounds)
    return (x.T if tall else x).to(matrix.dtype)


def _by_steps(x: Tensor, rounds: int) -> Tensor:
    a, b, c = QUINTIC
    x = x.bfloat16() if x.dtype == torch.float32 else x
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(rounds):
        square = x @ x.T  # factors apart from the products: PyTorch's `addmm` is slow with them in bfloat16
        x = (square @ square).mul_(c).add_(square, alpha=b).mm(x).add_(x, alpha=a)
    return x


def _by_products(x: Tensor, rounds: int) -> Tensor:
    """The same of a wide matrix, by X X^T alone, which is small: each round's factor goes into their product."""
    a, b, c = QUINTIC
    x = x.to(torch.promote_types(x.dtype, torch.float32))  # squares of singular values need more than half precision
    square = x @ x.T
    scale = square.trace().clamp(min=1e-14)

    def factor_of(square: Tensor) -> Tensor:
        factor = (square @ square).mul_(c).add_(square, alpha=b)
        factor.diagonal().add_(a)
        return factor

    square = square / scale
    product = factor = factor_of(square)
    for _ in range(rounds - 1):
        square = factor @ square @ factor
        factor = factor_of(square)
        product = factor @ product
    return product @ x / scale.sqrt()


@rule
def muon(
    params: Groups,
    momentum: Share = 0.95,
    rounds: Annotated[int, Field(ge=1)] = 5,
    beta1: Share = 0.9,
    beta2: Share = 0.95,
) -> Optimizer:
    """Momentum made orthogonal, for matrices; biases and scales move by Adam with `beta1` and `beta2`.

        m <- momentum * m + (1 - momentum) * g;   w <- w - rate * 0.2 sqrt(max(rows, columns)) * O(a)

    where a = (1 - momentum) * g + momentum * m and O(a) is `orthogonal` of a, a kernel's axes but the first taken
    together. The factor makes a step as large as Adam's usually are, so that rates carry over; decay is decoupled,
    w <- (1 - rate * decay) w. Jordan et al. (2024), Muon; Liu et al. (2025), Muon is scalable for LLM training, for the
    factor.

    >>> import dovetail as dt
    >>> dt.muon(0.9)
    muon(0.9)
    """
    return Muon(params, 0.0, momentum, rounds, beta1, beta2)
