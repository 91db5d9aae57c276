"""Units disturbed at random while training: left out, so that none relies on another, or with noise on them."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from ..recipe import layer
from ..recipe.draws import Draws
from .bits import beginning
from .noise import dropout_mask, normal_rows


class Dropout(nn.Module):
    """Multiplies by xi / keep, xi in {0, 1} with mean keep.

    In a system `draws` and `purpose` are set, and the masks are a function of seed, layer, step and row, so that
    micro-batches and processes draw what one whole batch draws; elsewhere PyTorch's global generator draws a key.
    """

    elementwise = True
    draws: Draws | None = None
    purpose = ""

    def __init__(self, keep: float) -> None:
        super().__init__()
        self.keep = keep

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.keep == 1 or x.is_meta:
            return x
        return x * dropout_mask(x, self.keep, *beginning(self.draws, self.purpose))

    def extra_repr(self) -> str:
        return f"keep={self.keep}"


@layer
def dropout(x: Tensor, keep: Annotated[float, Field(ge=0.001, le=1)] = 0.5) -> nn.Module:
    """Leave units out at random: y = xi x, xi = 1 / keep with probability keep, else 0; the identity in evaluation.

    E[xi] = 1, Var[xi] = (1 - keep) / keep. `keep` is the probability to stay (PyTorch's p is 1 - keep), drawn as the
    nearest multiple of 2^-16: E[xi] is 1 within 2^-17 / keep.

    Shapes: any, unchanged. Hinton et al. (2012), Improving neural networks by preventing co-adaptation of feature
    detectors.

    >>> import dovetail as dt, torch
    >>> dt.build([dt.dropout(0.5)], torch.zeros(1, 3)).eval()(torch.ones(1, 3))
    tensor([[1., 1., 1.]])
    """
    return Dropout(keep)


class GaussianNoise(nn.Module):
    """Adds normal noise while training; its draws are a function of seed, layer, step and row, as dropout's are."""

    elementwise = True
    draws: Draws | None = None
    purpose = ""

    def __init__(self, deviation: float) -> None:
        super().__init__()
        self.deviation = deviation

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or x.is_meta:
            return x
        noise = normal_rows(x, *beginning(self.draws, self.purpose))
        return torch.add(x, noise.to(x.dtype), alpha=self.deviation)

    def extra_repr(self) -> str:
        return f"deviation={self.deviation}"


@layer
def gaussian_noise(x: Tensor, deviation: Annotated[float, Field(ge=0)] = 0.1) -> nn.Module:
    """Add noise to every value while training, y = x + e, e ~ N(0, deviation^2); the identity in evaluation.

    Before the first layer it is noise on the input, of whatever kind: for a linear unit and the squared error the mean
    loss grows by deviation^2 |w|^2 / 2, Tikhonov's penalty.

    Shapes: any, unchanged. Bishop (1995), Training with noise is equivalent to Tikhonov regularization.

    >>> import dovetail as dt, torch
    >>> network = dt.build([dt.gaussian_noise(0.5)], torch.zeros(1, 1))
    >>> round(float(network(torch.zeros(100_000, 1)).std()), 1)
    0.5
    """
    return GaussianNoise(deviation)
