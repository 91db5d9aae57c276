"""AdaGrad over the latest gradients alone: a window's sum that is never subtracted from, so that it cannot drift."""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor

from ..kernels import library
from ..kernels.at import address, call
from .foreach import Foreach, Tensors, dense


class LocalAdagrad(Foreach):
    """AdaGrad over the latest gradients alone; see the rule `local_adagrad`.

    A window is the newest squares of one block and the last ones of the block before, of which the sums from each place
    to the end are kept in the squares' place.
    """

    counts = True

    def __init__(
        self,
        params: Any,
        lr: float = 0.01,
        window: int = 100,
        k: float = 1e-10,
        exact: bool = True,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr, weight_decay, window=window, k=k, exact=exact)

    def move(self, group: dict[str, Any], t: int, parameters: Tensors, gradients: Tensors) -> None:
        window, exact, place = group["window"], group["exact"], t % group["window"]
        newest = self.remembered(parameters, "newest", group["k"])  # k + the squares of this block
        nothing: list[Tensor | None] = [None] * len(parameters)
        squares, rest, share = nothing, nothing, 1.0
        if exact:
            if place == 0:
                self.sum_to_end(parameters, window)
            squares = [*self.remembered(parameters, f"square{place}")]
            if place + 1 < window:
                rest = [*self.remembered(parameters, f"square{place + 1}")]
        else:
            before = self.remembered(parameters, "before")
            rest, share = [*before], 1 - (place + 1) / window
            if place == 0:
                for last, sums in zip(before, newest, strict=True):
                    torch.sub(sums, group["k"], out=last)
        if place == 0:
            for sums in newest:
                sums.fill_(group["k"])
        for tensors in zip(parameters, gradients, newest, squares, rest, strict=True):
            step(*tensors, share, group["lr"])

    def sum_to_end(self, parameters: Tensors, window: int) -> None:
        """A block is full: its squares become the sums from each place to the end."""
        blocks = [self.remembered(parameters, f"square{place}") for place in range(window)]
        for squares in zip(*blocks, strict=True):
            kernels = _kernels_for(*squares)
            if kernels is None:
                for later, earlier in zip(squares[:0:-1], squares[-2::-1], strict=True):
                    earlier.add_(later)
            else:
                places = torch.tensor([square.data_ptr() for square in squares])
                call(kernels.local_adagrad_turn, places, window, squares[0].numel())


def step(
    w: Tensor, g: Tensor, newest: Tensor, square: Tensor | None, rest: Tensor | None, share: float, rate: float
) -> None:
    """newest += g^2, which is also put into `square`; w -= rate g / sqrt(newest + share rest)."""
    kernels = _kernels_for(w, g, newest, *(tensor for tensor in (square, rest) if tensor is not None))
    if kernels is not None:
        places = map(address, (w, g, newest, square, rest))  # they may lie channels last, all alike
        kernels.local_adagrad_step(*places, ctypes.c_float(share), ctypes.c_float(rate), ctypes.c_int64(w.numel()))
        return
    newest.add_(torch.mul(g, g, out=square) if square is not None else g * g)
    sums = newest if rest is None else torch.add(newest, rest, alpha=share)
    w.addcmul_(g, sums.rsqrt(), value=-rate)


def _kernels_for(first: Tensor, *others: Tensor) -> ctypes.CDLL | None:
    """The kernels, where all tensors are single precision, on the CPU and lie alike in one stretch of memory."""
    alike = all(tensor.stride() == first.stride() and tensor.dtype == first.dtype for tensor in others)
    fits = first.device.type == "cpu" and first.dtype == torch.float32 and alike and dense(first)
    return library("adagrad") if fits else None
