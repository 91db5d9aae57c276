"""Posteriors and samples against the shares of all paths."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest
import torch
from automata.enumeration import log_total, paths, random_automaton
from automata.test_paths import SIZES, batch

from dovetail.automata import beside, path_sum, posteriors, sample


@pytest.mark.parametrize("seed", range(30))
def test_posteriors_are_the_shares_of_all_paths(seed: int) -> None:
    automata, frames, lengths = batch(seed)
    arcs, labels = posteriors(automata[0], frames, lengths)
    for n, size in enumerate(SIZES):
        total = log_total(automata[0], frames[n, :size])
        expected = torch.zeros(automata[0].arcs, dtype=torch.float64)
        for score, path in paths(automata[0], frames[n, :size]):
            for arc in path:
                expected[arc] += math.exp(score - total)
        torch.testing.assert_close(arcs[n], expected)
        share = 1.0 if float(total) > -math.inf else 0.0
        torch.testing.assert_close(labels[n, :size].sum(1), torch.full((size,), share, dtype=torch.float64))
        assert not labels[n, size:].any()
    several, _ = posteriors(beside(automata), frames, lengths)
    torch.testing.assert_close(several[: automata[0].arcs], posteriors(automata[0], frames[:1], lengths[:1])[0][0])


@pytest.mark.parametrize("seed", range(12))
def test_samples_come_as_often_as_they_should(seed: int) -> None:
    automaton = random_automaton(random.Random(seed), arcs=9)
    torch.manual_seed(seed)
    frames, count = torch.randn(1, 3, 3, dtype=torch.float64), 400
    total = float(path_sum(automaton, frames)[0])
    drawn = sample(automaton, frames, count, torch.Generator().manual_seed(seed))[0]
    shares = Counter({tuple(path): math.exp(score - total) for score, path in paths(automaton, frames[0])})
    assert len(drawn) == (count if shares else 0)
    often = Counter(tuple(path.arcs) for path in drawn)
    assert set(often) <= set(shares)
    for path, share in shares.items():
        assert often[path] / count == pytest.approx(share, abs=5 * math.sqrt(share * (1 - share) / count) + 5 / count)
    again = sample(automaton, frames, count, torch.Generator().manual_seed(seed))[0]
    assert again == drawn
