"""The sum over all paths of an automaton that read given frames, and its gradients by the backward recursion."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .automaton import Automaton
from .kernel import kernel_for
from .rows import Reading, forward_rows, not_a_number_where
from .semiring import LOG, log_shares, log_sum


def path_sum(automaton: Automaton, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
    """log of the sum, over all paths that read the frames, of e^score; gradients to frames and all weights.

        log sum over paths of exp(start + sum over t of (weight[arc t] + frames[n, t, label of arc t]) + end)

    A path reads exactly lengths[n] frames (all, unless given); arcs without input may stand between. The automaton is
    shared by all examples, or there are N side by side, one for each. An example that no path reads has the sum -inf
    and no gradient.

    Shapes: frames (N, T, columns), lengths (N,) -> (N,). Raises `UsageError` where shapes do not go together or arcs
    without input form a cycle. Baum and Petrie (1966); LeCun et al. (1998), section VI, where it is called forward
    penalty.

    >>> a = Automaton.of(2, [(0, 0, 0), (0, 1, 1)], final=1)
    >>> path_sum(a, torch.tensor([[[1.0, 2.0], [0.5, 4.0]]]))  # one path: 0, then 1
    tensor([5.])
    """
    reading = Reading.of(automaton, frames, lengths)
    weights = (automaton.weight, automaton.start, automaton.final)
    sums: Tensor = _PathSum.apply(frames, *weights, reading)  # type: ignore[no-untyped-call]
    return not_a_number_where(sums, frames, reading.lengths, *weights)


class _PathSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, frames: Tensor, weight: Tensor, start: Tensor, final: Tensor, reading: Reading) -> Tensor:
        ctx.reading, ctx.kernel = reading, kernel_for(reading)
        if ctx.kernel is not None:
            sums: Tensor = ctx.kernel.forward()
            return sums
        rows = forward_rows(reading, LOG)
        totals = total(reading, rows)
        ctx.save_for_backward(rows, totals)
        return totals

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.kernel is not None:
            return *ctx.kernel.backward(gradient), None
        rows, totals = ctx.saved_tensors
        return *backward_rows(ctx.reading, rows, totals, gradient), None


def total(reading: Reading, rows: Tensor) -> Tensor:
    """(N,): over the states that paths may end in, each example in the row behind its last frame."""
    final, lengths = reading.automaton.final, reading.lengths.to(rows.device)
    if reading.shared:
        return torch.logsumexp(rows[lengths, torch.arange(len(lengths), device=rows.device)] + final, -1)
    owners = reading.arcs.owners
    ends = rows[lengths[owners], torch.arange(len(owners), device=rows.device)] + final
    return log_sum(ends, owners, len(lengths))


def backward_rows(reading: Reading, rows: Tensor, totals: Tensor, gradient: Tensor) -> tuple[Tensor, ...]:
    """Gradients to frames, weights, start and final.

    What reaches a state is shared out among the arcs into it by what each contributed, exp(score - total) <= 1.
    """
    automaton, arcs = reading.automaton, reading.arcs
    of_frames, of_weight = torch.zeros_like(reading.frames), torch.zeros_like(automaton.weight)
    of_final, current = torch.zeros_like(rows[0]), torch.zeros_like(rows[0])
    at_end, gradients = reading.by_example(totals), reading.by_example(gradient)
    lengths = reading.by_example(reading.lengths.to(rows.device))
    for t in range(reading.longest, -1, -1):
        row = rows[t]
        ending = torch.where(lengths == t, log_shares(row + automaton.final, at_end) * gradients, 0.0)
        current, of_final = current + ending, of_final + ending
        for which, source, target in reversed(arcs.free):
            scores = row.index_select(-1, source) + reading.weights(which, t)
            shares = _shared_out(scores, row, current, target)
            current = current.index_add(-1, source, shares)
            _add_to_weights(of_weight, which, t, shares)
        if t == 0:
            break
        scores = (
            rows[t - 1].index_select(-1, arcs.source) + reading.weights(arcs.reading, t - 1) + reading.emissions(t - 1)
        )
        shares = _shared_out(scores, row, current, arcs.target)
        current = torch.zeros_like(current).index_add(-1, arcs.source, shares)
        _add_to_weights(of_weight, arcs.reading, t - 1, shares)
        if reading.shared:
            of_frames[:, t - 1].index_add_(-1, arcs.label, shares)
        else:
            of_frames[:, t - 1].index_put_((arcs.owner, arcs.label), shares, accumulate=True)
    of_start = _shared_out(reading.first_row(), rows[0], current, torch.arange(rows.shape[-1], device=rows.device))
    if reading.shared:
        of_start, of_final = of_start.sum(0), of_final.sum(0)
    return of_frames, of_weight, of_start, of_final


def _shared_out(scores: Tensor, totals: Tensor, gradients: Tensor, target: Tensor) -> Tensor:
    """What each arc gets of the gradient at the state it leads to; none where there is none, whatever the scores."""
    gradient = gradients.index_select(-1, target)
    shares = log_shares(scores, totals.index_select(-1, target))
    return torch.where(gradient != 0, shares * gradient, 0.0)


def _add_to_weights(of_weight: Tensor, which: Tensor, t: int, shares: Tensor) -> None:
    if of_weight.dim() == 3:
        of_weight[:, min(t, of_weight.shape[1] - 1)].index_add_(-1, which, shares)
    elif shares.dim() > of_weight.dim():
        of_weight.index_add_(-1, which, shares.sum(0))
    else:
        of_weight.index_add_(-1, which, shares)
