"""The recursion over frames in PyTorch's operations: one row of state scores after another.

An automaton is shared by all examples, which then have rows (N, states), or several lie side by side, one an example,
whose rows are (states,) all together. Both are handled alike: by the last axis.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ..recipe.errors import UsageError
from .automaton import Automaton
from .semiring import Semiring
from .structure import EPSILON, Structure


@dataclass(frozen=True, eq=False)
class Reading:
    """An automaton about to read frames (N, T, columns) of which example n has lengths[n].

    Raises `UsageError` where the two do not go together.
    """

    automaton: Automaton
    frames: Tensor
    lengths: Tensor

    @classmethod
    def of(cls, automaton: Automaton, frames: Tensor, lengths: Tensor | None) -> Reading:
        structure, weight = automaton.structure, automaton.weight
        if not isinstance(frames, Tensor):
            raise UsageError(f"frames are a tensor (examples, frames, columns), not a {type(frames).__name__}")
        if frames.dim() != 3:
            raise UsageError(f"frames have the shape (examples, frames, columns), not {tuple(frames.shape)}")
        examples, length, columns = frames.shape
        if structure.labels > columns:
            raise UsageError(f"the automaton reads label {structure.labels - 1}, and frames have {columns} columns")
        if structure.count not in (1, examples):
            raise UsageError(f"{structure.count} automata cannot read {examples} examples")
        expected = [(structure.arcs,), (examples, structure.arcs), (examples, length, structure.arcs)]
        if tuple(weight.shape) not in expected[: 3 if structure.count == 1 else 1]:
            raise UsageError(f"weights of shape {tuple(weight.shape)} do not go with {examples} examples of {length}")
        return cls(automaton, frames, fitting(lengths, frames))

    @property
    def structure(self) -> Structure:
        return self.automaton.structure

    @property
    def shared(self) -> bool:
        """Whether one automaton reads all examples, each a row of its own."""
        return self.structure.count == 1

    @property
    def longest(self) -> int:
        return int(self.lengths.max()) if len(self.lengths) else 0

    @cached_property
    def arcs(self) -> Arcs:
        made: dict[torch.device, Arcs] = self.structure.packed(_by_device)
        device = self.frames.device
        if device not in made:
            made[device] = Arcs.of(self.structure, device)
        return made[device]

    def emissions(self, t: int) -> Tensor:
        """(..., arcs with input): the frame's score of what each reads."""
        if self.shared:
            return self.frames[:, t].index_select(-1, self.arcs.label)
        return self.frames[self.arcs.owner, t, self.arcs.label]

    def weights(self, which: Tensor, t: int) -> Tensor:
        """(..., arcs): the scores of some of the arcs, at frame t."""
        weight = self.automaton.weight
        return (weight[:, min(t, weight.shape[1] - 1)] if weight.dim() == 3 else weight).index_select(-1, which)

    def first_row(self) -> Tensor:
        start = self.automaton.start
        return start.expand(len(self.frames), -1) if self.shared else start

    def by_example(self, values: Tensor) -> Tensor:
        """(N,) to a number for each state's example, in the shape of a row."""
        return values[:, None] if self.shared else values[self.arcs.owners]


def fitting(lengths: Tensor | None, frames: Tensor, least: int = 0) -> Tensor:
    """The lengths of examples, all unless given, on the CPU. Raises `UsageError` where they do not go with frames."""
    examples, length = frames.shape[:2]
    if lengths is None:
        return torch.full((examples,), length, dtype=torch.int64)
    lengths = torch.as_tensor(lengths)
    whole = not lengths.is_floating_point() and lengths.shape == (examples,)
    if not whole or (examples and not least <= int(lengths.min()) <= int(lengths.max()) <= length):
        raise UsageError(f"lengths are {examples} whole numbers from {least} to {length}, not {lengths.tolist()}")
    return lengths.to("cpu", torch.int64).contiguous()


def not_a_number_where(sums: Tensor, frames: Tensor, lengths: Tensor, *weights: Tensor) -> Tensor:
    """The sums (N,), NaN without a gradient where an example's own frames, or any of the weights, hold one.

    Maxima pass over what is not a number; without this a sum would look like one.
    """
    if not any(bool(tensor.detach().sum().isnan()) for tensor in (frames, *weights)):  # a pass of a third of the time
        return sums
    inside = torch.arange(frames.shape[1], device=frames.device) < lengths.to(frames.device)[:, None]
    wrong = (frames.detach().isnan().any(-1) & inside).any(1)
    for weight in weights:
        wrong = wrong | weight.detach().isnan().any()
    return torch.where(wrong, torch.nan, sums)


@dataclass(frozen=True, eq=False)
class Arcs:
    """A structure's arcs as tensors: those that read, and those that do not, by topological level."""

    reading: Tensor
    source: Tensor
    target: Tensor
    label: Tensor
    owner: Tensor  # which example reads by it, where automata lie side by side
    owners: Tensor  # the same of each state
    free: list[tuple[Tensor, Tensor, Tensor]]  # arcs, sources, targets

    @classmethod
    def of(cls, structure: Structure, device: torch.device) -> Arcs:
        def tensor(values: object) -> Tensor:
            return torch.as_tensor(values, device=device)

        reads = structure.input != EPSILON
        reading = reads.nonzero()[0]
        free = (~reads).nonzero()[0]
        source, target = structure.source, structure.target
        levels = structure.levels
        groups = [free[levels[source[free]] == level] for level in sorted(set(levels[source[free]].tolist()))]
        return cls(
            tensor(reading),
            tensor(source[reading]),
            tensor(target[reading]),
            tensor(structure.input[reading]),
            tensor(structure.owners[source[reading]]),
            tensor(structure.owners),
            [(tensor(group), tensor(source[group]), tensor(target[group])) for group in groups],
        )


def forward_rows(reading: Reading, semiring: Semiring) -> Tensor:
    """(T + 1, ..., states): the scores of all ways to each state as one, before the first frame and after each."""
    arcs, states = reading.arcs, reading.structure.states
    rows = [_freely(reading, reading.first_row(), 0, semiring)]
    for t in range(reading.longest):
        scores = rows[-1].index_select(-1, arcs.source) + reading.weights(arcs.reading, t) + reading.emissions(t)
        rows.append(_freely(reading, semiring.grouped(scores, arcs.target, states), t + 1, semiring))
    return torch.stack(rows)


def _freely(reading: Reading, row: Tensor, t: int, semiring: Semiring) -> Tensor:
    """The row after arcs without input."""
    for which, source, target in reading.arcs.free:
        scores = row.index_select(-1, source) + reading.weights(which, t)
        row = semiring.pair(row, semiring.grouped(scores, target, row.shape[-1]))
    return row


def _by_device(structure: Structure) -> dict[torch.device, Arcs]:
    return {}
