"""Constraints: where parameters must stay, whatever the gradient says. They keep a diverging run finite."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


@torch.no_grad()
def constrain(group: dict[str, Any]) -> None:
    """Bring the parameters of one of PyTorch's groups to where its `l1`, `max_norm` and `clamp` say, if they do."""
    if group["l1"]:
        for weight in (parameter for parameter in group["params"] if parameter.grad is not None):
            weight.copy_(functional.softshrink(weight, group["lr"] * group["l1"]))
    if group["max_norm"] is not None:
        for weight in group["params"]:
            if weight.dim() > 1:
                limit_rows(weight, group["max_norm"])
    if group["clamp"] is not None:
        torch._foreach_clamp_min_(group["params"], -group["clamp"])
        torch._foreach_clamp_max_(group["params"], group["clamp"])


@torch.no_grad()
def shrink(group: dict[str, Any]) -> None:
    """Weight decay that no rate multiplies, for the parameters that are about to move: w <- (1 - shrink) w."""
    moved = [parameter for parameter in group["params"] if parameter.grad is not None]
    if moved:
        torch._foreach_mul_(moved, 1 - group["shrink"])


def limit_rows(weight: Tensor, bound: float) -> None:
    """Scale each unit's incoming weights w (a row, all axes but the first) to a Euclidean norm of at most c.

        w <- w min(1, c / |w|)

    Srebro and Shraibman (2005), Rank, trace-norm and max-norm; Srivastava et al. (2014), Dropout, section 5.1.

    >>> weight = torch.tensor([[3.0, 4.0], [0.3, 0.4]])
    >>> limit_rows(weight, 2.0)
    >>> weight
    tensor([[1.2000, 1.6000], [0.3000, 0.4000]])
    """
    norms = torch.linalg.vector_norm(weight, dim=tuple(range(1, weight.dim())), keepdim=True)
    weight.mul_((bound / norms).clamp(max=1.0).nan_to_num(nan=1.0))
