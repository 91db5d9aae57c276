"""The fully connected layer."""

from __future__ import annotations

from torch import Tensor, nn

from ..recipe import layer
from ..recipe.spec import InitSpec, Size
from .initialization import initialize


@layer
def linear(x: Tensor, units: Size, bias: bool = True, init: InitSpec | None = None) -> nn.Module:
    """Connect every input to every unit, y = W x + b, along the last axis.

    Shapes: (N, ..., F) -> (N, ..., units). `units: outputs` is as wide as the objective asks for.

    >>> import dovetail as dt, torch
    >>> dt.build([dt.linear(10)], torch.zeros(1, 784))(torch.zeros(4, 784)).shape
    torch.Size([4, 10])
    """
    return initialize(nn.Linear(x.shape[-1], int(units), bias), init)
