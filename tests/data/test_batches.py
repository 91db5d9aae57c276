"""Which examples each step sees."""

from __future__ import annotations

import pytest
import torch

from dovetail.data.batches import Batches
from dovetail.data.source import Fetched, InMemory
from dovetail.recipe.errors import DataError


def batches(count: int = 10, batch: int = 4, seed: int = 0) -> Batches:
    return Batches(InMemory(torch.arange(count) * 10, torch.arange(count), torch.arange(count) / 2), batch, seed)


@pytest.mark.parametrize(
    ("count", "batch", "sizes"),
    [(10, 4, [4, 4, 2]), (8, 4, [4, 4]), (3, 4, [3]), (4, 4, [4]), (5, 1, [1] * 5), (9, 8, [8, 1])],
)
def test_every_epoch_is_a_permutation_and_only_its_last_batch_may_be_smaller(
    count: int, batch: int, sizes: list[int]
) -> None:
    made = batches(count, batch)
    assert made.epoch_steps == len(sizes)
    for epoch in range(3):
        steps = [made.indices(epoch * len(sizes) + step) for step in range(len(sizes))]
        assert [len(step) for step in steps] == sizes
        assert torch.cat(steps).sort().values.tolist() == list(range(count))


def test_a_step_gives_inputs_targets_and_weights_of_the_same_examples() -> None:
    made = batches()
    _, (inputs, targets, weights) = made.at(1)
    assert torch.equal(targets, made.indices(1))
    assert torch.equal(inputs, targets * 10)
    assert weights is not None
    assert torch.equal(weights, targets / 2)


def test_the_order_of_calls_does_not_matter() -> None:
    straight, jumping = batches(), batches()
    expected = [straight.indices(step).tolist() for step in range(30)]
    for step in (29, 0, 17, 17, 3, 28, 1):
        torch.manual_seed(step)
        assert jumping.indices(step).tolist() == expected[step]
        assert batches().indices(step).tolist() == expected[step]


def test_epochs_and_seeds_differ() -> None:
    orders = [batches(100, 100, seed).indices(epoch).tolist() for seed in (0, 1, 2) for epoch in range(5)]
    assert len({tuple(order) for order in orders}) == 15
    assert list(range(100)) not in orders


def test_the_batch_size_does_not_change_the_order_of_an_epoch() -> None:
    orders = {
        tuple(torch.cat([made.indices(step) for step in range(made.epoch_steps)]).tolist())
        for made in (batches(10, size) for size in (1, 3, 10))
    }
    assert len(orders) == 1


def test_the_order_is_what_it_has_always_been() -> None:
    assert batches(10, 10, 0).indices(0).tolist() == [8, 6, 0, 4, 1, 7, 5, 3, 2, 9]


def test_every_place_is_equally_likely() -> None:
    made = batches(10, 10)
    first = torch.stack([made.indices(epoch) for epoch in range(2000)])
    counts = torch.stack([torch.bincount(first[:, place], minlength=10) for place in range(10)])
    assert (counts - 200).abs().max() < 5 * (2000 * 0.1 * 0.9) ** 0.5


class Slow(InMemory):
    """Counts what is fetched, and breaks at one example."""

    slow = True

    def __init__(self, count: int, broken: int = -1) -> None:
        super().__init__(torch.arange(count), torch.arange(count))
        self.fetched: list[list[int]] = []
        self.broken = broken

    def fetch(self, indices: torch.Tensor) -> Fetched:
        self.fetched.append(indices.tolist())
        if self.broken in indices:
            raise DataError(f"example {self.broken} is broken")
        return super().fetch(indices)


def test_slow_examples_are_fetched_one_batch_ahead_and_each_once() -> None:
    slow, held = Slow(10), batches()
    made = Batches(slow, 4, 0)
    for step in (0, 1, 2, 3, 4, 20, 21, 7):
        assert made.at(step)[1][1].tolist() == held.indices(step).tolist()
    made._fetcher.shutdown()
    steps = [0, 1, 2, 3, 4, 5, 20, 21, 22, 7, 8]
    assert sorted(slow.fetched) == sorted(held.indices(step).tolist() for step in steps)


def test_what_breaks_ahead_is_told_at_its_own_step() -> None:
    made = Batches(Slow(10, broken=int(batches().indices(2)[0])), 4, 0)
    made.at(0)
    made.at(1)
    with pytest.raises(DataError, match="is broken"):
        made.at(2)


def test_parts_are_stretches_of_the_batch_that_tell_where_they_lie() -> None:
    whole = batches()
    mine = Batches(whole.examples, 4, 0, parts=lambda count: [range(1, count // 2), range(count // 2, count)])
    for step in (0, 1, 2):
        rows, (inputs, _, _) = mine.at(step)
        count = len(whole.indices(step))
        assert rows == [range(1, count // 2), range(count // 2, count)]
        assert torch.equal(inputs, whole.at(step)[1][0][1:])
