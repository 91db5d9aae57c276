"""Decisions that are taken back where they are not sure enough, by a threshold that validation examples set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .objective import Objective, Statistics

LOWEST, HIGHEST, STEP = -10.0, 30.0, 0.02  # of the log odds that a decision is right
BINS = round((HIGHEST - LOWEST) / STEP)


class Rejecting(Objective):
    """An objective whose decisions are rejected below a probability.

    The one inside must tell `sureness(output)`, (N,) log probabilities of its decisions, and `right(output, target)`,
    (N,) whether they are right. Chow (1970), On optimum recognition error and reject tradeoff.
    """

    threshold: Tensor

    def __init__(self, each: Any) -> None:
        super().__init__()
        self.each, self.width = each, each.width
        self.register_buffer("threshold", torch.tensor(LOWEST, dtype=torch.float64))

    def settle(self, statistics: Statistics, rate: float) -> None:
        """Set the threshold so that of the examples the statistics are of at most the rate is wrong and accepted; where
        none is right, nothing is accepted, however sure."""
        counts = statistics["sureness"]
        self.threshold.fill_(threshold(counts, rate) if counts[1].any() else torch.inf)

    def loss(self, output: Any, target: Any) -> Tensor:
        return self.each.loss(output, target)  # type: ignore[no-any-return]

    def count(self, target: Any) -> Tensor:
        return self.each.count(target)  # type: ignore[no-any-return]

    def margin(self, output: Any, target: Any) -> Tensor:
        return self.each.margin(output, target)  # type: ignore[no-any-return]

    def decode(self, output: Any) -> Any:
        return self.each.decode(output)

    @torch.no_grad()
    def measure(self, output: Any, target: Any) -> Statistics:
        told = histogram(self.each.right(output, target), self.each.sureness(output))
        return {**self.each.measure(output, target), "sureness": told}

    def summary(self, statistics: Statistics) -> dict[str, float]:
        """The figures of the objective, and the shares that are `correct`, `accepted_error` and `reject`;
        `coverage_at_1` is what could be accepted with 1 % wrong of all, told after the fact."""
        counts = statistics["sureness"]
        right, wrong = shares(counts, float(self.threshold))
        told = {"correct": right, "accepted_error": wrong, "reject": max(1 - right - wrong, 0.0)}
        best = {"coverage_at_1": sum(shares(counts, threshold(counts, 0.01)))}
        own = {name: value for name, value in statistics.items() if name != "sureness"}
        return {**self.each.summary(own), **told, **best}

    def details(self, statistics: Statistics) -> dict[str, Any]:
        return self.each.details(statistics)  # type: ignore[no-any-return]

    def pool(self, outputs: Sequence[Any]) -> Any:
        return self.each.pool(outputs)

    @torch.no_grad()
    def describe(self, output: Any) -> list[dict[str, Any]]:
        odds = log_odds(self.each.sureness(output)).tolist()
        least = float(self.threshold)
        return [{**one, "rejected": sure < least} for one, sure in zip(self.each.describe(output), odds, strict=True)]

    def alternatives(self, output: Any, count: int) -> list[list[dict[str, Any]]]:
        return self.each.alternatives(output, count)  # type: ignore[no-any-return]

    def expects(self) -> str:
        return self.each.expects()  # type: ignore[no-any-return]

    def fits(self, shape: Any) -> bool:
        return self.each.fits(shape)  # type: ignore[no-any-return]


def log_odds(log_probability: Tensor) -> Tensor:
    """log p - log (1 - p), exact near 0 and 1.

    >>> log_odds(torch.tensor([0.5, 1 - 1e-6], dtype=torch.float64).log())
    tensor([ 0.0000, 13.8155], dtype=torch.float64)
    """
    p = log_probability.double().clamp(max=0.0)
    return p - (-torch.expm1(p)).clamp(min=1e-300).log()


def histogram(right: Tensor, log_probability: Tensor) -> Tensor:
    """(2, BINS) float64: wrong and right decisions by the log odds of their probability. It adds up over batches."""
    odds = log_odds(log_probability).nan_to_num(LOWEST, HIGHEST, LOWEST)
    places = ((odds - LOWEST) / STEP).clamp(0, BINS - 1).long()
    return torch.bincount(places + BINS * right.long(), minlength=2 * BINS).view(2, BINS).double()


def threshold(counts: Tensor, rate: float) -> float:
    """The lowest log odds from which on the wrong decisions are at most the rate of all there are.

    >>> counts = torch.zeros(2, BINS)
    >>> counts[0, 100], counts[1, 100], counts[1, 300] = 1, 1, 2
    >>> round(threshold(counts, 0.25), 2), round(threshold(counts, 0.1), 2)
    (-10.0, -7.98)
    """
    wrong_from = counts[0].flip(0).cumsum(0).flip(0)
    allowed = (wrong_from <= rate * counts.sum() + 1e-9).nonzero()[:, 0]
    return LOWEST + STEP * int(allowed[0]) if len(allowed) else HIGHEST


def shares(counts: Tensor, least: float) -> tuple[float, float]:
    """The shares of decisions that are right, and wrong, and accepted from such log odds on."""
    total, first = max(float(counts.sum()), 1.0), max(0, round((min(least, HIGHEST) - LOWEST) / STEP))
    return float(counts[1, first:].sum()) / total, float(counts[0, first:].sum()) / total
