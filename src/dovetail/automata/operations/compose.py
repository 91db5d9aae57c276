"""Composition: what one automaton writes is what another reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..automaton import Automaton
from ..structure import EPSILON, Structure
from .shape import trim

Link = tuple[
    int, int, int, int, int, int
]  # source, target, input, output, arc of the first, arc of the second; -1: none


def compose(first: Automaton, second: Automaton) -> Automaton:
    """All pairs of paths of which the second reads what the first writes; their scores add up.

    The composition of two automata that read and write the same is their intersection. Where the first writes nothing
    it goes on alone, where the second reads nothing that one does, in this order, so that each pair of paths is there
    once (the filter of Mohri, Pereira and Riley, 1996, Weighted automata in text and speech processing). States that no
    path passes are left out.

    >>> from dovetail.automata.alone import ranked
    >>> letters = Automaton.of(3, [(0, 1, 0, 5, 1.0), (0, 1, 1, 6, 2.0), (1, 2, 2, -1, 0.5)], final=2)
    >>> words = Automaton.of(2, [(0, 1, 5, 9, 10.0)], final=1)
    >>> ranked(compose(letters, words))[0][0]
    Path(arcs=[0, 1], labels=[0, 2], outputs=[9], score=11.5)
    """
    search = _Search.of(first, second)
    links = search.links()
    columns = np.array(links, np.int64).reshape(-1, 6).T
    structure = Structure.of(len(search.pairs), columns[0], columns[1], columns[2], columns[3])
    weight = _taken(first, columns[4]) + _taken(second, columns[5])
    pairs = torch.tensor(search.pairs, dtype=torch.int64).reshape(-1, 3)
    begins = torch.where(pairs[:, 2] == 0, first.start[pairs[:, 0]] + second.start[pairs[:, 1]], -torch.inf)
    ends = first.final[pairs[:, 0]] + second.final[pairs[:, 1]]
    return trim(Automaton(structure, weight, begins, ends))


def _taken(automaton: Automaton, arcs: np.ndarray) -> torch.Tensor:
    """The weights of arcs, 0 for none."""
    padded = torch.cat([automaton.weight, automaton.weight.new_zeros(1)])
    return padded[torch.from_numpy(np.where(arcs < 0, automaton.arcs, arcs))]


@dataclass
class _Search:
    """Pairs of states, with what the filter remembers: 1 once the second has gone on alone."""

    first: Structure
    second: Structure
    pairs: list[tuple[int, int, int]]

    @classmethod
    def of(cls, first: Automaton, second: Automaton) -> _Search:
        begins = [np.flatnonzero((one.start > -torch.inf).numpy()).tolist() for one in (first, second)]
        pairs = [(a, b, 0) for a in begins[0] for b in begins[1]]
        return cls(first.structure, second.structure, pairs)

    def links(self) -> list[Link]:
        """All arcs between pairs that can be reached; `pairs` grows to all of these."""
        out, by_label = self.first.packed(_outgoing), self.second.packed(_outgoing_by_label)
        number = {pair: place for place, pair in enumerate(self.pairs)}
        links: list[Link] = []

        def to(a: int, b: int, alone: int) -> int:
            pair = (a, b, alone)
            if pair not in number:
                number[pair] = len(self.pairs)
                self.pairs.append(pair)
            return number[pair]

        for here, (a, b, alone) in enumerate(self.pairs):  # which grows
            second = by_label[b]
            for arc, target, read, written in out[a]:
                if written == EPSILON:
                    if not alone:
                        links.append((here, to(target, b, 0), read, EPSILON, arc, -1))
                    continue
                for other, end, final in second.get(written, ()):
                    links.append((here, to(target, end, 0), read, final, arc, other))
            for other, end, final in second.get(EPSILON, ()):
                links.append((here, to(a, end, 1), EPSILON, final, -1, other))
        return links


def _outgoing(structure: Structure) -> list[list[tuple[int, int, int, int]]]:
    """For each state its arcs: (arc, target, input, output)."""
    out: list[list[tuple[int, int, int, int]]] = [[] for _ in range(structure.states)]
    columns = (structure.source, structure.target, structure.input, structure.output)
    for arc, (source, *rest) in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        target, read, written = rest
        out[source].append((arc, target, read, written))
    return out


def _outgoing_by_label(structure: Structure) -> list[dict[int, list[tuple[int, int, int]]]]:
    """For each state its arcs by what they read: (arc, target, output)."""
    out: list[dict[int, list[tuple[int, int, int]]]] = [{} for _ in range(structure.states)]
    for state, arcs in enumerate(structure.packed(_outgoing)):
        for arc, target, read, written in arcs:
            out[state].setdefault(read, []).append((arc, target, written))
    return out
