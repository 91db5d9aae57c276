"""Examples of various lengths in memory: places of all of them one after another."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ..recipe.sequences import Sequences, runs
from .source import PARTS, Examples


class Ragged:
    """Rows of many sequences in one tensor (rows, ...), and how many each has; some are gathered at once.

    >>> Ragged(torch.arange(4.0), torch.tensor([3, 1])).take(torch.tensor([1, 0])).values
    tensor([3., 0., 1., 2.])
    """

    def __init__(self, rows: Tensor, lengths: Tensor) -> None:
        assert len(rows) == int(lengths.sum())
        self.rows, self.lengths = rows, lengths
        self.starts = lengths.cumsum(0) - lengths

    def take(self, indices: Tensor) -> Sequences:
        """Some of the sequences, in the order asked for."""
        lengths = self.lengths.index_select(0, indices)
        rows = runs(self.starts.index_select(0, indices), lengths)
        return Sequences(self.rows.index_select(0, rows), lengths)


class Sequential(Examples):
    """Sequences held in memory, and of each a target: one at every place, or a sequence of a length of its own."""

    def __init__(self, inputs: Ragged, targets: Ragged) -> None:
        assert len(inputs.lengths) == len(targets.lengths)
        self.inputs, self.targets, self.lengths = inputs, targets, inputs.lengths

    def __len__(self) -> int:
        return len(self.inputs.lengths)

    def fetch(self, indices: Tensor) -> tuple[Sequences, Sequences, None]:
        return self.inputs.take(indices), self.targets.take(indices), None

    def select(self, indices: Tensor) -> Sequential:
        """These sequences alone."""
        inputs, targets, _ = self.fetch(indices)
        return Sequential(Ragged(inputs.values, inputs.lengths), Ragged(targets.values, targets.lengths))


def all_parts(found: Mapping[str, Sequential]) -> dict[str, Examples]:
    """The three parts; those that were not found are empty."""
    nothing = found["train"].select(torch.empty(0, dtype=torch.int64))
    return {part: found.get(part, nothing) for part in PARTS}
