"""Paths of automata: what they read and write, and their scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .rows import Reading
from .structure import EPSILON, Indices


@dataclass(frozen=True)
class Path:
    """One path: its arcs in order, the labels it reads, one a frame, those it writes, and its score."""

    arcs: list[int]
    labels: list[int]
    outputs: list[int]
    score: float


def path_of(reading: Reading, n: int, arcs: Sequence[int], score: float | None = None) -> Path:
    """The path of example n along these arcs."""
    return paths_of(reading, [n], [np.asarray(arcs, np.int64)], None if score is None else [score])[0]


def paths_of(
    reading: Reading, examples: Sequence[int], along: Sequence[Indices], scores: Sequence[float] | None = None
) -> list[Path]:
    """For each of some examples its path along arcs."""
    structure = reading.structure
    scores = scores_along(reading, examples, along) if scores is None else scores
    found = []
    for arcs, score in zip(along, scores, strict=True):
        labels, outputs = structure.input[arcs], structure.output[arcs]
        read, written = labels[labels != EPSILON].tolist(), outputs[outputs != EPSILON].tolist()
        found.append(Path(arcs.tolist(), read, written, score))
    return found


def scores_along(reading: Reading, examples: Sequence[int], along: Sequence[Indices]) -> list[float]:
    """The scores of examples' paths along arcs as numbers, summed in double precision, all of them at once."""
    automaton, structure = reading.automaton, reading.structure
    weight, frames, start, final = (
        tensor.detach().cpu().numpy() for tensor in (automaton.weight, reading.frames, automaton.start, automaton.final)
    )
    counts = np.array([len(arcs) for arcs in along], np.int64)
    which = np.concatenate([*along, np.zeros(0, np.int64)])
    path, n = np.repeat(np.arange(len(along)), counts), np.repeat(np.asarray(examples, np.int64), counts)
    labels = structure.input[which]
    reads = labels != EPSILON
    read = np.concatenate([[0], np.cumsum(reads)])  # before each arc, over all paths
    frame = read[:-1] - np.repeat(read[np.cumsum(counts) - counts], counts)
    if weight.ndim == 3:
        weights = weight[n, np.minimum(frame, weight.shape[1] - 1), which]
    else:
        weights = weight[n, which] if weight.ndim == 2 else weight[which]
    sums = np.bincount(path, weights, len(along))
    sums += np.bincount(path[reads], frames[n[reads], frame[reads], labels[reads]], len(along))
    return [
        float(total + start[structure.source[arcs[0]]] + final[structure.target[arcs[-1]]])
        if len(arcs)
        else float(score_along(reading, example, []))
        for total, example, arcs in zip(sums, examples, along, strict=True)
    ]


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
