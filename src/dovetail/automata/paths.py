"""Paths of automata: what they read and write, and their scores."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .rows import Reading
from .structure import EPSILON


@dataclass(frozen=True)
class Path:
    """One path: its arcs in order, the labels it reads, one a frame, those it writes, and its score."""

    arcs: list[int]
    labels: list[int]
    outputs: list[int]
    score: float


def path_of(reading: Reading, n: int, arcs: list[int], score: float | None = None) -> Path:
    """The path of example n along these arcs."""
    structure = reading.structure
    labels, outputs = structure.input[arcs].tolist(), structure.output[arcs].tolist()
    score = float(score_along(reading, n, arcs)) if score is None else score
    return Path(arcs, [one for one in labels if one != EPSILON], [one for one in outputs if one != EPSILON], score)


def score_along(reading: Reading, n: int, arcs: list[int]) -> Tensor:
    """The score of example n's path along these arcs, with gradients to all that it passes."""
    automaton, structure = reading.automaton, reading.structure
    if not arcs:  # it begins and ends in one state, the best one
        states = slice(*structure.firsts[[0, 1] if reading.shared else [n, n + 1]].tolist())
        return (automaton.start[states] + automaton.final[states]).max()
    labels = torch.from_numpy(structure.input[arcs])
    reads = labels != EPSILON
    frame = reads.long().cumsum(0) - reads.long()  # which frame each arc stands before or reads
    which = torch.tensor(arcs)
    weight = automaton.weight
    if weight.dim() == 3:
        weights = weight[n, frame.clamp(max=weight.shape[1] - 1), which]
    else:
        weights = (weight[n] if weight.dim() == 2 else weight)[which]
    first, last = int(structure.source[arcs[0]]), int(structure.target[arcs[-1]])
    ends = automaton.start[first] + automaton.final[last]
    return weights.sum() + reading.frames[n, frame[reads], labels[reads]].sum() + ends
