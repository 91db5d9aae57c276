"""How many paths there are, exactly."""

from __future__ import annotations

import torch
from torch import Tensor

from ..recipe.errors import UsageError
from .automaton import Automaton
from .rows import Arcs


def path_count(automaton: Automaton, lengths: Tensor) -> Tensor:
    """(N,): how many paths of the automaton read exactly lengths[n] labels, whatever their scores; whole numbers.

    Arcs, starts and ends of score -inf do not count. Exact below 2^63. Raises `UsageError` where arcs without input
    form a cycle, and for lengths that are none.

    >>> path_count(Automaton.of(1, [(0, 0, 0), (0, 0, 1)], final=0), torch.tensor([0, 3, 10]))
    tensor([   1,    8, 1024])
    """
    lengths = torch.as_tensor(lengths)
    if lengths.dim() != 1 or lengths.is_floating_point() or (lengths < 0).any():
        raise UsageError(f"path_count: lengths are whole numbers (N,) from 0, not {lengths.tolist()}")
    there, start, final = (tensor > -torch.inf for tensor in (automaton.weight, automaton.start, automaton.final))
    arcs = Arcs.of(automaton.structure, automaton.weight.device)
    row = _freely(arcs, there, start.long())
    counts, most = torch.zeros_like(lengths), int(lengths.max()) if len(lengths) else -1
    for t in range(most + 1):
        counts = torch.where(lengths == t, (row * final).sum(), counts)
        ways = row[arcs.source] * there[arcs.reading]
        row = _freely(arcs, there, torch.zeros_like(row).index_add(0, arcs.target, ways))
    return counts


def _freely(arcs: Arcs, there: Tensor, row: Tensor) -> Tensor:
    for which, source, target in arcs.free:
        row = row.index_add(0, target, row[source] * there[which])
    return row
