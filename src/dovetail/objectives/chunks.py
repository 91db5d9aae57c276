"""Chunks: stretches of a sequence that tags like B-NP I-NP mark, and how many of them were found."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..recipe.sequences import Sequences

OUTSIDE = ("O",)
_ENDS, _BEGINS = "ESLU", "BSU"  # kinds of tag that are the last, or the first, of a chunk, whatever is beside them


def split_tag(tag: str) -> tuple[str, str]:
    """Kind and type of a tag: B and NP of `B-NP`."""
    kind, _, of = tag.partition("-")
    return kind, of


def mark_chunks(names: Sequence[str]) -> bool:
    """Whether tags mark chunks: each is O, or one of B, I, E, S, L, U with a type behind a dash.

    >>> mark_chunks(["O", "B-NP", "I-NP"]), mark_chunks(["NN", "VB"])
    (True, False)
    """
    kinds = [split_tag(name) for name in names if name not in OUTSIDE]
    return bool(kinds) and all(kind in tuple("BIESLU") and of for kind, of in kinds)


class Chunks:
    """Counts chunks as the CoNLL script `conlleval` does, whatever scheme the tags follow (IOB1, IOB2, IOE, BIOES).

    A chunk begins at B, S or U, at a tag of another type than the one before, and at I or E behind O or the end of a
    chunk; it ends where the next begins or at O. It is right where begin, end and type are. Tjong Kim Sang and Buchholz
    (2000), Introduction to the CoNLL-2000 shared task: chunking.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.types = sorted({of for _, of in map(split_tag, names) if of})
        numbers = {of: number for number, of in enumerate(self.types)}
        tags = [split_tag(name) for name in names]
        self.type_of = torch.tensor([numbers.get(of, -1) for _, of in tags] + [-1])
        outside = [("O", "")]  # before the first and behind the last place
        self.begins = torch.tensor([[_begins(a, b) for b in tags + outside] for a in tags + outside])
        self.ends = torch.tensor([[_ends(a, b) for b in tags + outside] for a in tags + outside])

    def count(self, found: Sequences, truth: Sequences) -> Tensor:
        """(types, 3) float64: how many chunks of each type are right, were found, and are there."""
        lengths = truth.lengths.cpu()
        spans = [self._spans(tags.cpu(), lengths) for tags in (found.values, truth.values)]
        (starts, ends, types), (true_starts, true_ends, true_types) = spans
        both = starts & true_starts & (ends == true_ends) & (types == true_types)
        size = len(self.types)
        each = [torch.bincount(of[where], minlength=size) for where, of in
                ((both, types), (starts, types), (true_starts, true_types))]  # fmt: skip
        return torch.stack(each, 1).double()

    def _spans(self, tags: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of every place: whether a chunk begins there, where that ends, and its type."""
        edge = len(self.type_of) - 1
        firsts = lengths.cumsum(0) - lengths
        before, after = torch.full_like(tags, edge), torch.full_like(tags, edge)
        before[1:], after[:-1] = tags[:-1], tags[1:]
        before[firsts[lengths > 0]] = edge
        after[(firsts + lengths - 1)[lengths > 0]] = edge
        starts, stops = self.begins[before, tags], self.ends[tags, after]
        places = torch.arange(len(tags))
        where = torch.where(stops, places, len(tags))
        ends = where.flip(0).cummin(0).values.flip(0)
        return starts, ends, self.type_of[tags]


def _begins(before: tuple[str, str], tag: tuple[str, str]) -> bool:
    """Whether a chunk begins at a tag behind another."""
    if tag[0] == "O":
        return False
    return tag[0] in _BEGINS or before[0] == "O" or before[0] in _ENDS or before[1] != tag[1]


def _ends(tag: tuple[str, str], after: tuple[str, str]) -> bool:
    """Whether a chunk ends at a tag before another."""
    return tag[0] != "O" and (tag[0] in _ENDS or after[0] == "O" or after[0] in _BEGINS or after[1] != tag[1])


def f1(right: float, found: float, there: float) -> float:
    """The harmonic mean of precision and recall, 0 where nothing is right."""
    return 2 * right / (found + there) if found + there else 0.0


def follows(before: str, tag: str) -> bool:
    """Whether a tag may stand behind another: I, E and L only within a chunk of their type.

    >>> follows("O", "I-NP"), follows("B-NP", "I-NP"), follows("B-VP", "I-NP"), follows("I-NP", "B-VP")
    (False, True, False, True)
    """
    kind, of = split_tag(tag)
    first, own = split_tag(before)
    within = first in ("B", "I") and own == of
    return within if kind in ("I", "E", "L") else True
