"""Segmentation lattices: all ways to cut a line into pieces."""

from __future__ import annotations

import numpy as np
import torch

from ..automaton import Automaton
from ..structure import Structure


def segmentation(cuts: int, most: int) -> Automaton:
    """A state for each cut, an arc for each piece of at most so many stretches between neighbouring cuts.

    Arc by arc the pieces (from, to) are `structure.source` and `structure.target`; each arc reads and writes its own
    number, for a recognizer to score. LeCun et al. (1998), section IV: heuristic over-segmentation.

    >>> segmentation(cuts=4, most=2).structure.source.tolist()
    [0, 0, 1, 1, 2]
    """
    ends = np.array([(i, j) for i in range(cuts) for j in range(i + 1, min(i + most, cuts - 1) + 1)]).reshape(-1, 2)
    number = np.arange(len(ends))
    structure = Structure.of(cuts, ends[:, 0].astype(np.int64), ends[:, 1].astype(np.int64), number)
    nowhere = torch.full((cuts,), -torch.inf)
    start, final = nowhere.clone(), nowhere.clone()
    start[:1], final[-1:] = 0.0, 0.0
    return Automaton(structure, torch.zeros(len(ends)), start, final)
