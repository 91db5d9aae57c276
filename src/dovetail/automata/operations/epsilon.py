"""Epsilon removal: the same paths without arcs that neither read nor write."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ..automaton import Automaton
from ..semiring import log_add, log_join, log_sum
from ..structure import EPSILON, Indices, Structure, levels
from .place import on_cpu
from .shape import trim


@on_cpu
def remove_epsilon(automaton: Automaton) -> Automaton:
    """The same sum for everything that is read and written, without arcs that do neither.

    An arc follows each state directly from which such arcs lead to its source, with the log of the sum over all ways
    there added. Needs a number for each pair of states. Raises `UsageError` where such arcs form a cycle.

    >>> a = remove_epsilon(Automaton.of(3, [(0, 1, -1, 1.0), (1, 2, 0, 2.0)], final=2))
    >>> a, a.weight
    (Automaton(2 states, 1 arcs), tensor([3.]))
    """
    old = automaton.structure
    empty = (old.input == EPSILON) & (old.output == EPSILON)
    distance = _distances(automaton, np.flatnonzero(empty))
    left = np.flatnonzero(~empty)
    reached = (distance > -torch.inf).numpy()  # [from, to]
    begins, which = np.nonzero(reached[:, old.source[left]])
    arcs = left[which]
    steps = distance[torch.from_numpy(begins), torch.from_numpy(old.source[arcs])]
    structure = Structure(old.states, begins, old.target[arcs], old.input[arcs], old.output[arcs], old.firsts)
    final = log_join(distance + automaton.final)
    weight = automaton.weight[torch.from_numpy(arcs)] + steps
    return trim(replace(automaton, structure=structure, weight=weight, final=final))


def _distances(automaton: Automaton, arcs: Indices) -> Tensor:
    """(states, states): log of the sum over all ways along these arcs, 0 from each state to itself."""
    structure = automaton.structure
    source, target = structure.source[arcs], structure.target[arcs]
    level = levels(structure.states, source, target, "arcs that neither read nor write")
    size = structure.states
    distance = torch.full((size, size), -torch.inf, dtype=automaton.weight.dtype)
    distance = distance.fill_diagonal_(0.0)
    for step in sorted(set(level[source].tolist())):
        some = arcs[level[source] == step]
        begins, ends = (torch.from_numpy(part[some]) for part in (structure.source, structure.target))
        ways = distance[:, begins] + automaton.weight[torch.from_numpy(some)]
        distance = log_add(distance, log_sum(ways, ends, size))
    return distance
