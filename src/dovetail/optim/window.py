"""AdaGrad over the latest gradients alone: a window's sum that is never subtracted from, so that it cannot drift."""

from __future__ import annotations

import ctypes
from typing import Any

import torch

from ..kernels import library
from .foreach import Foreach, Tensors, dense


class LocalAdagrad(Foreach):
    """AdaGrad over the latest gradients alone; see the rule `local_adagrad`.

    A window is the squares of this block so far, and of the block before those that are not yet replaced: of each place
    in a block there is first the sum of what stood behind it in the block before, then, in its place, its own square.
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
        window, place = group["window"], t % group["window"]
        newest = self.remembered(parameters, "newest", group["k"])  # k + the squares of this block
        has_rest = keeps = True
        share = 1.0
        if group["exact"]:
            if place == 0 and t:
                self.sum_behind(parameters, window)
            old = self.remembered(parameters, f"square{place}")
            has_rest, keeps = place + 1 < window, place > 0  # nothing stands behind the last, the first behind none
        else:
            old, share, keeps = self.remembered(parameters, "before"), 1 - (place + 1) / window, False
            if place == 0:
                torch._foreach_copy_(old, torch._foreach_sub(newest, group["k"]))
        step(parameters, gradients, newest, old, place == 0, has_rest, keeps, group["k"], share, group["lr"])

    def sum_behind(self, parameters: Tensors, window: int) -> None:
        """A block is full: each of its squares becomes the sum of those behind it."""
        blocks = [self.remembered(parameters, f"square{place}") for place in range(window)]
        kernels = _kernels_for(*blocks)
        if kernels is not None:
            places, counts = _addresses(*blocks)
            kernels.local_adagrad_turn(places, counts, ctypes.c_int64(len(parameters)), ctypes.c_int64(window))
            return
        for squares in zip(*blocks, strict=True):
            behind = torch.zeros_like(squares[0])
            for square in reversed(squares):
                own = square.clone()
                square.copy_(behind)
                behind += own


def step(
    parameters: Tensors,
    gradients: Tensors,
    newest: Tensors,
    old: Tensors,
    begins: bool,
    has_rest: bool,
    keeps: bool,
    k: float,
    share: float,
    rate: float,
) -> None:
    """newest += g^2, from k on where a block `begins`; w -= rate g / sqrt(newest + share old), with old = 0 unless it
    `has_rest`; and g^2 takes the place of old if it `keeps` the squares."""
    kernels = _kernels_for(parameters, gradients, newest, old)
    if kernels is not None:
        places, counts = _addresses(parameters, gradients, newest, old)
        whole = map(ctypes.c_int64, (len(parameters), begins, has_rest, keeps))
        kernels.local_adagrad_step(places, counts, *whole, *map(ctypes.c_float, (k, share, rate)))
        return
    for w, g, block, rest in zip(parameters, gradients, newest, old, strict=True):
        square = g * g
        if begins:
            block.fill_(k)
        block.add_(square)
        sums = torch.add(block, rest, alpha=share) if has_rest else block
        w.addcmul_(g, sums.rsqrt(), value=-rate)
        if keeps:
            rest.copy_(square)


def _kernels_for(*lists: Tensors) -> ctypes.CDLL | None:
    """The kernels, where all tensors are single precision, on the CPU and lie alike in one stretch of memory."""
    for first, *others in zip(*lists, strict=True):
        stride = first.stride()  # they may lie channels last, all alike
        if first.device.type != "cpu" or first.dtype != torch.float32 or not (first.is_contiguous() or dense(first)):
            return None
        if any(other.stride() != stride or other.dtype != torch.float32 for other in others):
            return None
    return library("adagrad")


def _addresses(*lists: Tensors) -> tuple[Any, Any]:
    """Where the tensors are, those of one parameter together, and how many entries each parameter has."""
    places = [tensor.data_ptr() for tensors in zip(*lists, strict=True) for tensor in tensors]
    counts = [tensor.numel() for tensor in lists[0]]
    return (ctypes.c_int64 * len(places))(*places), (ctypes.c_int64 * len(counts))(*counts)
