"""Lattices of pieces composed with languages: all ways to cut a line and to name its pieces so that they spell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .alone import ranked, total
from .automaton import Automaton
from .structure import EPSILON, Structure, runs


@dataclass(frozen=True, eq=False)
class Spelling:
    """Automata side by side, one a line, whose every arc is a piece under a name.

    State (cut, q) of a line is number cut * (states of the language) + q: so far was cut, and the language is in q.
    """

    structure: Structure
    piece: Tensor  # (arcs,): the piece that an arc passes, counted over all lines
    label: Tensor  # (arcs,): its name
    weight: Tensor  # (arcs,): what the language adds
    start: Tensor
    final: Tensor

    def scored(self, scores: Tensor) -> Automaton:
        """With the scores (pieces, labels) of a recognizer."""
        places = (self.piece * scores.shape[1] + self.label).to(scores.device)
        flat = scores.reshape(-1).index_select(0, places)
        return Automaton(self.structure, flat + self.weight.to(scores), self.start.to(scores), self.final.to(scores))

    def total(self, scores: Tensor) -> Tensor:
        """(N,): log of the sum over all cuttings and namings of e^score."""
        return total(self.scored(scores))

    def best(self, scores: Tensor) -> list[list[tuple[int, int]]]:
        """The best pieces of each line in order, each with its name; none where nothing can be spelled."""
        found = ranked(self.scored(scores))
        return [[(int(self.piece[a]), int(self.label[a])) for a in paths[0].arcs] if paths else [] for paths in found]

    def ranked(self, scores: Tensor, count: int) -> list[list[list[int]]]:
        """The strings of the so many best paths of each line, the best first."""
        found = ranked(self.scored(scores), count)
        return [[[int(self.label[arc]) for arc in path.arcs] for path in paths] for paths in found]


def spellings(cuts: Tensor, pieces: Tensor, ends: Tensor, language: Automaton) -> Spelling:
    """All ways to name the pieces of lines that a language reads, one language for all lines or N side by side.

    Shapes: cuts (pieces, 2) from which cut of its line to which each piece goes, pieces (N,) of each line, ends (N,)
    the last cut of each. Languages read a label with every arc. LeCun et al. (1998), Gradient-based learning applied
    to document recognition, section VI: the interpretation graph.

    >>> from dovetail.automata.builders import string
    >>> cuts = torch.tensor([[0, 1], [1, 2], [0, 2]])
    >>> two = spellings(cuts, torch.tensor([3]), torch.tensor([2]), string([1, 0]))
    >>> two.best(torch.zeros(3, 2))
    [[(0, 1), (1, 0)]]
    """
    read = language.structure
    assert EPSILON not in read.input, "languages read a label with every arc"
    lines = len(ends)
    assert read.count in (1, lines), "one language, or one for each line"
    which = np.arange(lines) if read.count == lines else np.zeros(lines, np.int64)  # the language of each line
    reader = read.owners[read.source]  # the language of each arc
    sizes, arcs = np.diff(read.firsts)[which], np.bincount(reader, minlength=read.count)
    begins = np.concatenate([[0], np.cumsum((ends.numpy() + 1) * sizes)])
    owner = np.repeat(np.arange(lines), pieces.numpy())  # the line of each piece
    own = arcs[which[owner]]
    piece = np.repeat(np.arange(len(owner)), own)
    arc = np.argsort(reader, kind="stable")[runs((np.cumsum(arcs) - arcs)[which[owner]], own)]
    line = owner[piece]
    width, base = sizes[line], begins[line] - read.firsts[which[line]]
    source = base + cuts[:, 0].numpy()[piece] * width + read.source[arc]
    target = base + cuts[:, 1].numpy()[piece] * width + read.target[arc]
    free = np.full(len(arc), EPSILON)
    structure = Structure(int(begins[-1]), source, target, free, free, begins)
    start, final = language.start.new_full((2, structure.states), -torch.inf)
    states = runs(read.firsts[which], sizes)
    start[runs(begins[:-1], sizes)] = language.start[states]  # at the first cut
    final[runs(begins[1:] - sizes, sizes)] = language.final[states]  # at the last
    weight, labels = language.weight[torch.from_numpy(arc)], torch.from_numpy(read.input[arc])
    return Spelling(structure, torch.from_numpy(piece), labels, weight, start, final)


def anything(labels: int) -> Automaton:
    """Reads any string.

    >>> anything(3)
    Automaton(1 states, 3 arcs)
    """
    return Automaton.of(1, [(0, 0, label) for label in range(labels)], final=0)


def anything_by_pairs(labels: int) -> Automaton:
    """Reads any string, with an arc of its own for each label at the beginning and behind each other.

    >>> anything_by_pairs(3)
    Automaton(4 states, 12 arcs)
    """
    arcs = [(state, 1 + label, label) for state in range(1 + labels) for label in range(labels)]
    return Automaton.of(1 + labels, arcs, final=range(1 + labels))
