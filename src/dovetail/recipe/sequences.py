"""Examples of various lengths, without any padding: the places of all of them one after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import torch
from torch import Tensor

from .facts import Field


@dataclass(frozen=True, eq=False)
class Sequences:
    """Values at the places of several sequences, one sequence after the other, and how many places each has.

    A layer that does not look along time takes `values` as if each place were an example; one that does lays them out
    side by side. Of whole numbers, `fields` tell what the columns are.

    Shapes: values (sum of the lengths, ...), lengths (N,) int64.

    >>> two = Sequences(torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([3, 1]))
    >>> two.padded()
    tensor([[1., 2., 3.],
            [4., 0., 0.]])
    """

    values: Tensor
    lengths: Tensor
    fields: tuple[Field, ...] = ()

    @staticmethod
    def of(padded: Tensor, lengths: Tensor) -> Sequences:
        """From values side by side (N, T, ...), of which the first of each row are its own."""
        places = torch.arange(padded.shape[1], device=padded.device)
        return Sequences(padded[places < lengths[:, None]], lengths)

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def device(self) -> torch.device:
        return self.values.device

    @property
    def longest(self) -> int:
        """The places of the longest, at least 1."""
        return max(int(self.lengths.max()), 1) if len(self.lengths) else 1

    def to(self, device: torch.device, dtype: torch.dtype | None = None, non_blocking: bool = False) -> Sequences:
        """The same elsewhere; the values as another type where one is given."""
        values = self.values.to(device, dtype or self.values.dtype, non_blocking=non_blocking)
        return replace(self, values=values, lengths=self.lengths.to(device, non_blocking=non_blocking))

    def having(self, values: Tensor) -> Self:
        """Other values at the same places."""
        return replace(self, values=values, fields=())

    def padded(self, value: float = 0.0) -> Tensor:
        """Side by side (N, T, ...), with `value` beyond the ends."""
        rows = self.values.new_full((len(self), self.longest, *self.values.shape[1:]), value)
        places = torch.arange(rows.shape[1], device=self.device)
        rows[places < self.lengths[:, None]] = self.values
        return rows

    def owners(self) -> Tensor:
        """(places,): which sequence each place belongs to."""
        return torch.repeat_interleave(torch.arange(len(self), device=self.device), self.lengths)

    def sums(self) -> Tensor:
        """(N, ...): the sum over each sequence's places."""
        zeros = self.values.new_zeros((len(self), *self.values.shape[1:]))
        return zeros.index_add(0, self.owners(), self.values)

    def rows(self, rows: slice) -> Sequences:
        """Some of the sequences."""
        ends = self.lengths.cumsum(0)
        lengths = self.lengths[rows]
        end = int(ends[rows][-1]) if len(lengths) else 0
        return replace(self, values=self.values[end - int(lengths.sum()) : end], lengths=lengths)


@dataclass(frozen=True, eq=False)
class Lattice(Sequences):
    """Ways to cut lines into pieces: each place is a piece, from one cut of its line to a later one.

    Shapes: cuts (pieces, 2) the numbers of the two cuts; columns (pieces, 2) where they are; ends (N,) the last cut.
    """

    cuts: Tensor = field(kw_only=True)
    columns: Tensor = field(kw_only=True)
    ends: Tensor = field(kw_only=True)

    def rows(self, rows: slice) -> Lattice:
        last = self.lengths.cumsum(0)
        before = int(last[rows.start - 1]) if rows.start else 0
        own = slice(before, before + int(self.lengths[rows].sum()))
        cuts, columns = self.cuts[own], self.columns[own]
        return Lattice(self.values[own], self.lengths[rows], cuts=cuts, columns=columns, ends=self.ends[rows])


def runs(starts: Tensor, lengths: Tensor) -> Tensor:
    """From each start on so many whole numbers, one run behind another.

    >>> runs(torch.tensor([5, 0]), torch.tensor([2, 3]))
    tensor([5, 6, 0, 1, 2])
    """
    shifts = starts - (lengths.cumsum(0) - lengths)
    return torch.arange(int(lengths.sum()), device=lengths.device) + torch.repeat_interleave(shifts, lengths)


def rounded(size: int) -> int:
    """Up to a size of which there are few, by a sixteenth at most; for what prepares itself for every new one.

    >>> rounded(13), rounded(1001)
    (13, 1024)
    """
    unit = 1 << max(size.bit_length() - 5, 0)
    return -(-size // unit) * unit


def values_of(x: Any) -> Any:
    """The tensor itself, or the values at all places of sequences."""
    return x.values if isinstance(x, Sequences) else x


def blank(x: Any) -> Any:
    """Zeros instead of every value."""
    return torch.zeros_like(x) if isinstance(x, Tensor) else x.having(torch.zeros_like(x.values))


def cut(batch: Any, rows: slice) -> Any:
    """Some examples of a batch."""
    return batch.rows(rows) if isinstance(batch, Sequences) else batch[rows]


def joined(batches: Sequence[Any]) -> Any:
    """Several batches as one."""
    if isinstance(batches[0], Tensor):
        return torch.cat(list(batches))
    values, lengths = torch.cat([each.values for each in batches]), torch.cat([each.lengths for each in batches])
    return replace(batches[0], values=values, lengths=lengths)


def pieces(batch: Any, sizes: Sequence[int]) -> list[Any]:
    """A batch in pieces of so many examples, one after the other."""
    if isinstance(batch, Tensor):
        return list(torch.split(batch, list(sizes)))
    found, start = [], 0
    for size in sizes:
        found.append(cut(batch, slice(start, start + size)))
        start += size
    return found
