"""AdaGrad over the latest gradients alone: a window's sum that is never subtracted from, so that it cannot drift."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..kernels import library
from ..kernels.at import call
from .foreach import Foreach, Tensors, dense


class LocalAdagrad(Foreach):
    """AdaGrad over the latest gradients alone; see `dovetail.local_adagrad`.

    A window is the squares of this block so far, and of the block before those that are not yet replaced: of each place
    in a block but the last there is first the sum of what stood behind it in the block before, then, in its place, its
    own square. So a square is written and read twice, and no sum ever subtracted from.
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
        k, rate = float(group["k"]), float(group["lr"])
        newest = self.remembered(parameters, "newest", k)  # k + the squares of this block
        if group["exact"]:
            if place + 1 == window or t == 0:  # at first, so that it is known what is remembered
                squares = [self.remembered(parameters, f"square{before}") for before in range(window - 1)]
            if place + 1 == window:
                last_step((parameters, gradients, newest, *squares), k, rate)
                return
            old, share = self.remembered(parameters, f"square{place}"), 1.0
            keeps = place > 0  # the first of a block stands behind none of it
        else:
            old, share, keeps = self.remembered(parameters, "before"), 1 - (place + 1) / window, False
            if place == 0:
                torch._foreach_copy_(old, torch._foreach_sub(newest, k))
        step((parameters, gradients, newest, old), place == 0, keeps, k, share, rate)


def step(lists: Sequence[Tensors], begins: bool, keeps: bool, k: float, share: float, rate: float) -> None:
    """Move parameters w with gradients g; `lists` are w, g, newest and old.

    newest += g^2, from k on where a block `begins`; w -= rate g / sqrt(newest + share old); and g^2 takes old's
    place if it `keeps` the squares.
    """
    kernels = library("adagrad")
    fitting, others = _parted(lists)
    if kernels is not None and fitting:
        call(kernels.local_adagrad_step, *_places(fitting), len(fitting), begins, keeps, k, share, rate)
    for w, g, newest, old in others:
        square = g * g
        if begins:
            newest.fill_(k)
        newest.add_(square)
        w.addcmul_(g, torch.add(newest, old, alpha=share).rsqrt_(), value=-rate)
        if keeps:
            old.copy_(square)


def last_step(lists: Sequence[Tensors], k: float, rate: float) -> None:
    """The step that fills a block, behind whose place nothing stands; `lists` are w, g, newest and the squares before.

    w -= rate g / sqrt(newest + g^2), and each of the squares becomes the sum of those behind it.
    """
    kernels = library("adagrad")
    fitting, others = _parted(lists)
    if kernels is not None and fitting:
        call(kernels.local_adagrad_last, *_places(fitting), len(fitting), len(lists) - 3, k, rate)
    for w, g, newest, *squares in others:
        behind = g * g
        w.addcmul_(g, (behind + (newest if squares else k)).rsqrt_(), value=-rate)
        for square in reversed(squares):
            own = square.clone()
            square.copy_(behind)
            behind += own


def _parted(lists: Sequence[Tensors]) -> tuple[list[Tensors], list[Tensors]]:
    """The tensors of each parameter: those that the kernels take, if there are kernels, and the others."""
    rows = [list(row) for row in zip(*lists, strict=True)]
    if library("adagrad") is None:
        return [], rows
    fitting: list[Tensors] = []
    others: list[Tensors] = []
    for row in rows:
        (fitting if _fits(*row) else others).append(row)
    return fitting, others


def _fits(first: Tensor, *others: Tensor) -> bool:
    """Whether all are single precision, on the CPU and lie alike, be it channels last, in one stretch of memory."""
    if first.device.type != "cpu" or first.dtype != torch.float32 or not (first.is_contiguous() or dense(first)):
        return False
    own = first.device, first.dtype, first.shape, first.stride()
    return all((other.device, other.dtype, other.shape, other.stride()) == own for other in others)


def _places(rows: list[Tensors]) -> tuple[Tensor, Tensor]:
    """Where the tensors are, those of one parameter together, and how many entries each parameter has."""
    places = [[tensor.data_ptr() for tensor in row] for row in rows]
    return torch.tensor(places), torch.tensor([row[0].numel() for row in rows])
