"""Pooling: fewer positions, each speaking for a patch."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ..recipe import layer
from ..recipe.spec import InitSpec
from .convolution import Positive, per_axis, require_room, spatial_axes
from .initialization import initialize
from .patches import PatchMaximum

Sizes = Positive | list[Positive]
Pads = Annotated[int, Field(ge=0)] | list[Annotated[int, Field(ge=0)]]


@layer
def maxpool(
    x: Tensor,
    size: Sizes = 2,
    stride: Sizes | None = None,
    pad: Pads = 0,
    round_up: bool = False,
    shrink: bool = False,
) -> nn.Module:
    """The largest value of each patch, y[n, c, u] = max over k < size of x[n, c, stride * u + k - pad].

    Shapes: (N, C, *S) -> (N, C, *S'), S' = (S + 2 pad - size) // stride + 1, the quotient rounded up with `round_up`;
    a patch that would begin beyond the input is left out. Stride is size unless given. 1 to 3 spatial axes. Padding is
    never the largest. Raises `ValueError` for a pad above half the size, and for a size above the padded input's,
    which with `shrink` becomes the input's instead.

    >>> import dovetail as dt, torch
    >>> dt.build([dt.maxpool(2)], torch.zeros(1, 1, 4, 4))(torch.arange(16.0).view(1, 1, 4, 4)).flatten()
    tensor([ 5.,  7., 13., 15.])
    """
    axes = spatial_axes(x)
    kind: Any = (nn.MaxPool1d, PatchMaximum, nn.MaxPool3d)[axes - 1]
    module: nn.Module = kind(*_windows(x, size, stride, pad, shrink), ceil_mode=round_up)
    return module


@layer
def avgpool(
    x: Tensor,
    size: Sizes = 2,
    stride: Sizes | None = None,
    pad: Pads = 0,
    round_up: bool = False,
    shrink: bool = False,
) -> nn.Module:
    """The mean of each patch, y[n, c, u] = mean over k < size of x[n, c, stride * u + k - pad]; padding counts as 0.

    What a patch has beyond the padding, by `round_up`, is not counted. Shapes and errors: as `maxpool`.

    >>> import dovetail as dt, torch
    >>> dt.build([dt.avgpool(2)], torch.zeros(1, 1, 4, 4))(torch.arange(16.0).view(1, 1, 4, 4)).flatten()
    tensor([ 2.5000,  4.5000, 10.5000, 12.5000])
    """
    axes = spatial_axes(x)
    kind: Any = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)[axes - 1]
    module: nn.Module = kind(*_windows(x, size, stride, pad, shrink), ceil_mode=round_up)
    return module


def _windows(x: Tensor, size: Sizes, stride: Sizes | None, pad: Pads, shrink: bool) -> tuple[tuple[int, ...], ...]:
    axes = spatial_axes(x)
    sizes, pads = per_axis(size, axes), per_axis(pad, axes)
    if shrink:
        sizes = tuple(min(s, there + 2 * p) for s, there, p in zip(sizes, x.shape[2:], pads, strict=True))
    if any(2 * p > s for p, s in zip(pads, sizes, strict=True)):
        raise ValueError(f"pad {pad} is more than half the size {size}")
    require_room(x, sizes, pads)
    return sizes, per_axis(size if stride is None else stride, axes), pads


class GlobalPool(nn.Module):
    """One value a channel, over all positions."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        positions = tuple(range(2, x.dim()))
        return x.mean(positions) if self.kind == "average" else x.amax(positions)

    def curvature(self, x: Tensor, h: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The curvatures at the input from those at the output: a share of the mean moves it by 1 / positions."""
        place = x.requires_grad_()
        (bent,) = torch.autograd.grad(self(place), place, h)
        return bent / (x[0, 0].numel() if self.kind == "average" else 1), {}


@layer
def globalpool(x: Tensor, kind: Literal["average", "max"] = "average") -> nn.Module:
    """The mean (or the largest value) of each channel over all positions.

    Shapes: (N, C, *S) -> (N, C). Lin, Chen and Yan (2014), Network in network, section 3.2.

    >>> import dovetail as dt, torch
    >>> dt.build([dt.globalpool()], torch.zeros(1, 3, 4, 4))(torch.ones(2, 3, 4, 4)).shape
    torch.Size([2, 3])
    """
    spatial_axes(x)
    return GlobalPool(kind)


class Subsample(nn.Module):
    """A coefficient and a bias a map on the sums of patches."""

    def __init__(self, maps: int, size: tuple[int, ...]) -> None:
        super().__init__()
        self.kernel_size = self.stride = size
        self.weight = nn.Parameter(torch.empty(maps, 1).uniform_(0, 2 / math.prod(size)))
        self.bias = nn.Parameter(torch.zeros(maps))

    def forward(self, x: Tensor) -> Tensor:
        return self.sums(x) * self.weight.view(self.shape) + self.bias.view(self.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a value a map, beside maps."""
        return (1, -1, *[1] * len(self.kernel_size))

    def sums(self, x: Tensor) -> Tensor:
        """What the coefficients multiply."""
        pool = (nn.functional.avg_pool1d, nn.functional.avg_pool2d, nn.functional.avg_pool3d)
        return pool[len(self.kernel_size) - 1](x, self.kernel_size) * math.prod(self.kernel_size)

    def curvature(self, x: Tensor, h: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The curvatures at the input from those at the output, and the parameters' own."""
        x = x.requires_grad_()
        sums = self.sums(x)
        (bent,) = torch.autograd.grad(sums, x, h * self.weight.detach().view(self.shape).square())
        axes = (0, *range(2, h.dim()))
        return bent, {"weight": (sums.detach().square() * h).sum(axes).view_as(self.weight), "bias": h.sum(axes)}


@layer
def subsample(x: Tensor, size: Sizes = 2, init: InitSpec | None = None) -> nn.Module:
    """LeNet's trainable subsampling, y[n, c, u] = w[c] * sum over the patch of x[n, c, size * u + k] + b[c].

    The squash that follows it in the paper is a layer of its own (`scaled_tanh`). w starts uniform in
    (0, 2 / patch), so that the mean of a patch passes on average; for an `init` the fan-in is the patch, the fan-out 1.
    Raises `ValueError` for a size above the input's.

    Shapes: (N, C, *S) -> (N, C, *(S // size)), 1 to 3 spatial axes. LeCun et al. (1998), section II B.

    >>> import dovetail as dt, torch
    >>> sum(p.numel() for p in dt.build([dt.subsample(2)], torch.zeros(1, 6, 28, 28)).parameters())
    12
    """
    sizes = per_axis(size, spatial_axes(x))
    require_room(x, sizes, (0,) * len(sizes))
    return initialize(Subsample(x.shape[1], sizes), init, fans=(math.prod(sizes), 1))
