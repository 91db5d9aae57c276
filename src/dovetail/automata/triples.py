"""Chains of order 2: every label has a score for the two labels before it."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

from .automaton import Automaton
from .chain import Chain
from .structure import Structure


def second_order(chain: Chain, triples: Tensor) -> Automaton:
    """A chain's labellings, with a score (labels, labels, labels) for every three labels in a row as well.

    It has a state for the beginning, for each first label, and for each pair of labels that stand together.

    >>> from dovetail.automata import path_count
    >>> two = Chain(torch.zeros(2, 2), torch.zeros(2), torch.zeros(2))
    >>> path_count(second_order(two, torch.zeros(2, 2, 2)), torch.tensor([1, 2, 3]))
    tensor([2, 4, 8])
    """
    count = len(chain.start)
    transitions = chain.transitions
    weight = torch.cat([chain.start, transitions.reshape(-1), (transitions + triples.to(transitions)).reshape(-1)])
    structure = _structure(count)
    begin = weight.new_full((structure.states,), -torch.inf)
    begin[0] = 0.0
    end = torch.cat([chain.final.new_full((1,), -torch.inf), chain.final, chain.final.repeat(count)])
    return Automaton(structure, weight, begin, end)


@cache
def _structure(count: int) -> Structure:
    one, first, second = np.arange(count), *np.divmod(np.arange(count**2), count)
    pair, third = np.divmod(np.arange(count**3), count)
    source = np.concatenate([0 * one, 1 + first, 1 + count + pair])
    behind = 1 + count + pair % count * count + third
    target = np.concatenate([1 + one, 1 + count + count * first + second, behind])
    return Structure.of(1 + count + count**2, source, target, np.concatenate([one, second, third]))
