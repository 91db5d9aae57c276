"""Convolution by a table that says which input maps each output map sees."""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ..recipe import layer
from ..recipe.spec import InitSpec
from .convolution import Positive, per_axis, require_room, spatial_axes

Maps = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]


class TableConv(nn.Module):
    """A kernel for each connection of the table; the others are zeros, filled in at every call."""

    places: Tensor
    bilinear = True

    def __init__(self, channels: int, table: list[list[int]], kernel: tuple[int, ...], bias: bool) -> None:
        super().__init__()
        self.channels, self.kernel_size = channels, kernel
        count = sum(map(len, table))
        self.weight = nn.Parameter(torch.empty(count, *kernel))
        self.bias = nn.Parameter(torch.zeros(len(table))) if bias else None
        places = torch.full((len(table), channels), count)  # where each pair's kernel lies; the last is of zeros
        numbers = iter(range(count))
        for row, maps in enumerate(table):
            for column in maps:
                places[row, column] = next(numbers)
        self.register_buffer("places", places, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        kernels = torch.cat([self.weight, self.weight.new_zeros(1, *self.kernel_size)])
        whole = kernels.index_select(0, self.places.flatten()).view(*self.places.shape, *self.kernel_size)
        if x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last):
            whole = whole.contiguous(memory_format=torch.channels_last)
        convolve = (F.conv1d, F.conv2d, F.conv3d)[len(self.kernel_size) - 1]
        return convolve(x, whole, self.bias)

    def extra_repr(self) -> str:
        return f"{self.channels}, {len(self.places)}, kernel={self.kernel_size}, connections={len(self.weight)}"


@layer
def table_conv(
    x: Tensor,
    table: Annotated[list[Maps], Field(min_length=1)],
    kernel: Positive | list[Positive] = 5,
    bias: bool = True,
    init: InitSpec | None = None,
) -> nn.Module:
    """A convolution in which output map f sees the input maps table[f] alone.

        y[n, f, u] = b[f] + sum over c in table[f], k of w[f, c, k] * x[n, c, u + k]

    Shapes: (N, C, *S) -> (N, maps, *(S - kernel + 1)), 1 to 3 spatial axes; parameters: one kernel a connection, one
    bias a map. For an `init` the fan-in is that of each map. Raises `ValueError` for a map that is not there or twice
    in a row, and a kernel larger than the input. LeCun et al. (1998), Gradient-based learning applied to document
    recognition, table I.

    >>> import dovetail as dt, torch
    >>> network = dt.build([dt.table_conv([[0, 1], [1, 2], [0, 1, 2]], kernel=5)], torch.zeros(1, 3, 14, 14))
    >>> network(torch.zeros(4, 3, 14, 14)).shape, sum(p.numel() for p in network.parameters())
    (torch.Size([4, 3, 10, 10]), 178)
    """
    sizes = per_axis(kernel, spatial_axes(x))
    require_room(x, sizes, (0,) * len(sizes))
    for row, maps in enumerate(table):
        if max(maps) >= x.shape[1] or len(set(maps)) < len(maps):
            raise ValueError(f"table[{row}] is {maps}: it names maps 0 to {x.shape[1] - 1} of the input, each once")
    module = TableConv(x.shape[1], table, sizes, bias)
    field, start = module.weight[0].numel(), 0
    with torch.no_grad():
        for maps in table:
            own = module.weight[start : start + len(maps)]
            fans = len(maps) * field, len(table) * field
            if init is not None:
                init.make(fans)(own)
            else:  # as PyTorch's convolutions begin
                own.uniform_(-(fans[0] ** -0.5), fans[0] ** -0.5)
            start += len(maps)
    return module
