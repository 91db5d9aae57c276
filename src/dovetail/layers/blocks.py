"""Blocks that whole families of networks repeat: VGG's stages, GoogLeNet's inception."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from ..recipe import layer
from ..recipe.build import build_chain
from ..recipe.spec import InitSpec, Layers, Spec
from .activation import relu
from .combine import branch
from .convolution import Positive, conv, spatial_axes
from .pooling import maxpool

Pair = Annotated[list[Positive], Field(min_length=2, max_length=2), "two widths: of the 1x1 convolution, and behind it"]
Width = Annotated[
    Positive | Annotated[list[Positive], Field(min_length=2, max_length=2)], "a width, or [width, kernel]"
]


@layer
def stages(
    x: Tensor,
    widths: Annotated[list[Annotated[list[Width], Field(min_length=1)]], Field(min_length=1)],
    kernel: Positive = 3,
    after: Layers | None = None,
    init: InitSpec | None = None,
) -> nn.Module:
    """Stages of convolutions, each stage ended by a maximum over 2x2 patches: [[64, 64], [128, 128]] is two of two.

    A convolution keeps the size (`pad: same`) and is followed by `after`, relu unless given; an entry [width, kernel]
    has a kernel of its own. Raises `ValueError` where the input is too small for another pooling. Simonyan and
    Zisserman (2015), Very deep convolutional networks for large-scale image recognition, table 1.

    Shapes: (N, C, *S) -> (N, last width, *(S // 2^stages)).

    >>> import dovetail as dt, torch
    >>> dt.build([dt.stages([[8], [16, 16]])], torch.zeros(1, 3, 32, 32))(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 16, 8, 8])
    """
    spatial_axes(x)
    then = [relu()] if after is None else after
    chain: list[Spec] = []
    for stage in widths:
        for entry in stage:
            width, size = (entry, kernel) if isinstance(entry, int) else entry
            chain += [conv(width, size, pad="same", init=init), *then]
        chain.append(maxpool(2))
    return build_chain(chain, x, ".stages")


@layer
def inception(
    x: Tensor,
    c1: Positive,
    c3: Pair,
    c5: Pair,
    pool: Positive,
    after: Layers | None = None,
    init: InitSpec | None = None,
) -> nn.Module:
    """Patches of several sizes side by side: 1x1; 1x1 then 3x3; 1x1 then 5x5; the maximum of 3x3 patches then 1x1.

    c3 and c5 are [width of the 1x1, width behind it]. Every convolution is followed by `after`, relu unless given, and
    the four are joined along the channels.

    Shapes: (N, C, *S) -> (N, c1 + c3[1] + c5[1] + pool, *S). Szegedy et al. (2015), Going deeper with convolutions,
    table 1.

    >>> import dovetail as dt, torch
    >>> block = dt.build([dt.inception(64, [96, 128], [16, 32], 32)], torch.zeros(1, 192, 28, 28))
    >>> sum(p.numel() for p in block.parameters())
    163696
    """
    spatial_axes(x)
    then = [relu()] if after is None else after

    def convs(*sizes: tuple[int, int]) -> list[Spec]:
        return [spec for width, size in sizes for spec in (conv(width, size, pad="same", init=init), *then)]

    branches = [
        convs((c1, 1)),
        convs((c3[0], 1), (c3[1], 3)),
        convs((c5[0], 1), (c5[1], 5)),
        [maxpool(3, stride=1, pad=1), *convs((pool, 1))],
    ]
    module: nn.Module = branch(branches).make(x)
    return module
