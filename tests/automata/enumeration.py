"""Small random automata, and all that they can read, one path after the other: the truth that sums are held against."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

import torch
from torch import Tensor

from dovetail.automata import EPSILON, Automaton


def random_automaton(
    draw: random.Random, states: int = 4, arcs: int = 7, labels: int = 3, free: float = 0.2
) -> Automaton:
    """Up to so many states and arcs, some without input (which lead to higher states), several starts and ends."""
    size = draw.randint(1, states)
    made: list[tuple[int, int, int, int, float]] = []
    for _ in range(draw.randint(0, arcs)):
        ends = draw.randrange(size), draw.randrange(size)
        label = draw.randrange(labels)
        if draw.random() < free and ends[0] != ends[1]:
            ends, label = (min(ends), max(ends)), EPSILON
        output = draw.choice([EPSILON, *range(labels)])
        made.append((*ends, label, output, draw.gauss(0, 1)))
    picked = [{state: draw.gauss(0, 1) for state in range(size) if draw.random() < 0.6} for _ in range(2)]
    return Automaton.of(size, made, *picked).to(torch.float64)


def paths(automaton: Automaton, frames: Tensor) -> Iterator[tuple[float, list[int]]]:
    """Score and arcs of every path that reads all of the frames (T, columns)."""
    structure, table = automaton.structure, frames.tolist()
    arcs = list(
        zip(
            *(getattr(structure, name).tolist() for name in ("source", "target", "input")),
            automaton.weight.tolist(),
            strict=True,
        )
    )
    start, final = automaton.start.tolist(), automaton.final.tolist()

    def follow(state: int, t: int, score: float, path: list[int]) -> Iterator[tuple[float, list[int]]]:
        if t == len(table) and final[state] > -math.inf:
            yield score + final[state], path
        for number, (source, target, label, weight) in enumerate(arcs):
            if source == state and (label == EPSILON or t < len(table)) and weight > -math.inf:
                step = weight if label == EPSILON else weight + table[t][label]
                yield from follow(target, t + (label != EPSILON), score + step, [*path, number])

    for state, score in enumerate(start):
        if score > -math.inf:
            yield from follow(state, 0, score, [])


def log_total(automaton: Automaton, frames: Tensor) -> Tensor:
    scores = torch.tensor([score for score, _ in paths(automaton, frames)], dtype=torch.float64)
    return torch.logsumexp(scores, 0) if len(scores) else torch.tensor(-math.inf, dtype=torch.float64)


Language = dict[tuple[tuple[int, ...], tuple[int, ...]], float]


def random_lattice(draw: random.Random, states: int = 5, arcs: int = 8, labels: int = 2) -> Automaton:
    """Without cycles; some arcs read nothing, some write nothing, some neither."""
    made: list[tuple[int, int, int, int, float]] = []
    for _ in range(arcs):
        source, target = sorted(draw.sample(range(states), 2))
        read, written = (draw.choice([EPSILON, *range(labels)]) for _ in range(2))
        made.append((source, target, read, written, draw.gauss(0, 1)))
    ends = [{state: draw.gauss(0, 1) for state in draw.sample(range(states), 2)} for _ in range(2)]
    return Automaton.of(states, made, *ends).to(torch.float64)


def language(automaton: Automaton, most: int = 12, best: bool = False, reads: int = 12) -> Language:
    """What an automaton reads and writes in `most` arcs, with the score of all paths together (or of the best)."""
    found: dict[tuple[tuple[int, ...], tuple[int, ...]], list[float]] = {}
    structure = automaton.structure
    columns = (getattr(structure, name).tolist() for name in ("source", "target", "input", "output"))
    arcs = list(zip(*columns, automaton.weight.tolist(), strict=True))
    final = automaton.final.tolist()

    def follow(state: int, score: float, read: tuple[int, ...], written: tuple[int, ...], left: int) -> None:
        if final[state] > -math.inf:
            found.setdefault((read, written), []).append(score + final[state])
        for source, target, label, output, weight in arcs if left else ():
            if source == state and len(read) + (label != EPSILON) <= reads:
                more = read + (() if label == EPSILON else (label,)), written + (() if output == EPSILON else (output,))
                follow(target, score + weight, *more, left - 1)

    for state, score in enumerate(automaton.start.tolist()):
        if score > -math.inf:
            follow(state, score, (), (), most)
    join = max if best else lambda scores: float(torch.logsumexp(torch.tensor(scores, dtype=torch.float64), 0))
    return {key: join(scores) for key, scores in found.items()}
