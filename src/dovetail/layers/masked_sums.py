"""Sums over what a mask's bits keep, written so that PyTorch's compiler makes one pass over the bits of each.

Shapes: rows x (N, 64 words), weights w (out, 64 words), slopes g (N, out), mask (words, N, out).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from .bits import WORD


def compiles(device: torch.device) -> bool:
    """Whether PyTorch has a compiler for the device's kernels."""
    if device.type != "cuda":
        return False
    from torch.utils._triton import has_triton

    return has_triton()


@cache
def compiled(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return torch.compile(function, dynamic=True)


def sums(x: Tensor, w: Tensor, mask: Tensor) -> Tensor:
    """y[n, o] = sum over i of mask[n, o, i] w[o, i] x[n, i]."""
    return (_bits(mask) * _words(w).unsqueeze(1) * _words(x).unsqueeze(2)).sum((0, 3))


def slopes_of_rows(g: Tensor, w: Tensor, mask: Tensor) -> Tensor:
    """sum over o of g[n, o] mask[n, o, i] w[o, i]."""
    return (_bits(mask) * _words(w).unsqueeze(1) * g[:, :, None]).sum(2).transpose(0, 1).flatten(1)


def slopes_of_weights(g: Tensor, x: Tensor, mask: Tensor) -> Tensor:
    """sum over n of g[n, o] mask[n, o, i] x[n, i]."""
    return (_bits(mask) * _words(x).unsqueeze(2) * g[:, :, None]).sum(1).transpose(0, 1).flatten(1)


def _bits(mask: Tensor) -> Tensor:
    """(words, N, out, 64): 0 or 1."""
    return mask.unsqueeze(3) >> torch.arange(WORD, device=mask.device) & 1


def _words(rows: Tensor) -> Tensor:
    """(rows, 64 words) -> (words, rows, 64)."""
    return rows.view(len(rows), -1, WORD).transpose(0, 1)
