"""Strings and word lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from ...recipe.errors import UsageError
from ..automaton import Arc, Automaton
from ..structure import EPSILON, Structure, whole


def string(labels: Sequence[int]) -> Automaton:
    """Reads one string of labels.

    >>> string([3, 1, 4])
    Automaton(4 states, 3 arcs)
    """
    return strings([labels])


def strings(texts: Sequence[Sequence[int]]) -> Automaton:
    """Side by side for each of several texts an automaton that reads it.

    >>> strings([[3, 1, 4], [], [1]])
    Automaton(3 side by side, 7 states, 4 arcs)
    """
    firsts = np.cumsum([0, *(len(text) + 1 for text in texts)])
    source = np.delete(np.arange(firsts[-1]), firsts[1:] - 1)
    labels = whole([label for text in texts for label in text])
    start, final = torch.full((2, int(firsts[-1])), -torch.inf)
    start[firsts[:-1]], final[firsts[1:] - 1] = 0.0, 0.0
    structure = Structure(int(firsts[-1]), source, source + 1, labels, labels, firsts)
    return Automaton(structure, torch.zeros(len(source)), start, final)


def lexicon(
    words: Sequence[Sequence[int]] | Mapping[int, Sequence[int]], scores: Sequence[float] | None = None
) -> Automaton:
    """Reads one of several words and writes its number: a tree in which words share their beginnings.

    `words` are strings of labels, numbered as they come or by a mapping; the number is written, and the word's score
    added, behind its last label, by an arc that reads nothing into the one final state, so that words spelled alike
    stay apart. Raises `UsageError` unless there is a score for each.

    >>> from dovetail.automata.alone import ranked
    >>> tree = lexicon([[0, 1], [0, 2], [0]], scores=[0.1, 0.2, 0.3])
    >>> [(path.labels, path.outputs) for path in ranked(tree, 3)[0]]
    [([0], [2]), ([0, 2], [1]), ([0, 1], [0])]
    """
    numbered = words if isinstance(words, Mapping) else dict(enumerate(words))
    given = [0.0] * len(numbered) if scores is None else list(scores)
    if len(given) != len(numbered):
        raise UsageError(f"lexicon: {len(numbered)} words and {len(given)} scores")
    arcs: list[Arc] = []
    follow: dict[tuple[int, int], int] = {}
    states, end = 2, 1
    for (number, labels), score in zip(numbered.items(), given, strict=True):
        state = 0
        for label in labels:
            if (state, label) not in follow:
                follow[state, label] = states
                arcs.append((state, states, label, EPSILON, 0.0))
                states += 1
            state = follow[state, label]
        arcs.append((state, end, EPSILON, number, score))
    return Automaton.of(states, arcs, final=end)
