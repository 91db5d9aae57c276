"""Sequences of various lengths in one tensor."""

from __future__ import annotations

import pytest
import torch

from dovetail.recipe.sequences import Sequences, joined, pieces


def three() -> Sequences:
    return Sequences(torch.arange(6.0)[:, None], torch.tensor([2, 1, 3]))


def test_places_side_by_side_and_back() -> None:
    rows = three().padded(-1.0)[..., 0]
    assert rows.tolist() == [[0, 1, -1], [2, -1, -1], [3, 4, 5]]
    assert torch.equal(Sequences.of(rows, torch.tensor([2, 1, 3])).values, three().values[:, 0])


def test_sums_are_by_sequence() -> None:
    assert three().sums()[:, 0].tolist() == [1, 2, 12]
    empty = Sequences(torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64))
    assert empty.sums().shape == (0, 2)
    assert empty.padded().shape == (0, 1, 2)


@pytest.mark.parametrize("sizes", [[3], [1, 2], [1, 1, 1], [0, 3], [2, 0, 1]])
def test_pieces_are_the_whole(sizes: list[int]) -> None:
    parts = pieces(three(), sizes)
    assert [len(part) for part in parts] == sizes
    assert torch.equal(joined(parts).values, three().values)
    assert torch.equal(joined(parts).lengths, three().lengths)
