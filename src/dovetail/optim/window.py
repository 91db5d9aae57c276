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
        lists = (parameters, gradients, newest, old)
        step(lists, place == 0, has_rest, keeps, group["k"], share, group["lr"])

    def sum_behind(self, parameters: Tensors, window: int) -> None:
        """A block is full: each of its squares becomes the sum of those behind it."""
        blocks = [self.remembered(parameters, f"square{place}") for place in range(window)]
        kernels = library("adagrad")
        fitting, others = _parted(blocks)
        if kernels is not None and fitting:
            call(kernels.local_adagrad_turn, *_places(fitting), len(fitting), window)
        for squares in others:
            behind = torch.zeros_like(squares[0])
            for square in reversed(squares):
                own = square.clone()
                square.copy_(behind)
                behind += own


def step(
    lists: tuple[Tensors, Tensors, Tensors, Tensors],
    begins: bool,
    has_rest: bool,
    keeps: bool,
    k: float,
    share: float,
    rate: float,
) -> None:
    """Move parameters w with gradients g; `lists` are w, g, newest and old.

    newest += g^2, from k on where a block `begins`; w -= rate g / sqrt(newest + share old), with old = 0 unless it
    `has_rest`; and g^2 takes the place of old if it `keeps` the squares.
    """
    kernels = library("adagrad")
    fitting, others = _parted(lists)
    if kernels is not None and fitting:
        how = (begins, has_rest, keeps, float(k), float(share), float(rate))
        call(kernels.local_adagrad_step, *_places(fitting), len(fitting), *how)
    for w, g, newest, old in others:
        square = g * g
        if begins:
            newest.fill_(k)
        newest.add_(square)
        sums = torch.add(newest, old, alpha=share) if has_rest else newest
        w.addcmul_(g, sums.rsqrt(), value=-rate)
        if keeps:
            old.copy_(square)


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
    stride = first.stride()
    plain = first.device.type == "cpu" and first.dtype == torch.float32 and (first.is_contiguous() or dense(first))
    return plain and all(other.dtype == torch.float32 and other.stride() == stride for other in others)


def _places(rows: list[Tensors]) -> tuple[Tensor, Tensor]:
    """Where the tensors are, those of one parameter together, and how many entries each parameter has."""
    places = [[tensor.data_ptr() for tensor in row] for row in rows]
    return torch.tensor(places), torch.tensor([row[0].numel() for row in rows])
