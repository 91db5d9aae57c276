"""What changes in a run beside weights and optimizer: a few numbers, saved as tensors in every checkpoint."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_MOST_PENDING = 256


class State:
    """Sums since the latest line of metrics, the count of left-out steps, and the best evaluation so far."""

    def __init__(self) -> None:
        self.loss = 0.0  # summed since the latest line
        self.count = 0.0  # what to divide it by
        self.skipped = 0.0  # steps left out in the whole run
        self.in_row = 0.0  # of them, the latest ones without a good one between
        self.best = math.inf  # the best value on the validation part
        self._pending: list[Tensor] = []

    def add(self, loss: Tensor, count: float) -> None:
        """Add a step's summed loss; it stays a tensor for a while, so that no step waits for its value."""
        self._pending.append(loss)
        self.count += count
        if len(self._pending) >= _MOST_PENDING:
            self._settle()

    def _settle(self) -> None:
        # one after the other, so that the sum does not depend on when this happens
        for value in torch.stack(self._pending).tolist() if self._pending else ():
            self.loss += value
        self._pending.clear()

    def tensors(self) -> dict[str, Tensor]:
        self._settle()
        numbers = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in numbers.items()}

    def load(self, tensors: dict[str, Tensor]) -> None:
        for name, tensor in tensors.items():
            setattr(self, name, float(tensor))

    def mean_loss(self) -> float:
        """The mean training loss since the latest line; the sums begin anew."""
        self._settle()
        mean = self.loss / self.count if self.count else math.nan
        self.loss = self.count = 0.0
        return mean
