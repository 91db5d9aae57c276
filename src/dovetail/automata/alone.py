"""Automata by themselves, without frames: the sum over all paths, whatever they read, where there is an end to them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from torch import Tensor

from .automaton import Automaton
from .bestpath import best_paths, best_score, n_best
from .paths import Path
from .pathsum import path_sum
from .structure import EPSILON, Structure


def total(automaton: Automaton) -> Tensor:
    """(N,): log of the sum over all paths of each automaton of e^score, with gradients to all weights.

    The arcs must not form a cycle: a lattice. Raises `UsageError`, which names the cycle, where they do.

    >>> total(Automaton.of(3, [(0, 1, 0, 1.0), (0, 1, 1, 1.0), (1, 2, 0, -1.0)], final=2))
    tensor([0.6931])
    """
    lattice, frames = _unread(automaton)
    return path_sum(lattice, frames)


def best_total(automaton: Automaton) -> Tensor:
    """(N,): the score of the best path of each automaton; conditions and errors as in `total`.

    >>> best_total(Automaton.of(3, [(0, 1, 0, 1.0), (0, 1, 1, 2.0), (1, 2, 0, -1.0)], final=2))
    tensor([1.])
    """
    lattice, frames = _unread(automaton)
    return best_score(lattice, frames)


def ranked(automaton: Automaton, k: int = 1) -> list[list[Path]]:
    """The k best paths of each automaton, the best first; conditions and errors as in `total`.

    >>> lattice = Automaton.of(3, [(0, 1, 0, 1.0), (0, 1, 1, 2.0), (1, 2, 0, -1.0)], final=2)
    >>> [(path.labels, path.score) for path in ranked(lattice, 2)[0]]
    [([1, 0], 1.0), ([0, 0], 0.0)]
    """
    lattice, frames = _unread(automaton)
    found = n_best(lattice, frames, k) if k > 1 else [[one] if one else [] for one in best_paths(lattice, frames)]
    labels = automaton.structure.input
    return [
        [replace(path, labels=[int(one) for one in labels[path.arcs] if one != EPSILON]) for path in paths]
        for paths in found
    ]


def _unread(automaton: Automaton) -> tuple[Automaton, Tensor]:
    """The automaton with arcs that read nothing, and frames of which there are none."""
    structure = automaton.structure.packed(_blank)
    return replace(automaton, structure=structure), automaton.start.new_zeros(structure.count, 0, 0)


def _blank(structure: Structure) -> Structure:
    return replace(structure, input=np.full_like(structure.input, EPSILON))
