"""What changes in a run beside weights and optimizer: a few numbers, saved as tensors in every checkpoint."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from .tensors import require_alike

_MEMORY = 100.0  # steps over which gradients are averaged to say how long they usually are
_FIRST = 20  # steps before anything is called unusual


class State:
    """Sums since the latest line of metrics, steps left out, how long gradients are, and the best evaluation so far."""

    def __init__(self, parameters: int) -> None:
        self.loss = 0.0  # summed since the latest line
        self.count = 0.0  # what to divide it by
        self.skipped = 0.0  # steps left out in the whole run
        self.in_row = 0.0  # of them, the latest ones without a good one between
        self.blamed = torch.zeros(parameters)  # since the latest line, for how many of them each parameter
        self.norm = 0.0  # the running mean of the gradient's norm
        self.moved = 0.0  # steps that were not left out
        self.best = math.inf  # the best value on the validation part
        self.mark = math.inf  # the latest value that was a gain, where a run may stop early
        self.marked = 0.0  # the step it was seen at
        self.ended = 0.0  # 1 where the run stopped early

    def accept(self, loss: float, count: float, norm: float) -> None:
        """Add a step's summed loss, what it is divided by, and how long its gradient was."""
        self.loss += loss
        self.count += count
        self.in_row = 0.0
        self.moved += 1
        self.norm += (norm - self.norm) / min(self.moved, _MEMORY)

    def leave_out(self, blamed: list[int]) -> None:
        """Count a step that was left out, and the parameters whose gradients were the reason."""
        self.skipped += 1
        self.in_row += 1
        self.blamed[blamed] += 1

    def longest(self, outlier: float | None) -> float:
        """How long a gradient may be: `outlier` times the running mean, once there is one."""
        return outlier * self.norm if outlier is not None and self.moved >= _FIRST else math.inf

    def judge(self, value: float, step: int, gain: float, patience: int) -> None:
        """Hear a value on the validation part; ends the run where none has been a gain for `patience` steps."""
        if value < self.mark - gain:
            self.mark, self.marked = value, float(step)
        self.ended = float(step - self.marked >= patience)

    def tensors(self) -> dict[str, Tensor]:
        return {name: torch.as_tensor(value, dtype=torch.float64).clone() for name, value in vars(self).items()}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `tensors()` gave; raises `ValueError` where it is something else."""
        require_alike(self.tensors(), tensors)
        for name, tensor in tensors.items():
            setattr(self, name, float(tensor) if tensor.dim() == 0 else tensor.float())

    def mean_loss(self) -> float:
        """The mean training loss since the latest line; the sums begin anew."""
        mean = self.loss / self.count if self.count else math.nan
        self.loss = self.count = 0.0
        return mean

    def blame(self) -> list[int]:
        """Which parameters were the reason that steps were left out since the latest line; the counts begin anew."""
        found: list[int] = self.blamed.nonzero()[:, 0].tolist()
        self.blamed.zero_()
        return found


def diverged(step: int, loss: float, norm: float, state: State, names: list[str], folder: Path) -> str:
    """Why a run stops that leaves out step after step, and what to do about it; `names` are the parameters to blame."""
    where = f"{', '.join(names[:4])}{' ...' if len(names) > 4 else ''}"
    if not math.isfinite(loss):
        reason = f"here the loss is {loss}"
    elif not math.isfinite(norm):
        reason = f"here the gradient is not finite in {where}"
    else:
        reason = f"here the gradient's norm is {norm:.4g} (usual: {state.norm:.4g}), most in {where}"
    return (
        f"step {step}: {int(state.in_row)} steps in a row were left out; {reason}. Nothing of them reached "
        "the weights. Lower the rate or clip the gradient (optimizer.clip=1) in a new run; "
        f"start={folder} begins it with the weights of this one's newest checkpoint"
    )
