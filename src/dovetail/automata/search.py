"""Paths of an automaton in the order of their scores, by best-first search."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from torch import Tensor

from .paths import Path, path_of
from .rows import Reading
from .structure import EPSILON, Structure

Trail = tuple[int, "Trail"] | None  # arcs from a state to the end
BEGUN = -1  # stands for the state before the first


def from_best(reading: Reading, rows: Tensor, n: int) -> Iterator[Path]:
    """The paths of example n, the best first; `rows` are the best scores of all ways to each state.

    The search goes back from the end, and what stands first in the queue is what the whole path can come to at most,
    so that the next path to reach the beginning is the next best (Nilsson, 1980, algorithm A*).
    """
    structure, automaton = reading.structure, reading.automaton
    states = range(structure.states) if reading.shared else range(*structure.firsts[n : n + 2].tolist())
    best = (rows[:, n] if reading.shared else rows).tolist()
    frames, start, final = reading.frames[n].tolist(), automaton.start.tolist(), automaton.final.tolist()
    into = structure.packed(arcs_into)
    weight = automaton.weight
    weights = (weight[n] if weight.dim() > 1 else weight).tolist()
    queue: list[tuple[float, int, int, int, float, Trail]] = []

    def push(bound: float, state: int, t: int, score: float, arcs: Trail) -> None:
        if bound > -float("inf"):
            heapq.heappush(queue, (-bound, len(pushed), state, t, score, arcs))
            pushed.append(None)

    pushed: list[None] = []  # its length breaks ties: what came first goes first
    end = int(reading.lengths[n])
    for state in states:
        push(best[end][state] + final[state], state, end, final[state], None)
    while queue:
        _, _, state, t, score, arcs = heapq.heappop(queue)
        if state == BEGUN:
            yield path_of(reading, n, _listed(arcs), score)
            continue
        if t == 0:
            push(start[state] + score, BEGUN, 0, start[state] + score, arcs)
        for arc, label, source in into[state]:
            before = t if label == EPSILON else t - 1
            if before < 0:
                continue
            row = weights[min(before, len(weights) - 1)] if weight.dim() == 3 else weights
            step = row[arc] + (0.0 if label == EPSILON else frames[before][label])
            push(best[before][source] + step + score, source, before, step + score, (arc, arcs))


def arcs_into(structure: Structure) -> list[list[tuple[int, int, int]]]:
    """For each state the arcs that lead to it: (arc, input label, source)."""
    into: list[list[tuple[int, int, int]]] = [[] for _ in range(structure.states)]
    ends = zip(structure.target.tolist(), structure.input.tolist(), structure.source.tolist(), strict=True)
    for arc, (target, label, source) in enumerate(ends):
        into[target].append((arc, label, source))
    return into


def _listed(arcs: Trail) -> list[int]:
    found = []
    while arcs is not None:
        arc, arcs = arcs
        found.append(arc)
    return found
