"""Sums over all ways to spread a string of labels over frames: connectionist temporal classification."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..kernels import library
from ..kernels.at import call
from ..recipe.errors import UsageError
from .automaton import beside
from .builders.topology import ctc
from .pathsum import path_sum
from .rows import fitting, not_a_number_where


def ctc_sum(frames: Tensor, targets: Sequence[Sequence[int]], lengths: Tensor | None = None, blank: int = 0) -> Tensor:
    """log of the sum, over all ways to spread each target over its frames, of e^score; gradients to frames.

    Each label is read once or more, with blanks anywhere and one at least between labels alike. -inf where a target is
    too long for its frames. Frames need not be normalized: the sum is that of `path_sum` over `builders.ctc`, of which
    this is a faster form.

    Shapes: frames (N, T, columns), lengths (N,) -> (N,). Raises `UsageError` for labels beyond the columns.
    Graves et al. (2006), Connectionist temporal classification.

    >>> frames = torch.log(torch.tensor([[[0.5, 0.5], [0.4, 0.6]]]))
    >>> round(float(ctc_sum(frames, [[1]]).exp()), 4)  # 1 1, blank 1, 1 blank
    0.8
    """
    if frames.dim() != 3:
        raise UsageError(f"frames have the shape (examples, frames, columns), not {tuple(frames.shape)}")
    for n, target in enumerate(targets):
        if wrong := [label for label in target if not 0 <= label < frames.shape[2] or label == blank]:
            raise UsageError(
                f"target {n} has label {wrong[0]}: expected 0 to {frames.shape[2] - 1} but {blank}, the blank"
            )
    if len(targets) != len(frames):
        raise UsageError(f"{len(targets)} targets do not go with {len(frames)} examples")
    lengths = fitting(lengths, frames)
    kernels = library("ctc") if frames.device.type == "cpu" and frames.dtype == torch.float32 else None
    if kernels is None or not len(frames):
        return _by_automata(frames, targets, lengths, blank)
    sums: Tensor = _Spelled.apply(frames, targets, lengths, blank)  # type: ignore[no-untyped-call]
    return not_a_number_where(sums, frames, lengths)


def _by_automata(frames: Tensor, targets: Sequence[Sequence[int]], lengths: Tensor, blank: int) -> Tensor:
    if not len(targets):
        return frames.new_zeros(0)
    return path_sum(beside([ctc(target, blank) for target in targets]).to(frames), frames, lengths)


class _Spelled(torch.autograd.Function):
    """By the kernel; what is lost to it, by automata."""

    @staticmethod
    def forward(ctx: Any, frames: Tensor, targets: Sequence[Sequence[int]], lengths: Tensor, blank: int) -> Tensor:
        examples, length, columns = frames.shape
        sizes = torch.tensor([len(target) for target in targets])
        room = int(sizes.max())
        labels = torch.tensor([[*target, *[0] * (room - len(target))] for target in targets], dtype=torch.int32)
        rows, shares = (torch.empty(examples, length, 2 * room + 1, dtype=torch.float64) for _ in range(2))
        totals, lost = torch.empty(examples, dtype=torch.float64), torch.empty(examples, dtype=torch.int32)
        ctx.spelled = (labels, sizes, room, blank)
        given = (frames.contiguous(), lengths, examples, length, columns, *ctx.spelled)
        call(library("ctc").ctc_forward, *given, rows, shares, totals, lost)  # type: ignore[union-attr]
        some = lost.nonzero()[:, 0].tolist()
        if some:
            totals[some] = _by_automata(frames[some], [targets[n] for n in some], lengths[some], blank).double()
        ctx.targets = targets
        ctx.save_for_backward(frames, lengths, rows, shares, lost)
        return totals.float()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        frames, lengths, rows, shares, lost = ctx.saved_tensors
        lost, of_frames = lost.clone(), torch.zeros(frames.shape)
        given = (lengths, *frames.shape, *ctx.spelled, rows, shares, gradient.contiguous())
        call(library("ctc").ctc_backward, *given, of_frames, lost)  # type: ignore[union-attr]
        some = lost.nonzero()[:, 0].tolist()
        if some:
            leaf = frames[some].detach().requires_grad_()
            with torch.enable_grad():
                sums = _by_automata(leaf, [ctx.targets[n] for n in some], lengths[some], ctx.spelled[-1])
                (of_frames[some],) = torch.autograd.grad(sums, leaf, gradient[some])
        return of_frames, None, None, None
