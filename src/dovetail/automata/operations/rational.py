"""The rational operations: either, one behind the other, again and again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ...recipe.errors import UsageError
from ..automaton import Automaton, beside
from ..structure import EPSILON, Indices, Structure
from .place import on_cpu


@on_cpu
def union(*automata: Automaton) -> Automaton:
    """All paths of all of them.

    >>> from dovetail.automata import total
    >>> one, two = (Automaton.of(2, [(0, 1, label)], final=1) for label in (0, 1))
    >>> total(union(one, two)).exp()
    tensor([2.])
    """
    return _as_one(_each(automata, "union"))


@on_cpu
def concat(*automata: Automaton) -> Automaton:
    """Every path of the first followed by every path of the second, and so on; an arc without input joins them.

    >>> from dovetail.automata.alone import ranked
    >>> one, two = (Automaton.of(2, [(0, 1, label)], final=1) for label in (0, 1))
    >>> ranked(concat(one, two, one))[0][0].labels
    [0, 1, 0]
    """
    both = _as_one(_each(automata, "concat"))
    firsts = np.cumsum([0, *(one.states for one in automata)])
    joints = [
        (firsts[i] + end, firsts[i + 1] + begin)
        for i in range(len(automata) - 1)
        for end in _usable(automata[i].final)
        for begin in _usable(automata[i + 1].start)
    ]
    source, target = (np.array(ends, np.int64) for ends in zip(*joints, strict=True)) if joints else 2 * [firsts[:0]]
    joined = _with_arcs(
        both, source, target, both.final[torch.from_numpy(source)] + both.start[torch.from_numpy(target)]
    )
    nowhere = torch.full_like(both.start, -torch.inf)
    start, final = nowhere.clone(), nowhere.clone()
    start[: firsts[1]], final[firsts[-2] :] = automata[0].start, automata[-1].final
    return replace(joined, start=start, final=final)


@on_cpu
def closure(automaton: Automaton, least: int = 0) -> Automaton:
    """Its paths one behind the other, as many as one likes (Kleene's star), or one at least (`least=1`).

    One state is added, in which all begin and end. Where the automaton has a path without arcs, arcs without input form
    a cycle, and sums over the closure are refused.

    >>> from dovetail.automata import path_count
    >>> two = closure(Automaton.of(3, [(0, 1, 0), (1, 2, 0)], final=2))
    >>> path_count(two, torch.tensor([0, 1, 2, 3, 4]))
    tensor([1, 0, 1, 0, 1])
    """
    if least not in (0, 1):
        raise ValueError(f"least is 0 or 1, not {least}")
    if least:
        return concat(automaton, closure(automaton))
    hub = Automaton.of(1, [], start=0, final=0).to(automaton.start.dtype)
    both = _as_one(_each([hub, automaton], "closure"))
    begins, ends = (torch.from_numpy(_usable(scores) + 1) for scores in (automaton.start, automaton.final))
    source = np.concatenate([np.zeros(len(begins), np.int64), ends.numpy()])
    target = np.concatenate([begins.numpy(), np.zeros(len(ends), np.int64)])
    joined = _with_arcs(both, source, target, torch.cat([both.start[begins], both.final[ends]]))
    return replace(joined, start=_only_first(both.start), final=_only_first(both.final))


def _each(automata: Sequence[Automaton], operation: str) -> Automaton:
    """Side by side, each of them one; raises `UsageError` where there are none."""
    if not automata:
        raise UsageError(f"{operation} takes one automaton at least")
    for one in automata:
        one.require_one(operation)
    return beside(automata)


def _as_one(automata: Automaton) -> Automaton:
    structure = automata.structure
    return replace(automata, structure=replace(structure, firsts=np.array([0, structure.states], np.int64)))


def _with_arcs(automaton: Automaton, source: Indices, target: Indices, weight: Tensor) -> Automaton:
    """With more arcs, which read and write nothing."""
    old, nothing = automaton.structure, np.full(len(source), EPSILON, np.int64)
    structure = Structure(
        old.states,
        np.concatenate([old.source, source]),
        np.concatenate([old.target, target]),
        np.concatenate([old.input, nothing]),
        np.concatenate([old.output, nothing]),
        old.firsts,
    )
    return replace(automaton, structure=structure, weight=torch.cat([automaton.weight, weight]))


def _only_first(scores: Tensor) -> Tensor:
    return torch.cat([scores[:1], torch.full_like(scores[1:], -torch.inf)])


def _usable(scores: Tensor) -> Indices:
    return np.flatnonzero((scores > -torch.inf).numpy())
