"""LAMB: Adam's step, as long for every layer as the layer's weights ask, for very large batches."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field
from torch.optim import Optimizer

from ..recipe import rule
from .foreach import Foreach, Groups, Tensors

Share = Annotated[float, Field(ge=0, lt=1)]
Small = Annotated[float, Field(ge=0)]


class Lamb(Foreach):
    """Adam in directions, the weights' own norms in lengths; see `dovetail.lamb`."""

    elementwise = False
    decoupled = counts = True

    def __init__(
        self,
        params: Any,
        lr: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr, weight_decay, beta1=beta1, beta2=beta2, eps=eps)

    def move(self, group: dict[str, Any], t: int, parameters: Tensors, gradients: Tensors) -> None:
        means, squares = self.remembered(parameters, "mean"), self.remembered(parameters, "square")
        beta1, beta2 = group["beta1"], group["beta2"]
        torch._foreach_lerp_(means, gradients, 1 - beta1)
        torch._foreach_mul_(squares, beta2)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - beta2)
        scale = torch._foreach_sqrt(squares)
        torch._foreach_div_(scale, (1 - beta2 ** (t + 1)) ** 0.5)
        torch._foreach_add_(scale, group["eps"])
        steps = torch._foreach_div(means, scale)
        torch._foreach_div_(steps, 1 - beta1 ** (t + 1))
        if group["weight_decay"]:
            torch._foreach_add_(steps, parameters, alpha=group["weight_decay"])
        for weight, step in zip(parameters, steps, strict=True):
            ratio = weight.norm() / step.norm()  # 1 where either is 0, as in the paper's own programs
            weight.sub_(step * torch.where(torch.isfinite(ratio) & (ratio > 0), ratio, 1.0), alpha=group["lr"])


@rule
def lamb(params: Groups, beta1: Share = 0.9, beta2: Share = 0.999, eps: Small = 1e-6) -> Optimizer:
    """Adam's direction with decay; each layer's step is as long as its weights, times the rate.

        r = (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps) + decay * w;   w <- w - rate * |w| / |r| * r

    m and v are Adam's moments; the norms are those of a whole tensor, and 1 takes their quotient's place where one of
    them is 0. You et al. (2020), Large batch optimization for deep learning, algorithm 2.

    >>> import dovetail as dt
    >>> dt.lamb(beta2=0.99)
    lamb(beta2=0.99)
    """
    return Lamb(params, 0.0, beta1, beta2, eps)
