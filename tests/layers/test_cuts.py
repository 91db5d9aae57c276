"""Cuts of many lines at once against their definition, a line at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dovetail.layers.cuts import cuts_of, pairs_of


def cut_alone(ink: list[float], bright: float, apart: int, wide: int) -> list[int]:
    """The cuts of one line, by words: its ends, low runs that keep their distance, thin columns where that is far."""
    written = [i for i, amount in enumerate(ink) if amount > 0.15 * bright]
    if not written:
        return [0, len(ink)]
    first, last = written[0], written[-1] + 1
    low = [
        i
        for i in range(first, last)
        if ink[i] < max(ink[first:last]) and ink[i] == min(ink[max(i - apart, first) : min(i + apart + 1, last)])
    ]
    runs = [(i, next(j for j in range(i, len(ink) + 1) if j not in low)) for i in low if i - 1 not in low]
    kept = [first, last]
    for begin, end in runs:
        if all(abs((begin + end) // 2 - other) >= apart for other in kept):
            kept.append((begin + end) // 2)
    found = [first]
    for cut in sorted(kept)[1:]:
        while cut - found[-1] > wide:
            near = range(found[-1] + apart, min(found[-1] + wide, cut - apart) + 1)
            found.append(min(near, key=lambda i: ink[i]))
        found.append(cut)
    return found


def lines(seed: int) -> tuple[Any, Any, Any]:
    """Lines of many lengths with strokes, gaps and ties, one with nothing written and one a column wide."""
    rng = np.random.default_rng(seed)
    lengths = np.concatenate([rng.integers(1, 60, 12), [20, 1]])
    ink = rng.integers(0, 5, (14, 60)) * rng.choice([0.0, 0.25, 1.0], (14, 60))
    ink[12] = 0
    return ink, np.minimum(ink, 1), lengths


@pytest.mark.parametrize("seed", range(30))
def test_cuts_of_many_lines_are_those_of_each(seed: int) -> None:
    ink, bright, lengths = lines(seed)
    apart, wide = 1 + seed % 3, 6 + seed % 5
    expected = [
        cut_alone(row[:length].tolist(), light[:length].max(), apart, wide)
        for row, light, length in zip(ink, bright, lengths, strict=True)
    ]
    places, counts = cuts_of(ink, bright, lengths, apart, wide)
    assert [part.tolist() for part in np.split(places, np.cumsum(counts)[:-1])] == expected
    assert max(counts) > 5


@pytest.mark.parametrize(("most", "width"), [(1, 28), (3, 8), (6, 28)])
def test_pieces_go_past_few_cuts_and_columns(most: int, width: int) -> None:
    places, counts = cuts_of(*lines(0), 2, 12)
    pairs, columns, pieces = pairs_of(places, counts, most, width)
    expected, spans = [], []
    for own in np.split(places, np.cumsum(counts)[:-1]):
        for i in range(len(own)):
            for j in range(i + 1, min(i + most, len(own) - 1) + 1):
                if j == i + 1 or own[j] - own[i] <= width:
                    expected.append([i, j])
                    spans.append([own[i], own[j]])
    assert pairs.tolist() == expected
    assert columns.tolist() == spans
    assert pieces.sum() == len(expected)
    assert len(pieces) == len(counts)
