"""Sources: where examples come from, in parts, many at a time, in compact storage."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..recipe.errors import DataError
from ..recipe.facts import Facts, Target

PARTS = ("train", "validation", "test")
Fetched = tuple[Any, Any, Tensor | None]  # inputs and targets, tensors or sequences, and weights


class Examples(ABC):
    """One part of a source; `slow` where fetching takes so long that the next batch is better fetched meanwhile."""

    slow = False
    lengths: Tensor | None = None  # how long each is, where they are sequences

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def fetch(self, indices: Tensor) -> Fetched:
        """Stored inputs (N, ...), targets (N, ...) and weights (N,) or nothing, for many indices at once."""


class InMemory(Examples):
    """Examples held as tensors; fetching is a gather.

    >>> InMemory(torch.arange(5) * 10, torch.arange(5)).fetch(torch.tensor([3, 1]))
    (tensor([30, 10]), tensor([3, 1]), None)
    """

    def __init__(self, inputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> None:
        assert len(inputs) == len(targets)
        self.inputs, self.targets, self.weights = inputs, targets, weights

    def __len__(self) -> int:
        return len(self.inputs)

    def fetch(self, indices: Tensor) -> Fetched:
        weights = None if self.weights is None else self.weights.index_select(0, indices)
        return self.inputs.index_select(0, indices), self.targets.index_select(0, indices), weights

    def select(self, indices: Tensor) -> InMemory:
        """These examples alone."""
        return InMemory(*self.fetch(indices))


class Relabelled(Examples):
    """Examples whose classes are numbered as another source numbers them."""

    def __init__(self, examples: Examples, numbers: Tensor) -> None:
        self.examples, self.numbers = examples, numbers

    def __len__(self) -> int:
        return len(self.examples)

    def fetch(self, indices: Tensor) -> Fetched:
        inputs, targets, weights = self.examples.fetch(indices)
        return inputs, self.numbers[targets], weights


class Source(ABC):
    """Data with a training, a validation and a test part, each of which may be empty but the first.

    Making one checks what is cheap (files are there, options fit); the data are read when they are first asked for.
    """

    name = "the data"
    remark = ""  # what a user should hear once the data are read

    @abstractmethod
    def load(self) -> tuple[Facts, dict[str, Examples]]:
        """Read the data: facts, and the three parts."""

    @cached_property
    def loaded(self) -> tuple[Facts, dict[str, Examples]]:
        facts, parts = self.load()
        if not len(parts["train"]):
            raise DataError(f"{self.name}: the training part is empty; {_sizes(parts)}")
        return facts, parts

    @property
    def facts(self) -> Facts:
        """What the data are like; statistics come from the training part only."""
        return self.loaded[0]

    def part(self, name: str) -> Examples:
        """One of `train`, `validation`, `test`."""
        return self.loaded[1][name]

    def require_same(self, facts: Facts) -> None:
        """Raise `DataError` where these are not the data that gave the facts."""
        if facts.fingerprint != self.facts.fingerprint:
            raise DataError(
                f"{self.name}: the data have changed since the run began "
                f"({_sizes(self.loaded[1])} now; {', '.join(f'{n} {k}' for k, n in facts.sizes.items())} then)"
            )

    def adopt(self, facts: Facts) -> None:
        """Take these data as more of those that gave the facts: same inputs, classes numbered as there.

        Raises `DataError` where they do not fit.
        """
        own, parts = self.loaded
        if own.input.told != facts.input.told:
            raise DataError(f"{self.name}: {own.input.told}, the run takes {facts.input.told}")
        self.loaded = facts, relabelled(self.name, parts, own.target, facts.target)


def relabelled(name: str, parts: dict[str, Examples], own: Target, target: Target) -> dict[str, Examples]:
    """The parts with their classes numbered as in another target; raises `DataError` for classes it has not."""
    if own.form != target.form:
        raise DataError(f"{name}: the target is of {own.form}, the run predicts {target.form}")
    if own.form != "class" and own.width != target.width:
        raise DataError(f"{name}: the target has {own.width} {own.form}, the run predicts {target.width}")
    if own.form != "class" or own.names == target.names:
        return parts
    unknown = [label for label in own.names if label not in target.names]
    if unknown:
        raise DataError(f"{name}: the run knows no class '{unknown[0]}'; its classes: {', '.join(target.names)}")
    numbers = torch.tensor([target.names.index(label) for label in own.names])
    return {key: Relabelled(part, numbers) for key, part in parts.items()}


def sizes(parts: dict[str, Examples]) -> dict[str, int]:
    """How many examples each part has."""
    return {name: len(parts[name]) for name in PARTS}


def _sizes(parts: dict[str, Examples]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sizes(parts).items())


def shape_text(shape: list[int]) -> str:
    """`1x28x28`."""
    return "x".join(map(str, shape))


def fingerprint(*arrays: Tensor | np.ndarray | str) -> str:
    """A hash of contents, shapes and types: the same data give the same text, on any machine."""
    digest = hashlib.sha256()
    for item in arrays:
        if isinstance(item, str):
            digest.update(item.encode())
            continue
        array = np.ascontiguousarray(item.numpy() if isinstance(item, Tensor) else item)
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.data if array.size else b"")
    return digest.hexdigest()
