"""Layers that each break one promise; `test_checks.py` registers them and shows that the contract notices."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class _Half(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return g  # should be 2 g


class _Wrap(nn.Module):
    def __init__(self, f: Any) -> None:
        super().__init__()
        self.f = f

    def forward(self, x: Tensor) -> Tensor:
        return self.f(x)


def wrong_backward(x: Tensor) -> nn.Module:
    """Doubles, but says that it did not."""
    return _Wrap(_Half.apply)


def leaking(x: Tensor) -> nn.Module:
    """Centres an example by the whole batch."""
    return _Wrap(lambda v: v - v.mean(0, keepdim=True))


class _Forgetful(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = torch.rand(width, dtype=torch.float64)  # not a buffer

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale.to(x)


def forgetful(x: Tensor) -> nn.Module:
    """Keeps what it drew out of its state."""
    return _Forgetful(x.shape[1])


def single(x: Tensor) -> nn.Module:
    """Answers in float32 whatever it is asked in."""
    return _Wrap(lambda v: v.float())


WRONG = (wrong_backward, leaking, forgetful, single)
