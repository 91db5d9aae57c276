"""Operations that keep arcs as they are, or leave some out: labels exchanged, direction turned, dead ends trimmed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import numpy as np
import torch

from ...recipe.errors import UsageError
from ..automaton import Automaton
from ..structure import Indices, Structure
from .place import on_cpu


def invert(automaton: Automaton) -> Automaton:
    """Read what was written, and write what was read.

    >>> invert(Automaton.of(2, [(0, 1, 3, 5, 0.0)], final=1)).structure.input.tolist()
    [5]
    """
    old = automaton.structure
    return replace(automaton, structure=replace(old, input=old.output, output=old.input))


def project(automaton: Automaton, side: Literal["input", "output"] = "input") -> Automaton:
    """Read and write the same, what was read (or written) before. Raises `UsageError` for another side.

    >>> project(Automaton.of(2, [(0, 1, 3, 5, 0.0)], final=1), "output").structure.input.tolist()
    [5]
    """
    if side not in ("input", "output"):
        raise UsageError(f"project: side is 'input' or 'output', not '{side}'")
    labels = getattr(automaton.structure, side)
    return replace(automaton, structure=replace(automaton.structure, input=labels, output=labels))


def relabel(
    automaton: Automaton, inputs: Mapping[int, int] | None = None, outputs: Mapping[int, int] | None = None
) -> Automaton:
    """Other labels for some.

    >>> relabel(Automaton.of(2, [(0, 1, 3), (1, 1, 4)], final=1), inputs={3: 0}).structure.input.tolist()
    [0, 4]
    """

    def other(labels: Indices, by: Mapping[int, int] | None) -> Indices:
        return np.array([by.get(one, one) for one in labels.tolist()], np.int64) if by else labels

    old = automaton.structure
    structure = replace(old, input=other(old.input, inputs), output=other(old.output, outputs))
    return replace(automaton, structure=structure)


def reverse(automaton: Automaton) -> Automaton:
    """Every path from its end to its beginning.

    >>> reverse(Automaton.of(2, [(0, 1, 3)], final=1)).start
    tensor([-inf, 0.])
    """
    old = automaton.structure
    structure = replace(old, source=old.target, target=old.source)
    return replace(automaton, structure=structure, start=automaton.final, final=automaton.start)


@on_cpu
def trim(automaton: Automaton) -> Automaton:
    """Leave out what no path from a start to an end passes, weights of -inf included.

    >>> trim(Automaton.of(4, [(0, 1, 0), (0, 2, 0), (3, 1, 0)], final=1))
    Automaton(2 states, 1 arcs)
    """
    old = automaton.structure
    alive = (automaton.weight > -torch.inf).numpy()
    source, target = old.source[alive], old.target[alive]
    reached = _reached((automaton.start > -torch.inf).numpy(), source, target)
    useful = reached & _reached((automaton.final > -torch.inf).numpy(), target, source)
    return kept(automaton, useful, alive & useful[old.source] & useful[old.target])


def kept(automaton: Automaton, states: np.ndarray, arcs: np.ndarray) -> Automaton:
    """Some of the states and arcs, by masks."""
    old = automaton.structure
    place = np.cumsum(states) - 1
    firsts = np.concatenate([[0], np.cumsum(states)])[old.firsts]
    structure = Structure(
        int(states.sum()), place[old.source[arcs]], place[old.target[arcs]], old.input[arcs], old.output[arcs], firsts
    )
    some, ends = torch.from_numpy(np.flatnonzero(arcs)), torch.from_numpy(np.flatnonzero(states))
    return Automaton(structure, automaton.weight[..., some], automaton.start[ends], automaton.final[ends])


def _reached(first: np.ndarray, source: Indices, target: Indices) -> np.ndarray:
    """Which states there are ways to."""
    reached = first.copy()
    order = np.argsort(source, kind="stable")
    begins = np.searchsorted(source[order], np.arange(len(first) + 1))
    targets = target[order]
    front = np.flatnonzero(reached)
    while len(front):
        counts = begins[front + 1] - begins[front]
        arcs = np.repeat(begins[front] - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        new = np.unique(targets[arcs])
        front = new[~reached[new]]
        reached[front] = True
    return reached
