"""Layers that only arrange."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import Field
from torch import Tensor, nn

from ..recipe import layer
from ..recipe.sequences import Sequences
from ..recipe.spec import sees_time
from .convolution import per_axis, spatial_axes

Count = Annotated[int, Field(ge=0)]


@layer
def flatten(x: Tensor) -> nn.Module:
    """Lay all axes but the batch in one row: (N, *S) -> (N, product of S).

    >>> import dovetail as dt, torch
    >>> dt.build([dt.flatten()], torch.zeros(1, 2, 3, 4))(torch.zeros(5, 2, 3, 4)).shape
    torch.Size([5, 24])
    """
    return nn.Flatten()


@layer
def reshape(x: Tensor, shape: list[int]) -> nn.Module:
    """Arrange an example's values anew: (N, *S) -> (N, *shape); one size may be -1, "whatever remains".

    Raises `ValueError` where the values do not fill the shape.

    >>> import dovetail as dt, torch
    >>> dt.build([dt.reshape([1, 4, -1])], torch.zeros(1, 8))(torch.zeros(5, 8)).shape
    torch.Size([5, 1, 4, 2])
    """
    if any(size < 1 and size != -1 for size in shape) or shape.count(-1) > 1:
        raise ValueError(f"a shape is whole numbers above 0, one of them -1 at most, not {shape}")
    values, known = math.prod(x.shape[1:]), math.prod(size for size in shape if size != -1)
    if values % known or (-1 not in shape and values != known):
        raise ValueError(f"{values} values do not fill the shape {shape}")
    return nn.Unflatten(1, shape) if x.dim() == 2 else nn.Sequential(nn.Flatten(), nn.Unflatten(1, shape))


@layer
def pad(x: Tensor, size: Count | list[Count], value: float = 0.0) -> nn.Module:
    """Put `size` more positions of a fixed value at both ends of every spatial axis, one size or one an axis.

    Shapes: (N, C, *S) -> (N, C, *(S + 2 size)), 1 to 3 spatial axes.

    >>> import dovetail as dt, torch
    >>> dt.build([dt.pad(1, value=9.0)], torch.zeros(1, 1, 2))(torch.zeros(1, 1, 2))
    tensor([[[9., 0., 0., 9.]]])
    """
    sizes = per_axis(size, spatial_axes(x))
    kind: Any = (nn.ConstantPad1d, nn.ConstantPad2d, nn.ConstantPad3d)[len(sizes) - 1]
    module: nn.Module = kind(tuple(end for one in reversed(sizes) for end in (one, one)), value)
    return module


class Spread(nn.Module):
    """Several places of each one."""

    sees_time = True

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def forward(self, x: Any) -> Any:
        if isinstance(x, Tensor):
            return x.reshape(len(x), x.shape[1] * self.times, -1)
        return Sequences(x.values.reshape(len(x.values) * self.times, -1), x.lengths * self.times)


@layer
@sees_time
def spread(x: Any, times: Annotated[int, Field(gt=1)]) -> nn.Module:
    """Make several places of each one, each with its share of the features, so that a longer string may be told.

        y[k t + j] = x[t, j F : (j + 1) F],   j = 0 ... k - 1 = times - 1

    Shapes: sequences or (N, T, k F) -> (N, k T, F). Raises `ValueError` where the features cannot be shared out.

    >>> import dovetail as dt, torch
    >>> dt.build([dt.spread(2)], torch.zeros(1, 3, 4))(torch.zeros(5, 3, 4)).shape
    torch.Size([5, 6, 2])
    """
    inputs = x.values.shape[1:] if isinstance(x, Sequences) else x.shape[2:]
    if len(inputs) != 1 or (isinstance(x, Sequences) and x.fields):
        raise ValueError("takes sequences of vectors (N, T, F)")
    if inputs[0] % times:
        raise ValueError(f"times: {inputs[0]} features cannot be shared out among {times} places")
    return Spread(times)
