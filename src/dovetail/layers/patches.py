"""The largest of every 2x2 patch by a kernel, where images lie channels last in memory: up to four times as fast."""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn import functional

from ..kernels import library
from ..kernels.at import call

LANES = 16  # fewer channels do not fill them
TYPES = {torch.float32: "float32", torch.bfloat16: "bfloat16"}


class PatchMaximum(nn.MaxPool2d):
    """PyTorch's maximum over patches; its own for what the kernel does not do."""

    def forward(self, input: Tensor) -> Tensor:
        kernels = self._kernels_for(input)
        if kernels is None:
            usual: Tensor = super().forward(input)
            return usual
        largest: Tensor = _Largest.apply(input)  # type: ignore[no-untyped-call]
        return largest

    def _kernels_for(self, x: Tensor) -> ctypes.CDLL | None:
        usual = self.kernel_size == (2, 2) == self.stride and self.padding == (0, 0) and not self.ceil_mode
        fits = x.device.type == "cpu" and x.dtype in TYPES and x.dim() == 4 and x.shape[1] >= LANES
        even = x.shape[-1] % 2 == x.shape[-2] % 2 == 0
        if not (usual and fits and even and x.is_contiguous(memory_format=torch.channels_last)):
            return None
        if forward_ad._current_level >= 0:  # directional derivatives are PyTorch's
            return None
        return library("maxpool")


class _Largest(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        y = torch.empty(n, c, h // 2, w // 2, dtype=x.dtype, memory_format=torch.channels_last)
        which = torch.empty(n, h // 2, w // 2, c, dtype=torch.uint8)
        _ask("forward", x.dtype, _rows(x), n, h, w, c, _rows(y), which)
        ctx.save_for_backward(x, which)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        x, which = ctx.saved_tensors
        if torch.is_grad_enabled():  # second derivatives are PyTorch's
            again: Tensor = torch.autograd.grad(functional.max_pool2d(x, 2), x, gradient, create_graph=True)[0]
            return again
        n, c, h, w = x.shape
        to = torch.empty(n, c, h, w, dtype=x.dtype, memory_format=torch.channels_last)
        rows = _rows(gradient.to(x.dtype).contiguous(memory_format=torch.channels_last))
        _ask("backward", x.dtype, rows, which, n, h, w, c, _rows(to))
        return to


def _ask(way: str, dtype: torch.dtype, *arguments: Any) -> None:
    call(getattr(library("maxpool"), f"maxpool_{way}_{TYPES[dtype]}"), *arguments)


def _rows(x: Tensor) -> Tensor:
    """(N, C, H, W) as it lies in memory: (N, H, W, C)."""
    return x.permute(0, 2, 3, 1)
