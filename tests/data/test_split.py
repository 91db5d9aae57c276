"""Splits: sizes, proportions, determinism."""

from __future__ import annotations

import pytest
import torch

from dovetail.data.split import split
from dovetail.recipe.errors import DataError


@pytest.mark.parametrize(
    ("count", "validation", "test", "sizes"),
    [
        (1797, 0.0, 0.2, (1437, 0, 360)),
        (10, 2, 0.3, (5, 2, 3)),
        (10, 0, 0, (10, 0, 0)),
        (3, 1, 1, (1, 1, 1)),
        (100, 0.5, 0.29, (21, 50, 29)),
        (100, 0.0, 0.07, (93, 0, 7)),
        (100, 0.14, 0.28, (58, 14, 28)),
    ],
)
def test_sizes(count: int, validation: float, test: float, sizes: tuple[int, ...]) -> None:
    parts = split(count, validation, test, 0)
    assert tuple(len(parts[name]) for name in ("train", "validation", "test")) == sizes
    assert torch.cat(list(parts.values())).sort().values.tolist() == list(range(count))
    assert all(torch.equal(rows, rows.sort().values) for rows in parts.values())


def test_every_part_has_each_class_in_proportion() -> None:
    classes = torch.tensor([0] * 600 + [1] * 300 + [2] * 100)[torch.randperm(1000)]
    for seed in range(5):
        parts = split(1000, 0.1, 0.2, seed, classes)
        for name, share in (("train", 0.7), ("validation", 0.1), ("test", 0.2)):
            counts = torch.bincount(classes[parts[name]], minlength=3)
            assert (counts - torch.tensor([600, 300, 100]) * share).abs().max() <= 1


def test_a_class_of_one_example_is_trained_on() -> None:
    classes = torch.tensor([0] * 50 + [1])
    assert all(50 in split(51, 0, 0.2, seed, classes)["train"] for seed in range(20))


def test_the_seed_alone_decides() -> None:
    a, b, c = split(100, 0.1, 0.1, 0), split(100, 0.1, 0.1, 0), split(100, 0.1, 0.1, 1)
    torch.manual_seed(7)
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.equal(a["test"], c["test"])


def test_the_test_part_does_not_depend_on_the_validation_part() -> None:
    assert torch.equal(split(100, 0, 0.1, 0)["test"], split(100, 0.3, 0.1, 0)["test"])


@pytest.mark.parametrize(("validation", "test"), [(0, 10), (5, 5), (0.5, 0.5), (0, 300), (0.99, 0)])
def test_nothing_left_to_train_on(validation: float, test: float) -> None:
    with pytest.raises(DataError, match=r"^10 examples do not make .* and leave some to train on$"):
        split(10, validation, test, 0)
