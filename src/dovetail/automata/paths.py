"""Paths of automata: what they read and write, and their scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
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
    score = plain_score(reading, n, arcs) if score is None else score
    return Path(arcs, [one for one in labels if one != EPSILON], [one for one in outputs if one != EPSILON], score)


def plain_score(reading: Reading, n: int, arcs: list[int]) -> float:
    """The score of example n's path along these arcs as a number, summed in double precision."""
    automaton, structure = reading.automaton, reading.structure
    if not arcs:
        return float(score_along(reading, n, arcs))
    weight, frames, start, final = (
        tensor.detach().cpu().numpy()
        for tensor in (automaton.weight, reading.frames[n], automaton.start, automaton.final)
    )
    which, labels = np.asarray(arcs), structure.input[arcs]
    reads = labels != EPSILON
    frame = np.cumsum(reads) - reads
    if weight.ndim == 3:
        weights = weight[n, np.minimum(frame, weight.shape[1] - 1), which]
    else:
        weights = (weight[n] if weight.ndim == 2 else weight)[which]
    ends = float(start[structure.source[arcs[0]]]) + float(final[structure.target[arcs[-1]]])
    return float(weights.sum(dtype=np.float64) + frames[frame[reads], labels[reads]].sum(dtype=np.float64)) + ends


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
