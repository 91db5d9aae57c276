"""Composition: what one automaton writes is what another reads."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np
import torch

from ...kernels import library
from ...kernels.at import address
from ..automaton import Automaton
from ..structure import EPSILON, Indices, Structure
from .place import on_cpu
from .shape import trim


@on_cpu
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
    first.require_one("compose")
    second.require_one("compose")
    sides = first.structure.packed(Outgoing.of), second.structure.packed(Outgoing.by_input)
    starts = [np.flatnonzero((one.start > -torch.inf).numpy()) for one in (first, second)]
    find = _by_kernel if library("compose") is not None else _in_python
    pairs, links = find(*sides, *starts)
    structure = Structure.of(len(pairs), links[:, 0], links[:, 1], links[:, 2], links[:, 3])
    weight = _taken(first, sides[0], links[:, 4]) + _taken(second, sides[1], links[:, 5])
    a, b, alone = torch.from_numpy(pairs.T)
    begins = torch.where(alone == 0, first.start[a] + second.start[b], -torch.inf)
    return trim(Automaton(structure, weight, begins, first.final[a] + second.final[b]))


@dataclass(frozen=True, eq=False)
class Outgoing:
    """Arcs by the state that they leave."""

    arcs: Indices  # which of the structure's
    begins: Indices  # (states + 1,)
    target: Indices
    read: Indices
    written: Indices

    @classmethod
    def of(cls, structure: Structure) -> Outgoing:
        return cls._sorted(structure, np.argsort(structure.source, kind="stable"))

    @classmethod
    def by_input(cls, structure: Structure) -> Outgoing:
        """Of each state's arcs those that read the lowest label first."""
        return cls._sorted(structure, np.lexsort((structure.input, structure.source)))

    @classmethod
    def _sorted(cls, structure: Structure, order: Indices) -> Outgoing:
        begins = np.concatenate([[0], np.cumsum(np.bincount(structure.source, minlength=structure.states))])
        columns = (structure.target, structure.input, structure.output)
        target, read, written = (np.ascontiguousarray(column[order]) for column in columns)
        return cls(order, begins.astype(np.int64), target, read, written)


def _taken(automaton: Automaton, side: Outgoing, places: Indices) -> torch.Tensor:
    """The weights of arcs, 0 for none."""
    padded = torch.cat([automaton.weight, automaton.weight.new_zeros(1)])
    arcs = np.append(side.arcs, automaton.arcs)[places]  # -1, none, is the last
    return padded[torch.from_numpy(arcs)]


def _by_kernel(first: Outgoing, second: Outgoing, starts: Indices, others: Indices) -> tuple[Indices, Indices]:
    kernels = library("compose")
    assert kernels is not None
    kernels.compose_begin.restype = ctypes.c_void_p
    counts = np.zeros(2, np.int64)
    sides = [(side.begins, side.target, side.read, side.written) for side in (first, second)]
    sizes = [ctypes.c_int64(len(numbers)) for numbers in (second.begins, starts, others)]
    ends = (address(starts), sizes[1], address(others), sizes[2], address(counts))
    handle = kernels.compose_begin(*map(address, sides[0]), sizes[0], *map(address, sides[1]), *ends)
    pairs, links = np.empty((counts[0], 3), np.int64), np.empty((counts[1], 6), np.int64)
    kernels.compose_take(ctypes.c_void_p(handle), address(pairs), address(links))
    return pairs, links


def _in_python(first: Outgoing, second: Outgoing, starts: Indices, others: Indices) -> tuple[Indices, Indices]:
    """What the kernel does: pairs (first state, second state, whether the second went on alone), and links between."""
    pairs = [(a, b, 0) for a in starts.tolist() for b in others.tolist()]
    number = {pair: place for place, pair in enumerate(pairs)}
    links: list[tuple[int, ...]] = []

    def to(a: int, b: int, alone: int) -> int:
        if (a, b, alone) not in number:
            number[a, b, alone] = len(pairs)
            pairs.append((a, b, alone))
        return number[a, b, alone]

    reads = second.read.tolist()
    for here, (a, b, alone) in enumerate(pairs):  # which grows
        by_label: dict[int, list[int]] = {}
        for other in range(second.begins[b], second.begins[b + 1]):
            by_label.setdefault(reads[other], []).append(other)
        for arc in range(first.begins[a], first.begins[a + 1]):
            target, read, written = int(first.target[arc]), int(first.read[arc]), int(first.written[arc])
            if written == EPSILON:
                if not alone:
                    links.append((here, to(target, b, 0), read, EPSILON, arc, -1))
                continue
            for other in by_label.get(written, ()):
                there = to(target, int(second.target[other]), 0)
                links.append((here, there, read, int(second.written[other]), arc, other))
        for other in by_label.get(EPSILON, ()):
            there = to(a, int(second.target[other]), 1)
            links.append((here, there, EPSILON, int(second.written[other]), -1, other))
    return np.array(pairs, np.int64).reshape(-1, 3), np.array(links, np.int64).reshape(-1, 6)
