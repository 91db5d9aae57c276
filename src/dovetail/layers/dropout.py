"""Dropout: units left out at random, so that none relies on another."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from ..recipe import layer
from ..recipe.draws import Draws


class Dropout(nn.Module):
    """Multiplies by xi / keep, xi in {0, 1} with mean keep.

    In a system `draws` and `purpose` are set, and the masks are a function of seed, layer, step and row, so that
    micro-batches and processes draw what one whole batch draws; elsewhere PyTorch's global generator draws.
    """

    draws: Draws | None = None
    purpose = ""

    def __init__(self, keep: float) -> None:
        super().__init__()
        self.keep = keep

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.keep == 1:
            return x
        if self.draws is None:
            return nn.functional.dropout(x, 1 - self.keep)
        return x * self.draws.keep(x, self.keep, self.purpose).div_(self.keep)

    def extra_repr(self) -> str:
        return f"keep={self.keep}"


@layer
def dropout(x: Tensor, keep: Annotated[float, Field(gt=0, le=1)] = 0.5) -> nn.Module:
    """Leave units out at random: y = xi x, xi = 1 / keep with probability keep, else 0; the identity in evaluation.

    E[xi] = 1, Var[xi] = (1 - keep) / keep. `keep` is the probability to stay (PyTorch's p is 1 - keep).

    Shapes: any, unchanged. Hinton et al. (2012), Improving neural networks by preventing co-adaptation of feature
    detectors.

    >>> import dovetail as dt, torch
    >>> dt.build([dt.dropout(0.5)], torch.zeros(1, 3)).eval()(torch.ones(1, 3))
    tensor([[1., 1., 1.]])
    """
    return Dropout(keep)
