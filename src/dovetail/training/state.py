"""What changes in a run beside weights and optimizer: a few tensors, saved in every checkpoint."""

from __future__ import annotations

import torch
from torch import Tensor


class State:
    """Sums since the latest line of metrics, the count of left-out steps, and the best evaluation so far."""

    def __init__(self) -> None:
        self.loss = torch.zeros((), dtype=torch.float64)  # summed since the latest line
        self.count = torch.zeros((), dtype=torch.float64)  # what to divide it by
        self.skipped = torch.zeros((), dtype=torch.int64)  # steps left out in the whole run
        self.in_row = torch.zeros((), dtype=torch.int64)  # of them, the latest ones without a good one between
        self.best = torch.tensor([torch.inf, -1.0], dtype=torch.float64)  # the value, and at which step

    def tensors(self) -> dict[str, Tensor]:
        return dict(vars(self))

    def load(self, tensors: dict[str, Tensor]) -> None:
        for name, tensor in tensors.items():
            getattr(self, name).copy_(tensor)

    def mean_loss(self) -> float:
        """The mean training loss since the latest line; the sums begin anew."""
        mean = float(self.loss / self.count) if self.count else float("nan")
        self.loss.zero_()
        self.count.zero_()
        return mean
