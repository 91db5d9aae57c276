"""Who looks on while a run goes, and how it tells that it was asked to stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..recipe.errors import DovetailError


@dataclass(frozen=True)
class Hooks:
    """Functions that observe a run and change nothing: each gets figures, never the tensors.

    `on_step(step, loss)` after every step, `on_evaluation(record)` with every line of metrics.
    """

    on_step: Callable[[int, float], None] | None = None
    on_evaluation: Callable[[dict[str, Any]], None] | None = None


class Stopped(DovetailError):
    """The run was asked to stop; it is saved. `signal` is which signal asked."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + number
