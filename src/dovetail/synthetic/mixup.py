"""Mixup: examples halfway between two, and so are their targets."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from ..recipe import transform
from .transform import Draw, Probability


class Mix(NamedTuple):
    """The other example that each row of a batch was mixed with, by its row, and the share (N,) of the row's own."""

    partner: Tensor
    share: Tensor


class Mixup:
    """Mixes the rows of a whole batch, so it must see all of them."""

    def __init__(self, alpha: float, probability: float) -> None:
        self.alpha, self.probability = alpha, probability

    def mix(self, x: Tensor, draw: Draw) -> tuple[Tensor, Mix]:
        """The mixed inputs, and what was mixed."""
        partner = draw.uniform(0, 1).argsort()
        one, other = draw.gamma(self.alpha, 2).unbind(1)
        share = one / (one + other)
        share = torch.maximum(share, 1 - share)  # the row's own is the larger, which decides for its class
        if self.probability < 1:
            share = torch.where(draw.chosen(self.probability) > 0, share, 1.0)
        return torch.lerp(x[partner], x, share.view(-1, *[1] * (x.dim() - 1))), Mix(partner, share)


@transform
def mixup(x: Tensor, alpha: Annotated[float, Field(gt=0)] = 0.2, probability: Probability = 1.0) -> Mixup:
    """Mix each example with another of its batch, x = s x1 + (1 - s) x2, loss = s loss(y1) + (1 - s) loss(y2).

    s ~ Beta(alpha, alpha), the larger of s and 1 - s, so that an example's own target counts at least half. It may be
    the last transform alone. Zhang et al. (2018), mixup: beyond empirical risk minimization.

    >>> import dovetail as dt
    >>> dt.synthetic.mixup(0.4)
    mixup(0.4)
    """
    return Mixup(alpha, probability)
