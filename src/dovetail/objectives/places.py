"""Objectives of single examples at every place of sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ..recipe.sequences import Sequences
from .objective import Objective, Statistics


class Places(Objective):
    """An objective that judges each place of a sequence as if it were an example; a sequence's loss is their sum."""

    def __init__(self, each: Objective) -> None:
        super().__init__()
        self.each, self.width = each, each.width

    def loss(self, output: Sequences, target: Sequences) -> Tensor:  # type: ignore[override]
        return output.having(self.each.loss(output.values, target.values)).sums()

    def count(self, target: Sequences) -> Tensor:  # type: ignore[override]
        return target.having(self.each.count(target.values)).sums()

    def margin(self, output: Sequences, target: Sequences) -> Tensor:
        """(N,): the smallest of the places' margins."""
        each: Any = self.each
        margins = output.having(each.margin(output.values, target.values))
        return margins.padded(float("inf")).amin(1)

    def decode(self, output: Sequences) -> Sequences:  # type: ignore[override]
        return output.having(self.each.decode(output.values))

    def measure(self, output: Any, target: Any) -> Statistics:
        return self.each.measure(output.values, target.values)

    def summary(self, statistics: Statistics) -> dict[str, float]:
        return self.each.summary(statistics)

    def details(self, statistics: Statistics) -> dict[str, Any]:
        return self.each.details(statistics)

    def pool(self, outputs: Sequence[Any]) -> Any:
        return outputs[0].having(self.each.pool([output.values for output in outputs]))

    def describe(self, output: Any) -> list[dict[str, Any]]:
        every, lengths = iter(self.each.describe(output.values)), output.lengths.tolist()
        return [{"places": [next(every) for _ in range(length)]} for length in lengths]

    def alternatives(self, output: Any, count: int) -> list[list[dict[str, Any]]]:
        every, lengths = iter(self.each.alternatives(output.values, count)), output.lengths.tolist()
        return [[{"places": [next(every) for _ in range(length)]}] for length in lengths]

    def expects(self) -> str:
        return f"(N, T, {self.width})"

    def fits(self, shape: Any) -> bool:
        return self.each.fits(shape)

    def sureness(self, output: Any) -> Tensor:
        """(places,): of each place's decision."""
        each: Any = self.each
        return each.sureness(output.values)  # type: ignore[no-any-return]

    def right(self, output: Any, target: Any) -> Tensor:
        """(places,): whether each place's decision is right."""
        each: Any = self.each
        return each.right(output.values, target.values)  # type: ignore[no-any-return]
