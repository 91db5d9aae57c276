"""What objectives over the tags of a sequence share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..recipe.facts import Target
from .chunks import Chunks, f1, mark_chunks
from .classification import require
from .objective import Objective, Statistics


class Tagger(Objective):
    """What objectives over the tags of a sequence share: how many places, chunks and sequences are right."""

    def __init__(self, data: Target, name: str) -> None:
        super().__init__()
        require(data, ("tags",), name)
        self.width, self.names = data.width, data.names
        self.chunks = Chunks(data.names) if mark_chunks(data.names) else None

    def count(self, target: Any) -> Tensor:
        """(N,): the places of each sequence."""
        lengths: Tensor = target.lengths
        return lengths.float()

    @torch.no_grad()
    def measure(self, output: Any, target: Any) -> Statistics:
        decided = self.decode(output)
        wrong = decided.having((decided.values != target.values).double()).sums()
        statistics = {
            "count": torch.tensor(len(target.values), dtype=torch.float64),
            "sequences": torch.tensor(len(target), dtype=torch.float64),
            "loss": self.loss(output, target).double().sum(),
            "wrong": wrong.sum(),
            "inexact": (wrong > 0).double().sum(),
        }
        if self.chunks is not None:
            statistics["chunks"] = self.chunks.count(decided, target)
        return statistics

    def right(self, output: Any, target: Any) -> Tensor:
        """(N,): whether all tags of a sequence are right."""
        decided = self.decode(output)
        right: Tensor = decided.having((decided.values != target.values).double()).sums() == 0
        return right

    @abstractmethod
    def sureness(self, output: Any) -> Tensor:
        """(N,): the log probability of the tags decided on, as a whole."""

    @torch.no_grad()
    def describe(self, output: Any) -> list[dict[str, Any]]:
        tags, likely = iter(self.decode(output).values.tolist()), self.sureness(output).exp().tolist()
        lengths = output.lengths.tolist()
        return [
            {"tags": [self.names[next(tags)] for _ in range(length)], "probability": p}
            for length, p in zip(lengths, likely, strict=True)
        ]

    def summary(self, statistics: Statistics) -> dict[str, float]:
        """`error`, the share of wrong places; of chunks `f1`, `precision` and `recall`; `exact`, the share of sequences
        that are right throughout; the mean `loss` a place in nats."""
        count, figures = max(float(statistics["count"]), 1.0), {}
        if self.chunks is not None:
            right, found, there = statistics["chunks"].sum(0).tolist()
            figures = {
                "f1": f1(right, found, there),
                "precision": right / max(found, 1),
                "recall": right / max(there, 1),
            }
        sequences = max(float(statistics["sequences"]), 1.0)
        return {
            "error": float(statistics["wrong"]) / count,
            **figures,
            "exact": 1 - float(statistics["inexact"]) / sequences,
            "loss": float(statistics["loss"]) / count,
        }

    def details(self, statistics: Statistics) -> dict[str, Any]:
        """Of each type of chunk its F1, and how many there are."""
        if self.chunks is None:
            return {}
        rows = zip(self.chunks.types, statistics["chunks"].tolist(), strict=True)
        return {"chunks": {of: {"f1": f1(*row), "count": int(row[2])} for of, row in rows if sum(row)}}

    def pool(self, outputs: Sequence[Any]) -> Any:
        raise ValueError("sequences judged as wholes cannot be put to a vote yet")

    def expects(self) -> str:
        return f"(N, T, {self.width})"

    def fits(self, shape: Any) -> bool:
        return len(shape) == 2 and shape[1] == self.width
