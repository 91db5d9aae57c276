"""Radial units: how far a vector is from each of several codes."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from ..recipe import layer
from ..recipe.spec import Size
from .glyphs import GLYPHS, glyph_codes


class Rbf(nn.Module):
    """Squared distances to the rows of `codes`, in float32 or better."""

    codes: Tensor
    judges = True

    def __init__(self, codes: Tensor, learned: bool) -> None:
        super().__init__()
        if learned:
            self.codes = nn.Parameter(codes)
        else:
            self.register_buffer("codes", codes)

    def forward(self, x: Tensor) -> Tensor:
        x = x.to(torch.promote_types(x.dtype, self.codes.dtype))  # differences of near vectors need their digits
        return (x[:, None, :] - self.codes).square().sum(2)

    def extra_repr(self) -> str:
        return f"{self.codes.shape[1]}, {self.codes.shape[0]}"


@layer
def rbf(x: Tensor, units: Size, codes: Literal["learned", "random", "glyphs"] = "learned") -> nn.Module:
    """The squared distance from the input to each unit's code, y[n, i] = sum over j of (x[n, j] - w[i, j])^2.

    Codes of +-1 begin at random, and are `learned`, or stay (`random`); `glyphs` are ten fixed pictures of the digits,
    7 wide and 12 high, for inputs of 84 values. LeNet-5's are such; the ones here are drawn by us after the paper's
    figure 3, not copied from it. The nearest code is the answer: the objective `nearest` reads it so.

    Shapes: (N, F) -> (N, units). Raises `ValueError` for inputs of other shapes, and for glyphs that are not ten of 84.
    LeCun et al. (1998), Gradient-based learning applied to document recognition, section II B.

    >>> import dovetail as dt, torch
    >>> sum(p.numel() for p in dt.build([dt.rbf(10, codes="glyphs")], torch.zeros(1, 84)).parameters())
    0
    """
    if x.dim() != 2:
        raise ValueError(f"expects vectors (N, F), got {x.dim() - 1} axes; put flatten before it")
    if codes == "glyphs":
        if (int(units), x.shape[1]) != (len(GLYPHS), 84):
            raise ValueError(f"the glyphs are {len(GLYPHS)} codes of 84 values, not {units} of {x.shape[1]}")
        return Rbf(glyph_codes(), learned=False)
    return Rbf(torch.randint(0, 2, (int(units), x.shape[1])) * 2.0 - 1, codes == "learned")
