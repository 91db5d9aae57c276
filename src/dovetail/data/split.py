"""Splits: which examples train, which validate, which test; a function of the data's size and a seed of its own."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ..recipe.draws import generator
from ..recipe.errors import DataError

Share = Annotated[
    Annotated[float, Field(ge=0, lt=1)] | Annotated[int, Field(ge=0)], "a share below 1, or a whole number of examples"
]


def split(
    count: int, validation: float, test: float, seed: int, classes: Tensor | None = None, name: str = ""
) -> dict[str, Tensor]:
    """Indices of the three parts, each in order; with `classes` every class is shared out alike.

    A share is rounded up to whole examples. Raises `DataError`, with the name, where nothing is left to train on.

    >>> parts = split(10, validation=2, test=0.3, seed=0)
    >>> [len(parts[name]) for name in ("train", "validation", "test")]
    [5, 2, 3]
    """
    wanted = {"test": _whole(test, count), "validation": _whole(validation, count)}
    if sum(wanted.values()) >= count:
        raise DataError(
            f"{name}{': ' if name else ''}{count} examples do not make {wanted['test']} for test "
            f"and {wanted['validation']} for validation and leave some to train on"
        )
    order = torch.randperm(count, generator=generator(seed, "split"))
    if classes is not None:
        order = _interleaved(order, classes)
    parts, start = {}, 0
    for name, size in wanted.items():
        parts[name] = order[start : start + size].sort().values
        start += size
    return {"train": order[start:].sort().values, "validation": parts["validation"], "test": parts["test"]}


def _whole(share: float, count: int) -> int:
    return share if isinstance(share, int) else math.ceil(share * count - 1e-9)  # 0.07 * 100 is a little above 7


def _interleaved(order: Tensor, classes: Tensor) -> Tensor:
    """The shuffled order rearranged so that any stretch of it holds the classes in their proportions."""
    position = torch.empty(len(order), dtype=torch.float64)
    shuffled = classes[order]
    for each in torch.unique(shuffled):
        own = (shuffled == each).nonzero()[:, 0]
        position[own] = (torch.arange(len(own), dtype=torch.float64) + 0.5) / len(own)
    return order[position.argsort(stable=True)]
