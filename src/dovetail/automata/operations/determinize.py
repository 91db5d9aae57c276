"""Determinization: at most one arc for each label out of each state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from ...recipe.errors import UsageError
from ..automaton import Automaton
from ..semiring import log_join
from ..structure import EPSILON, Structure, levels
from .compose import Outgoing
from .place import on_cpu

_ALIKE = 1000
Subset = dict[int, Tensor]  # states, each with how much is still to be added on the way from here


@on_cpu
def determinize(automaton: Automaton, semiring: Literal["log", "max"] = "log", most: int = 100_000) -> Automaton:
    """The same score for everything that is read, with one start and one arc a label from each state.

    What is read and written counts as one label. An arc's score is the sum (or the largest) of those it stands for, and
    what is left over is kept with the states of the subset and paid later. It ends for acyclic automata, and wherever
    ways that read the same differ by the same at every turn; raises `UsageError` where it has not ended after `most`
    states (or, where there is a cycle, has met the same states 1,000 times and owes them something else each time), and
    for arcs that neither read nor write (`remove_epsilon`). Mohri (1997), Finite-state transducers in language and
    speech processing.

    >>> a = Automaton.of(3, [(0, 1, 0, 1.0), (0, 2, 0, 2.0), (1, 1, 1), (2, 2, 1)], final=[1, 2])
    >>> determinize(a, "max")
    Automaton(2 states, 2 arcs)
    """
    automaton.require_one("determinize")
    if semiring not in ("log", "max"):
        raise UsageError(f"determinize: semiring is log or max, not '{semiring}'")
    structure = automaton.structure
    if ((structure.input == EPSILON) & (structure.output == EPSILON)).any():
        raise UsageError("determinize: arcs neither read nor write; take remove_epsilon first")
    join = log_join if semiring == "log" else torch.amax
    out = structure.packed(Outgoing.of)
    begins = {state: automaton.start[state] for state in torch.nonzero(automaton.start > -torch.inf)[:, 0].tolist()}
    if not begins:
        return Automaton.of(1, []).to(automaton.weight.dtype)
    first, subset = _normalized(begins, join)
    subsets, number = [subset], {_key(subset): 0}
    links: list[tuple[int, int, int, int]] = []
    weights: list[Tensor] = []
    alike: Counter[tuple[int, ...]] = Counter()  # subsets of the same states, which owe differently
    for here, states in enumerate(subsets):  # which grows
        ways: dict[tuple[int, int], dict[int, list[Tensor]]] = {}
        for state, owed in states.items():
            for place in range(out.begins[state], out.begins[state + 1]):
                target, read, written = int(out.target[place]), int(out.read[place]), int(out.written[place])
                step = owed + automaton.weight[out.arcs[place]]
                if float(step.detach()) > -torch.inf:
                    ways.setdefault((read, written), {}).setdefault(target, []).append(step)
        for (read, written), by_target in sorted(ways.items()):
            joined = {target: join(torch.stack(steps)) for target, steps in sorted(by_target.items())}
            weight, subset = _normalized(joined, join)
            key = _key(subset)
            if key not in number:
                same = tuple(sorted(subset))
                alike[same] += 1
                if len(subsets) == most or (alike[same] == _ALIKE and _turns(structure)):
                    raise UsageError(f"determinize: has not ended after {len(subsets):,} states, and may never")
                number[key] = len(subsets)
                subsets.append(subset)
            links.append((here, number[key], read, written))
            weights.append(weight)
    ends = [join(torch.stack([owed + automaton.final[state] for state, owed in s.items()])) for s in subsets]
    start = torch.cat([first.reshape(1), torch.full((len(subsets) - 1,), -torch.inf, dtype=first.dtype)])
    columns = list(zip(*links, strict=True)) or [(), (), (), ()]
    weight = torch.stack(weights) if weights else automaton.weight[:0]
    return Automaton(Structure.of(len(subsets), *columns), weight, start, torch.stack(ends))


def _turns(structure: Structure) -> bool:
    """Whether there is a cycle."""
    try:
        levels(structure.states, structure.source, structure.target)
    except UsageError:
        return True
    return False


def _normalized(states: Subset, join: Callable[[Tensor], Tensor]) -> tuple[Tensor, Subset]:
    """The score of all together, and what each state owes beyond it."""
    whole = join(torch.stack(list(states.values())))
    return whole, {state: score - whole for state, score in states.items()}


def _key(subset: Subset) -> tuple[tuple[int, float], ...]:
    """Subsets alike: the same states that owe the same, but for rounding."""
    digits = 9 if next(iter(subset.values())).dtype == torch.float64 else 4
    return tuple((state, round(float(owed.detach()), digits) + 0.0) for state, owed in sorted(subset.items()))
