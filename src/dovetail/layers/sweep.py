"""A network swept along a line: what it makes of every window becomes a sequence of frames."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from ..recipe import layer
from ..recipe.build import build_and_push, push, shape_text
from ..recipe.sequences import Sequences, rounded, runs
from ..recipe.spec import Layers, sees_time

WIDEST = 1024  # columns that a network may need to see at once


class Swept(nn.Module):
    """Frames t = 0, 1, ..., each of what the body makes of columns t * step - pad to t * step - pad + window."""

    sees_time = True

    def __init__(self, body: nn.Module, window: int, step: int, pad: int) -> None:
        super().__init__()
        self.body, self.window, self.step, self.pad = body, window, step, pad

    def forward(self, x: Sequences) -> Sequences:
        """All lines lie in one row, `pad` columns with nothing written, 0, before and behind each.

        The row's width is rounded: convolutions prepare themselves for every new one.
        """
        wide = torch.div(x.lengths + self.pad + self.step - 1, self.step, rounding_mode="floor") * self.step
        starts, frames = wide.cumsum(0) - wide, self.frames(x.lengths)
        width = max(int(wide.sum()) + self.pad, self.window)
        row = x.values.new_zeros(rounded(width), x.values.shape[1])
        row = row.index_copy(0, runs(starts + self.pad, x.lengths), x.values)
        output = self.body(row.T[None, None])[0].permute(2, 0, 1)  # (T, C, H)
        seen = output.index_select(0, runs(torch.div(starts, self.step, rounding_mode="floor"), frames))
        return Sequences(seen.flatten(1), frames)

    def frames(self, lengths: Tensor) -> Tensor:
        """How many frames lines of such lengths have."""
        frames = torch.div(lengths + 2 * self.pad - self.window, self.step, rounding_mode="floor") + 1
        return frames.clamp(min=0)

    def specimen(self, x: Sequences) -> Sequences:
        columns = max(x.longest + 2 * self.pad, self.window)
        features = push(self.body, x.values.new_empty((2, 1, x.values.shape[1], columns))).flatten(1, 2).shape[1]
        lengths = self.frames(x.lengths)
        return Sequences(x.values.new_empty((int(lengths.sum()), features)), lengths)


@layer
@sees_time
def sweep(x: Any, layers: Layers, pad: Annotated[int, Field(ge=0)] | None = None) -> nn.Module:
    """Sweep a convolution network along a line: it answers for every window as if that were an image by itself.

        y[t] = f(columns t * step - pad, ..., t * step - pad + window - 1 of x, and 0 beyond its ends)

    Window and step follow from the layers, which work on images (N, 1, H, W) and must not pad along W; `pad` is half
    the window unless given, so that a window stands about every column. All windows share what their layers have in
    common. Shapes: sequences of columns (N, T, H) -> (N, T', C H'), T' = (T + 2 pad - window) // step + 1. Raises
    `ValueError` for other inputs and layers that pad. Matan et al. (1992), Multi-digit recognition using a space
    displacement neural network; LeCun et al. (1998), section VII.

    >>> import dovetail as dt
    >>> from dovetail.recipe.sequences import Sequences
    >>> digits = Sequences(torch.zeros(30, 28), torch.tensor([20, 10]))
    >>> reader = dt.sweep([dt.conv(8, [28, 6]), dt.relu()]).make(digits)
    >>> reader(digits).lengths.tolist()
    [21, 11]
    """
    if not isinstance(x, Sequences) or x.values.dim() != 2 or x.fields:
        raise ValueError("takes sequences of columns (N, T, H), as lines to read are")
    return swept(layers, x.values.shape[1], ".sweep", pad)[0]


def swept(layers: Layers, height: int, place: str, pad: int | None = None) -> tuple[Swept, tuple[int, int]]:
    """Layers to be swept along lines of such a height, and the channels and the height of what they make of them."""

    def seen(width: int) -> int:
        """The frames of a line so many columns wide, 0 where it is too narrow."""
        try:
            _, output = build_and_push(layers, torch.empty((2, 1, height, width), device="meta"), place)
        except ValueError:
            if width == WIDEST:
                raise
            return 0
        if not isinstance(output, Tensor) or output.dim() != 4:
            raise TypeError(f"the layers must end in (N, C, H, W), not {shape_text(output)}: leave flatten out")
        return output.shape[3]

    window = _narrowest(seen, 1)
    step = _narrowest(seen, 2) - window
    body, _ = build_and_push(layers, torch.empty((2, 1, height, WIDEST), device="meta"), place)
    if any(_pads(module) for module in body.modules()):
        raise ValueError("a layer pads along the line, where its neighbours are: give it pad: [1, 0] or none")
    body, output = build_and_push(layers, torch.empty((2, 1, height, window), device="meta"), place)
    return Swept(body, window, step, window // 2 if pad is None else pad), (output.shape[1], output.shape[2])


def _narrowest(seen: Any, frames: int) -> int:
    """The narrowest line that gives so many frames."""
    low, high = 0, WIDEST
    seen(high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if seen(middle) >= frames else (middle, high)
    return high


def _pads(module: nn.Module) -> bool:
    padding = getattr(module, "padding", 0)
    if isinstance(padding, str):
        return padding != "valid"
    return bool(padding[-1] if isinstance(padding, tuple | list) else padding) or bool(getattr(module, "ceil_mode", 0))
