"""What this machine can do at most: multiply matrices, and copy memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch

from .clock import seconds

_SIDE = 2048  # of the matrices
_COPIED = 64 << 20  # bytes


@dataclass(frozen=True)
class Peaks:
    """GFLOP/s of a large matrix product by precision, and GB/s of a copy, read and written."""

    matrix: dict[str, float]
    copy: float


def measure_peaks(device: torch.device, budget: float) -> Peaks:
    """Measure the device: products of square matrices of 2,048, and a copy of 64 MiB, `budget` seconds each."""
    matrix = {}
    for dtype in (torch.float32, torch.bfloat16):
        a, b = (torch.randn(_SIDE, _SIDE, device=device).to(dtype) for _ in range(2))
        out = torch.empty_like(a)
        name = str(dtype).removeprefix("torch.")
        matrix[name] = 2 * _SIDE**3 / seconds(partial(torch.mm, a, b, out=out), device, budget) / 1e9
    source = torch.zeros(_COPIED // 4, device=device)
    target = torch.empty_like(source)
    return Peaks(matrix, 2 * _COPIED / seconds(lambda: target.copy_(source), device, budget) / 1e9)
