"""Lattices of pieces composed with languages: all ways to cut a line and to name its pieces so that they spell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .alone import ranked, total
from .automaton import Automaton
from .structure import EPSILON, Structure


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
        flat = scores.reshape(-1).index_select(0, self.piece * scores.shape[1] + self.label)
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


def spellings(cuts: Tensor, pieces: Tensor, ends: Tensor, languages: Automaton | Sequence[Automaton]) -> Spelling:
    """All ways to name the pieces of lines that a language reads, one language for all lines or one for each.

    Shapes: cuts (pieces, 2) from which cut of its line to which each piece goes, pieces (N,) of each line, ends (N,)
    the last cut of each. Languages read a label with every arc. LeCun et al. (1998), Gradient-based learning applied
    to document recognition, section VI: the interpretation graph.

    >>> from dovetail.automata.builders import string
    >>> cuts = torch.tensor([[0, 1], [1, 2], [0, 2]])
    >>> two = spellings(cuts, torch.tensor([3]), torch.tensor([2]), [string([1, 0])])
    >>> two.best(torch.zeros(3, 2))
    [[(0, 1), (1, 0)]]
    """
    given = [languages] if isinstance(languages, Automaton) else list(languages)
    each = np.zeros(len(ends), np.int64) if isinstance(languages, Automaton) else np.arange(len(ends))
    arcs, states = (np.array([getattr(one, name) for one in given]) for name in ("arcs", "states"))
    owner = np.repeat(np.arange(len(ends)), pieces.numpy())  # the line of each piece
    own = arcs[each[owner]]
    piece = np.repeat(np.arange(len(owner)), own)
    first = np.concatenate([[0], np.cumsum(arcs)])[each[owner]]  # of its line's language
    arc = np.arange(own.sum()) - np.repeat(np.cumsum(own) - own, own) + np.repeat(first, own)
    sizes = (ends.numpy() + 1) * states[each]
    begins = np.concatenate([[0], np.cumsum(sizes)])
    line = owner[piece]
    names = ("source", "target", "input")
    columns = [np.concatenate([getattr(one.structure, name) for one in given]) for name in names]
    assert EPSILON not in columns[2], "languages read a label with every arc"
    width, from_, to = states[each[line]], cuts[:, 0].numpy()[piece], cuts[:, 1].numpy()[piece]
    source = begins[line] + from_ * width + columns[0][arc]
    target = begins[line] + to * width + columns[1][arc]
    free = np.full(len(arc), EPSILON)
    structure = Structure(int(begins[-1]), source, target, free, free, begins)
    weights = torch.cat([one.weight for one in given])
    start, final = torch.full((int(begins[-1]),), -torch.inf), torch.full((int(begins[-1]),), -torch.inf)
    for n, which in enumerate(each.tolist()):
        language = given[which]
        start[begins[n] : begins[n] + language.states] = language.start
        final[begins[n + 1] - language.states : begins[n + 1]] = language.final
    labels = torch.from_numpy(columns[2][arc])
    return Spelling(structure, torch.from_numpy(piece), labels, weights[torch.from_numpy(arc)], start, final)


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
