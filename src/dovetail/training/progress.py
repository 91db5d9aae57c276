"""What a user sees while a run goes: a bar on a terminal, a line an evaluation everywhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from .trainer import Trainer


def line(record: dict[str, Any], epochs: float) -> str:
    """One evaluation in one line.

    >>> line({"step": 938, "epoch": 1.0, "rate": 0.01, "train": {"loss": 0.25}, "validation": {"error": 0.021}}, 10)
    'epoch 1/10  step 938  rate 0.01  train loss 0.2500  validation error 2.10 %'
    """
    words = [f"epoch {record['epoch']:g}/{epochs:g}", f"step {record['step']}", f"rate {record['rate']:.4g}"]
    words.append(f"train loss {record['train']['loss']:.4f}")
    if "validation" in record:
        name, value = next(iter(record["validation"].items()))
        words.append(f"validation {figure(name, value)}")
    if "stopped" in record:
        words.append(f"stopped: {record['stopped']}")
    if "skipped" in record:
        words.append(f"left out {record['skipped']['steps']} steps ({', '.join(record['skipped']['because_of'][:3])})")
    return "  ".join(words)


def figure(name: str, value: float) -> str:
    """A figure as people read it: errors in percent."""
    return f"{name} {100 * value:.2f} %" if name.endswith("error") else f"{name} {value:.4f}"


def closing(figures: dict[str, Any]) -> str:
    """Test figures in one line: the error with its count and standard error, or the first figures there are."""
    count = figures.get("count", 0)
    if "error" in figures and "standard_error" in figures:
        wrong = round(figures["error"] * count)
        deviation = 100 * figures["standard_error"]
        text = f"test error {100 * figures['error']:.2f} % +- {deviation:.2f} ({wrong} of {count} wrong)"
        if "character_error" in figures:
            text += f", of characters {100 * figures['character_error']:.2f} %"
        if figures.get("unspelled"):
            text += f"; no path spells {100 * figures['unspelled']:.1f} % of the strings"
        if "reject" in figures:
            correct, stands, reject = (100 * figures[name] for name in ("correct", "accepted_error", "reject"))
            text += f"; {correct:.1f} % correct, {stands:.1f} % wrong and accepted, {reject:.1f} % rejected"
        return text
    shown = [figure(name, value) for name, value in figures.items() if isinstance(value, float)]
    return f"test {', '.join(shown)} ({count} examples)"


class Progress:
    """Shows a run on stderr: `with Progress() as show: dt.train(..., show=show)`."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet, self.bar, self.task = quiet, None, None  # type: Any, Any, Any
        self.drawn = 0.0

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar is not None:
            self.bar.stop()

    def __call__(self, trainer: Trainer, record: dict[str, Any] | None) -> None:
        if self.quiet:
            return
        if sys.stderr.isatty():
            self._draw(trainer, record)
        elif record:
            print(line(record, trainer.recipe.epochs), file=sys.stderr, flush=True)

    def _draw(self, trainer: Trainer, record: dict[str, Any] | None) -> None:
        now = time.monotonic()
        if record is None and now - self.drawn < 0.1:  # ten pictures a second are enough, and cost nothing
            return
        self.drawn = now
        if self.bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self.bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self.bar.start()
            self.task = self.bar.add_task("training", total=trainer.span.total, completed=trainer.t)
        if record:
            self.bar.console.print(line(record, trainer.recipe.epochs), highlight=False)
        self.bar.update(self.task, completed=trainer.t)
