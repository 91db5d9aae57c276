"""How probable arcs and labels are given frames, and paths drawn with their probabilities."""

from __future__ import annotations

import torch
from torch import Tensor

from ..recipe.errors import UsageError
from .automaton import Automaton
from .paths import Path, path_of
from .pathsum import path_sum
from .rows import Reading, forward_rows
from .search import arcs_into
from .semiring import LOG
from .structure import EPSILON


def posteriors(automaton: Automaton, frames: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """How often a path passes each arc (N, arcs), and reads each label at each frame (N, T, columns), on average.

    Of automata side by side the arcs are one row (arcs,) for all. 0 where no path reads an example. Shapes, errors: as
    in `path_sum`. Baum and Petrie (1966).

    >>> a = Automaton.of(1, [(0, 0, 0), (0, 0, 1)], final=0)
    >>> posteriors(a, torch.tensor([[[0.0, 0.0], [0.0, 0.0]]]))[0]
    tensor([[1., 1.]])
    """
    shared = automaton.structure.count == 1
    weight = automaton.weight.detach()
    leaves = (weight.expand(len(frames), -1) if shared and weight.dim() == 1 else weight).clone().requires_grad_()
    read = frames.detach().clone().requires_grad_()
    with torch.enable_grad():
        sums = path_sum(automaton.reweighted(leaves), read, lengths)
        possible = sums > -torch.inf
        arcs, labels = torch.autograd.grad(torch.where(possible, sums, 0.0).sum(), (leaves, read))
    return arcs, labels


@torch.no_grad()
def sample(
    automaton: Automaton,
    frames: Tensor,
    count: int,
    generator: torch.Generator | None = None,
    lengths: Tensor | None = None,
) -> list[list[Path]]:
    """So many paths of each example, each drawn with its probability e^score / e^sum; none where no path reads it.

    Scores of all ways to each state go forward, then paths are drawn from the end. Shapes and errors as in `path_sum`;
    `UsageError`, too, for a count below 1.

    >>> a = Automaton.of(2, [(0, 1, 0), (0, 1, 1)], final=1)
    >>> drawn = sample(a, torch.tensor([[[0.0, -torch.inf]]]), 3)
    >>> [path.labels for path in drawn[0]]
    [[0], [0], [0]]
    """
    if count < 1:
        raise UsageError(f"sample: count is how many paths to draw, not {count}")
    reading = Reading.of(automaton, frames, lengths)
    rows = forward_rows(reading, LOG)
    return [_drawn(reading, rows, n, count, generator) for n in range(len(frames))]


def _drawn(reading: Reading, rows: Tensor, n: int, count: int, generator: torch.Generator | None) -> list[Path]:
    structure, automaton = reading.structure, reading.automaton
    states = range(structure.states) if reading.shared else range(*structure.firsts[n : n + 2].tolist())
    own = (rows[:, n] if reading.shared else rows).cpu()
    into, end = structure.packed(arcs_into), int(reading.lengths[n])
    ends = own[end, states.start : states.stop] + automaton.final[states.start : states.stop].cpu()
    if not bool((ends > -torch.inf).any()):
        return []
    found = []
    for first in torch.multinomial(ends.softmax(0), count, True, generator=generator).tolist():
        state, t, arcs = states.start + first, end, []
        while True:
            ways = [(arc, source, t - (label != EPSILON), label) for arc, label, source in into[state]]
            ways = [way for way in ways if way[2] >= 0]
            scores = [
                own[before, source] + _step(reading, n, arc, before, label) for arc, source, before, label in ways
            ]
            if t == 0:
                scores.append(automaton.start[state].cpu())
            chosen = int(torch.multinomial(torch.stack(scores).softmax(0), 1, generator=generator))
            if chosen == len(ways):
                break
            arc, state, t, _ = ways[chosen]
            arcs.append(arc)
        found.append(path_of(reading, n, arcs[::-1]))
    return found


def _step(reading: Reading, n: int, arc: int, t: int, label: int) -> Tensor:
    weight = reading.automaton.weight
    if weight.dim() == 3:
        weight = weight[:, min(t, weight.shape[1] - 1)]
    score = (weight[n] if weight.dim() == 2 else weight)[arc]
    return (score if label == EPSILON else score + reading.frames[n, t, label]).cpu()
