"""Linear chains: every label may follow every other, each pair with its score; sums with gradients, and best labels.

The sum is `path_sum` of an automaton with a state for each label, and is that, wherever the scaled probabilities of the
kernel would lose too much.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..kernels import library
from ..kernels.at import call
from ..recipe.errors import UsageError
from .automaton import Automaton
from .bestpath import best_paths
from .pathsum import path_sum
from .rows import fitting, not_a_number_where
from .semiring import log_join, log_shares
from .structure import Structure

LANES, PARTS = 8, 16


@dataclass(frozen=True, eq=False)
class Chain:
    """Scores of what may follow what: transitions (labels, labels) [from, to], and of the first and the last label.

    -inf forbids.
    """

    transitions: Tensor
    start: Tensor
    final: Tensor

    def __post_init__(self) -> None:
        count = self.start.shape[0] if self.start.dim() == 1 else -1
        shapes = [tuple(part.shape) for part in (self.transitions, self.start, self.final)]
        if shapes != [(count, count), (count,), (count,)] or count < 1:
            told = ", ".join(map(str, shapes))
            raise UsageError(f"a chain takes (labels, labels), (labels,) and (labels,), not {told}")

    def sum(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """log of the sum over all labellings of e^score, with gradients to frames and all scores.

            score = start[y_1] + sum over t of frames[n, t, y_t] + sum over t of transitions[y_t, y_t+1] + final[y_T]

        Shapes: frames (N, T, labels), lengths (N,), at least 1 -> (N,). Lafferty, McCallum and Pereira (2001),
        Conditional random fields.

        >>> chain = Chain(torch.tensor([[0.5, -0.5], [0.0, 1.0]]), torch.zeros(2), torch.zeros(2))
        >>> chain.sum(torch.tensor([[[1.0, 0.5], [0.2, 0.8], [0.3, 0.1]]]))
        tensor([4.3955])
        """
        lengths = self._fitting(frames, lengths)
        scores = (self.transitions, self.start, self.final)
        kind = _InTorch if _kernels_for(frames, *scores) is None else _Scaled
        sums: Tensor = kind.apply(frames, *scores, lengths)  # type: ignore[no-untyped-call]
        return not_a_number_where(sums, frames, lengths, *scores)

    def score(self, frames: Tensor, labels: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(N,): the score of the labels (N, T), whatever stands beyond an example's end."""
        lengths = self._fitting(frames, lengths).to(frames.device)
        if labels.shape != frames.shape[:2]:
            raise UsageError(f"labels {tuple(labels.shape)} do not go with frames {tuple(frames.shape)}")
        inside = torch.arange(frames.shape[1], device=frames.device) < lengths[:, None]
        labels = labels.where(inside, 0)
        emitted = frames.gather(2, labels[..., None])[..., 0].where(inside, 0.0).sum(1)
        moved = self.transitions[labels[:, :-1], labels[:, 1:]].where(inside[:, 1:], 0.0).sum(1)
        last = labels.gather(1, (lengths - 1).clamp(min=0)[:, None])[:, 0]
        return emitted + moved + self.start[labels[:, 0]] + self.final[last]

    @torch.no_grad()
    def best(self, frames: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The best labels (N, T), 0 beyond an example's end, and their scores (N,). Viterbi (1967)."""
        lengths = self._fitting(frames, lengths)
        path = torch.zeros(frames.shape[:2], dtype=torch.int64)
        kernels = _kernels_for(frames, self.transitions, self.start, self.final)
        if kernels is not None:
            scores = torch.empty(len(frames))
            turned = _padded(self.transitions.T.clamp(min=-1e30), -1e30)
            ends = (self.start.clamp(min=-1e30).contiguous(), self.final.clamp(min=-1e30).contiguous())
            sizes = (len(self.start), turned.shape[1])
            shape = (len(frames), frames.shape[1])
            call(kernels.chain_best, *sizes, turned, *ends, frames.contiguous(), lengths, *shape, path, scores)
            return path, scores
        found = best_paths(self.automaton(), frames, lengths)
        for n, one in enumerate(found):
            if one is not None:
                path[n, : lengths[n]] = torch.tensor(one.labels, dtype=torch.int64)
        scores = torch.tensor([-torch.inf if one is None else one.score for one in found], dtype=frames.dtype)
        return path.to(frames.device), scores.to(frames.device)

    def _fitting(self, frames: Tensor, lengths: Tensor | None) -> Tensor:
        """The lengths; raises `UsageError` where frames or lengths do not go with the chain."""
        if frames.dim() != 3 or frames.shape[2] != len(self.start):
            raise UsageError(f"frames are (examples, frames, {len(self.start)} labels), not {tuple(frames.shape)}")
        return fitting(lengths, frames, least=1)

    def automaton(self) -> Automaton:
        """The same as an automaton: a state for each label, and one to begin in, in front of all."""
        count = len(self.start)
        source, target = (part.reshape(-1) for part in np.divmod(np.arange(count * count), count))
        structure = Structure.of(
            count + 1,
            np.concatenate([np.zeros(count, np.int64), source + 1]),
            np.concatenate([np.arange(count), target]) + 1,
            np.concatenate([np.arange(count), target]),
        )
        begin = torch.cat([self.start.new_zeros(1), self.start.new_full((count,), -torch.inf)])
        end = torch.cat([self.final.new_full((1,), -torch.inf), self.final])
        return Automaton(structure, torch.cat([self.start, self.transitions.reshape(-1)]), begin, end)


class _Scaled(torch.autograd.Function):
    """By the kernel; what is lost to it, by the automaton."""

    @staticmethod
    def forward(ctx: Any, frames: Tensor, transitions: Tensor, start: Tensor, final: Tensor, lengths: Tensor) -> Tensor:
        examples, length, labels = frames.shape
        largest = transitions.max().clamp(min=-1e30)
        matrix = _padded((transitions - largest).exp(), 0.0)
        padded = matrix.shape[1]
        rows, emissions = torch.empty(examples, length, padded), torch.empty(examples, length, padded)
        scales, lost = torch.empty(examples, length), torch.empty(examples, dtype=torch.int32)
        totals = torch.empty(examples, dtype=torch.float64)
        ends = (start.contiguous(), final.contiguous())
        given = (labels, padded, matrix, largest.reshape(1), *ends, frames.contiguous(), lengths, examples, length)
        call(_chain().chain_forward, *given, rows, emissions, scales, totals, lost)
        ctx.save_for_backward(frames, transitions, start, final, lengths, matrix, rows, emissions, scales, lost)
        some = lost.nonzero()[:, 0]
        if len(some):
            automaton = Chain(transitions, start, final).automaton()
            totals[some] = path_sum(automaton, frames[some], lengths[some]).double()
        return totals.float()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        frames, transitions, start, final, lengths, matrix, rows, emissions, scales, lost = ctx.saved_tensors
        examples, length, labels = frames.shape
        turned, lost = _padded(matrix[:, :labels].T, 0.0), lost.clone()
        while True:  # twice at most: an example that turns out to be lost on the way is left out of the sums
            known = lost.clone()
            sums = (torch.zeros(PARTS, labels, matrix.shape[1]), *(torch.zeros(PARTS, labels) for _ in range(2)))
            of_frames = torch.zeros(frames.shape)
            given = (labels, matrix.shape[1], turned, final.contiguous(), lengths, examples, length)
            kept = (rows, emissions, scales, gradient.contiguous())
            call(_chain().chain_backward, *given, *kept, of_frames, *sums, lost)
            if torch.equal(known, lost):
                break
        found = [of_frames, sums[0].sum(0)[:, :labels] * matrix[:, :labels], sums[1].sum(0), sums[2].sum(0)]
        some = lost.nonzero()[:, 0]
        if len(some):
            leaves = [tensor.detach().requires_grad_() for tensor in (frames[some], transitions, start, final)]
            with torch.enable_grad():
                totals = path_sum(Chain(*leaves[1:]).automaton(), leaves[0], lengths[some])
                slopes = torch.autograd.grad(totals, leaves, gradient[some])
            found[0][some] = slopes[0]
            found[1:] = [one + slope for one, slope in zip(found[1:], slopes[1:], strict=True)]
        return *found, None


class _InTorch(torch.autograd.Function):
    """In PyTorch's operations, in logarithms: the definition, and what runs on other devices and in other types."""

    @staticmethod
    def forward(ctx: Any, frames: Tensor, transitions: Tensor, start: Tensor, final: Tensor, lengths: Tensor) -> Tensor:
        rows = [start + frames[:, 0]]
        for t in range(1, frames.shape[1]):
            rows.append(log_join(rows[-1][:, None, :] + transitions.T) + frames[:, t])
        stacked = torch.stack(rows, 1)
        examples = torch.arange(len(frames), device=frames.device)
        totals = log_join(stacked[examples, lengths.to(frames.device) - 1] + final)
        ctx.save_for_backward(frames, transitions, start, final, lengths.to(frames.device), stacked, totals)
        return totals

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        frames, transitions, _, final, lengths, rows, totals = ctx.saved_tensors
        of_frames, of_transitions = torch.zeros_like(frames), torch.zeros_like(transitions)
        of_final, current = torch.zeros_like(final), torch.zeros_like(rows[:, 0])
        for t in range(frames.shape[1] - 1, -1, -1):
            ends = (lengths - 1 == t)[:, None]
            ending = torch.where(ends, log_shares(rows[:, t] + final, totals[:, None]) * gradient[:, None], 0.0)
            of_final += ending.sum(0)
            current = current + ending
            of_frames[:, t] = current
            if t:
                ways = rows[:, t - 1, :, None] + transitions + frames[:, t, None, :]
                slope = current[:, None, :]
                shares = torch.where(slope != 0, log_shares(ways, rows[:, t, None, :]) * slope, 0.0)
                of_transitions += shares.sum(0)
                current = shares.sum(2)
        return of_frames, of_transitions, current.sum(0), of_final, None


def _chain() -> Any:
    return library("chain")


def _kernels_for(*tensors: Tensor) -> Any:
    fits = all(tensor.device.type == "cpu" and tensor.dtype == torch.float32 for tensor in tensors)
    return _chain() if fits else None


def _padded(matrix: Tensor, value: float) -> Tensor:
    """With columns up to a multiple of the lanes."""
    space = -matrix.shape[1] % LANES
    return torch.nn.functional.pad(matrix, (0, space), value=value).contiguous()
