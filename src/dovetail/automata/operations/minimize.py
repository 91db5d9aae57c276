"""Minimization: states from which everything is read with the same scores are one."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ...recipe.errors import UsageError
from ..automaton import Automaton
from ..structure import Structure
from .place import on_cpu
from .shape import reverse, trim


@on_cpu
def push(automaton: Automaton) -> Automaton:
    """The same scores for whole paths, moved towards the beginning as far as they go.

    What can still come from a state at best is added to the arcs into it and taken off those out of it, so that states
    that differ by a constant become alike. Raises `UsageError` where a cycle of positive score makes that endless.

    >>> a = push(Automaton.of(3, [(0, 1, 0), (1, 2, 0, 5.0)], final={2: 1.0}))
    >>> a.weight, a.start[0], a.final[2]
    (tensor([0., 0.]), tensor(6.), tensor(0.))
    """
    automaton.require_one("push")
    automaton = trim(automaton)
    best = _to_the_end(automaton)
    source, target = (torch.from_numpy(part) for part in (automaton.structure.source, automaton.structure.target))
    weight = automaton.weight + best[target] - best[source]
    return Automaton(automaton.structure, weight, automaton.start + best, automaton.final - best)


@on_cpu
def minimize(automaton: Automaton) -> Automaton:
    """The smallest automaton that reads the same with the same scores; of one that is deterministic.

    Scores are pushed towards the beginning, then states that no reading tells apart are merged (Moore's refinement).
    A merged arc has the mean of the scores it stands for, which agree but for rounding. Raises `UsageError` where a
    state has two arcs of one label (`determinize`).

    >>> words = Automaton.of(5, [(0, 1, 0), (0, 2, 1), (1, 3, 2), (2, 4, 2)], final=[3, 4])
    >>> minimize(words)
    Automaton(3 states, 3 arcs)
    """
    pushed = push(automaton)
    structure = pushed.structure
    labels = np.stack([structure.source, structure.input, structure.output], 1)
    if len(np.unique(labels, axis=0)) < len(labels):
        raise UsageError("minimize: a state has two arcs of one label; take determinize first")
    digits = 9 if pushed.weight.dtype == torch.float64 else 4
    weight, final = (
        scores.detach().round(decimals=digits).add(0.0).numpy() for scores in (pushed.weight, pushed.final)
    )
    classes = _classes(structure, weight, final)
    count = int(classes.max(initial=-1)) + 1
    ends = np.stack([classes[structure.source], structure.input, structure.output, classes[structure.target]], 1)
    merged, place = np.unique(ends, axis=0, return_inverse=True)
    by_class, by_arc = torch.from_numpy(classes), torch.from_numpy(place.reshape(-1))
    made = Structure.of(count, merged[:, 0], merged[:, 3], merged[:, 1], merged[:, 2])
    start = pushed.start.new_full((count,), -torch.inf).scatter_reduce(0, by_class, pushed.start, "amax")
    return trim(Automaton(made, _mean(pushed.weight, by_arc, len(merged)), start, _mean(pushed.final, by_class, count)))


def _to_the_end(automaton: Automaton) -> Tensor:
    """(states,): the best score from each state to an end (Bellman and Ford)."""
    turned = reverse(automaton).structure
    source, target = torch.from_numpy(turned.source), torch.from_numpy(turned.target)
    best = automaton.final
    for _ in range(automaton.states + 1):
        ways = best[source] + automaton.weight
        longer = best.scatter_reduce(0, target, ways, "amax")
        if torch.equal(longer, best):
            return best
        best = longer
    raise UsageError("push: a cycle has a positive score, and no path is the best")


def _classes(structure: Structure, weight: np.ndarray, final: np.ndarray) -> np.ndarray:
    """(states,): states in one class where all that can be read from them agrees."""
    _, classes = np.unique(final, return_inverse=True)
    _, weights = np.unique(weight, return_inverse=True)
    while True:
        rows: list[list[tuple[int, int, int, int]]] = [[] for _ in range(structure.states)]
        ends = (structure.source, structure.input, structure.output, weights, classes[structure.target])
        for source, *rest in zip(*(part.tolist() for part in ends), strict=True):
            rows[source].append(tuple(rest))
        number: dict[object, int] = {}
        keys = [(old, tuple(sorted(row))) for old, row in zip(classes.tolist(), rows, strict=True)]
        finer = np.array([number.setdefault(key, len(number)) for key in keys], np.int64)
        if finer.max(initial=-1) == classes.max(initial=-1):
            return finer
        classes = finer


def _mean(values: Tensor, groups: Tensor, count: int) -> Tensor:
    sizes = torch.bincount(groups, minlength=count)
    usable = torch.where(values > -torch.inf, values, 0.0)
    means = values.new_zeros(count).index_add(0, groups, usable) / sizes
    lowest = values.new_zeros(count).scatter_reduce(0, groups, values, "amin", include_self=False)
    return torch.where(lowest > -torch.inf, means, lowest)
