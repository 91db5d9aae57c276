"""Convolution: the same small filters slid over every position."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field
from torch import Tensor, nn

from ..recipe import layer
from ..recipe.spec import InitSpec, Size
from .initialization import fans_of, initialize

Positive = Annotated[int, Field(gt=0)]
Pad = Annotated[int, Field(ge=0)] | list[Annotated[int, Field(ge=0)]] | Literal["same"]


@layer
def conv(
    x: Tensor,
    filters: Size,
    kernel: Positive | list[Positive] = 3,
    stride: Positive | list[Positive] = 1,
    pad: Pad = 0,
    groups: Positive = 1,
    bias: bool = True,
    init: InitSpec | None = None,
) -> nn.Module:
    """Slide `filters` learned kernels over every spatial axis of the input.

        y[n, f, u] = b[f] + sum over c, k of w[f, c, k] * x[n, c, stride * u + k - pad]

    Shapes: (N, C, *S) -> (N, filters, *S'), S' = (S + 2 pad - kernel) // stride + 1, for 1, 2 or 3 spatial axes;
    pad "same" keeps S' = S (an even kernel pads one more at the end). Raises `ValueError` for other numbers of axes, a
    kernel larger than the padded input, "same" with a stride, or groups that do not divide channels and filters.
    LeCun et al. (1998), Gradient-based learning applied to document recognition, section II.

    >>> import dovetail as dt, torch
    >>> dt.build([dt.conv(20, kernel=5)], torch.zeros(1, 1, 28, 28))(torch.zeros(4, 1, 28, 28)).shape
    torch.Size([4, 20, 24, 24])
    """
    axes = spatial_axes(x)
    if x.shape[1] % groups or (isinstance(filters, int) and filters % groups):
        raise ValueError(f"{groups} groups do not divide {x.shape[1]} channels and {filters} filters")
    if pad == "same" and set(per_axis(stride, axes)) != {1}:
        raise ValueError(f"pad same keeps the size, which stride {stride} does not; give the pad as a number")
    sizes = per_axis(kernel, axes)
    if pad == "same":
        pads = tuple((size - 1) // 2 for size in sizes)
        extra = tuple((size - 1) % 2 for size in sizes)
    else:
        pads, extra = per_axis(pad, axes), (0,) * axes
        require_room(x, sizes, pads)
    kind: Any = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1]
    module: Any = kind(x.shape[1], int(filters), sizes, per_axis(stride, axes), pads, groups=groups, bias=bias)
    module = initialize(module, init, fans_of(module.weight, groups))
    return nn.Sequential(pad_ends(extra), module) if any(extra) else module


def pad_ends(extra: tuple[int, ...]) -> nn.Module:
    """Zeros after the end of each spatial axis: what "same" needs beyond a symmetric pad where a kernel is even."""
    kind: Any = (nn.ConstantPad1d, nn.ConstantPad2d, nn.ConstantPad3d)[len(extra) - 1]
    pad: nn.Module = kind(tuple(side for more in reversed(extra) for side in (0, more)), 0.0)
    return pad


def spatial_axes(x: Tensor) -> int:
    """How many spatial axes an input (N, C, *S) has: 1, 2 or 3, else a `ValueError`."""
    if x.dim() not in (3, 4, 5):
        raise ValueError(f"expects an input (N, C, *S) with 1 to 3 spatial axes, got {x.dim() - 2}")
    return x.dim() - 2


def per_axis(value: int | list[int], axes: int) -> tuple[int, ...]:
    """A size for every spatial axis from one number or a list of them."""
    sizes = (value,) * axes if isinstance(value, int) else tuple(value)
    if len(sizes) != axes:
        raise ValueError(f"expects one size or {axes}, got {len(sizes)}")
    return sizes


def require_room(x: Tensor, sizes: tuple[int, ...], pads: tuple[int, ...]) -> None:
    """Refuse patches larger than the padded input."""
    for there, size, pad in zip(x.shape[2:], sizes, pads, strict=True):
        if size > there + 2 * pad:
            padded = f" with {pad} more at each end" if pad else ""
            raise ValueError(f"a patch of {size} does not fit into {there}{padded}")
