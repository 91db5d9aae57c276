"""From stored values to what the network sees: moved to the device, converted, normalized, a batch at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..recipe.facts import Input
from ..recipe.sequences import Sequences


class Prepare:
    """y = (v - mean) / deviation, one mean for all values or one a channel (the first axis of an example).

    Between `values` (bytes as 0 to 1) and `normalized` images may be changed; together they are the whole.
    Shapes: (N, *S) -> (N, *S) of `dtype` on `device`.

    >>> prepare = Prepare(Input("array", [1], "uint8", [100.0], [50.0]), torch.device("cpu"), torch.float32)
    >>> prepare(torch.tensor([[200]], dtype=torch.uint8))
    tensor([[2.]])
    """

    def __init__(self, input: Input, device: torch.device, dtype: torch.dtype) -> None:
        self.device, self.dtype, self.fields = device, dtype, tuple(input.fields)
        self.scale: float | Tensor = 1.0
        self.shift: float | Tensor = 0.0
        mean, deviation = input.mean, input.deviation
        if len(deviation) == 1:
            self.scale, self.shift = 1 / deviation[0], mean[0] / deviation[0]
        elif deviation:
            view = (-1, *[1] * (len(input.shape) - 1))
            wide = torch.tensor(deviation, dtype=torch.float64).view(view)
            self.scale = (1 / wide).to(device, dtype)
            self.shift = (torch.tensor(mean, dtype=torch.float64).view(view) / wide).to(device, dtype)
        self.plain = not deviation
        self.range = 255.0 if input.dtype == "uint8" else 1.0

    def __call__(self, raw: Any) -> Any:
        if isinstance(raw, Sequences):  # whole numbers stay what they are
            kept = replace(raw, fields=self.fields)
            return kept.to(self.device, non_blocking=True) if self.fields else kept.having(self(raw.values))
        x = raw.to(self.device, self.dtype, non_blocking=True)
        if self.plain:
            return x
        if x is raw:
            return x.mul(self.scale).sub_(self.shift)
        return x.mul_(self.scale).sub_(self.shift)

    def values(self, raw: Any) -> Any:
        """Stored values as numbers on the device, bytes as 0 to 1."""
        if isinstance(raw, Sequences):
            return raw.to(self.device, non_blocking=True).having(self.values(raw.values))
        x = raw.to(self.device, self.dtype, non_blocking=True)
        return x if self.range == 1 else x.mul_(1 / self.range)

    def normalized(self, x: Any) -> Any:
        """Numbers as `values` gives them, normalized."""
        if isinstance(x, Sequences):
            return x.having(self.normalized(x.values))
        return x.mul(self.range) if self.plain else x.mul(self.scale * self.range).sub_(self.shift)
