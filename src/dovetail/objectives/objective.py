"""What an objective is: an output model that owns the loss, the decision and the measure."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

Statistics = dict[str, Tensor]


class Objective(nn.Module):
    """An output model: how far an output is from its target, what is decided from it, and how good decisions are.

    Shapes: `output` (N, ...) is the network's, `target` (N, ...) the data's, either may be `Sequences`; `loss` and
    `count` give (N,). It computes in float32 or better. Subclasses may own parameters.
    """

    width: int | None = None
    """What `outputs` becomes in the network."""

    @abstractmethod
    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """(N,): one number an example, the sum over its parts; in nats where it is a likelihood."""

    def count(self, target: Tensor) -> Tensor:
        """(N,): what the summed loss is divided by; 1 an example, the tokens of a sequence."""
        return torch.ones(len(target), device=target.device)

    @abstractmethod
    def decode(self, output: Tensor) -> Any:
        """The decision: a class, a value, a path."""

    @abstractmethod
    def measure(self, output: Tensor, target: Tensor) -> Statistics:
        """Statistics in float64 that add up over batches, processes and interruptions."""

    @abstractmethod
    def summary(self, statistics: Statistics) -> dict[str, float]:
        """Figures from the sums; the first is the one that tells better from worse (lower is better)."""

    def details(self, statistics: Statistics) -> dict[str, Any]:
        """More than figures, JSON-ready, for `test --json`."""
        return {}

    def pool(self, outputs: Sequence[Tensor]) -> Tensor:
        """One output from those of several networks, for their vote: the mean, unless the objective knows better."""
        return torch.stack(list(outputs)).mean(0)

    def describe(self, output: Tensor) -> list[dict[str, Any]]:
        """One JSON-ready answer an example, for `predict`."""
        return [{"value": value} for value in torch.as_tensor(self.decode(output)).tolist()]

    def alternatives(self, output: Tensor, count: int) -> list[list[dict[str, Any]]]:
        """The so many most probable answers of each example, JSON-ready, each with its probability."""
        raise ValueError("has no alternatives: it does not decide between answers")

    def expects(self) -> str:
        """The shape of output it takes, in words, for the message when the network gives another."""
        return f"(N, {self.width})"

    def fits(self, shape: torch.Size) -> bool:
        """Whether an output of this shape can be judged; of sequences it is the shape of their places."""
        return len(shape) == 2 and shape[1] == self.width


def alike(output: Tensor, target: Tensor) -> None:
    """Refuse an output and a target of different shapes, which PyTorch would stretch into one another."""
    if output.shape != target.shape:
        raise ValueError(f"the output is {tuple(output.shape)}, the target {tuple(target.shape)}: they must agree")
