"""What changes in a run beside weights and optimizer: a few numbers, saved as tensors in every checkpoint."""

from __future__ import annotations

import math

import torch
from torch import Tensor


class State:
    """Sums since the latest line of metrics, the count of left-out steps, and the best evaluation so far."""

    def __init__(self) -> None:
        self.loss = torch.zeros((), dtype=torch.float64)  # summed since the latest line
        self.count = 0.0  # what to divide it by
        self.skipped = 0.0  # steps left out in the whole run
        self.in_row = 0.0  # of them, the latest ones without a good one between
        self.best = math.inf  # the best value on the validation part

    def tensors(self) -> dict[str, Tensor]:
        return {name: torch.as_tensor(value, dtype=torch.float64).clone() for name, value in vars(self).items()}

    def load(self, tensors: dict[str, Tensor]) -> None:
        for name, tensor in tensors.items():
            setattr(self, name, tensor.clone() if name == "loss" else float(tensor))

    def mean_loss(self) -> float:
        """The mean training loss since the latest line; the sums begin anew."""
        mean = float(self.loss) / self.count if self.count else math.nan
        self.loss.zero_()
        self.count = 0.0
        return mean
