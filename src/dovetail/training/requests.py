"""What signals ask of a run: to save, or to save and stop."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

STOPPING = (signal.SIGINT, signal.SIGTERM)
HEEDED = (*STOPPING, signal.SIGHUP)  # SIGHUP saves and goes on


class Requests:
    """The signal that came last, a stopping one before any other, until it is taken."""

    def __init__(self) -> None:
        self.asked = 0

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """Within this, signals ask instead of ending the process."""

        def ask(number: int, _: Any) -> None:
            if self.asked not in STOPPING:
                self.asked = number

        before = {}
        try:
            for number in HEEDED:
                before[number] = signal.signal(number, ask)
        except ValueError:  # not the main thread: signals are the caller's business
            before = {}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def told(self) -> list[float]:
        """As numbers that add up over processes: how many were asked by each signal."""
        return [float(self.asked == number) for number in HEEDED]

    def take(self, told: list[float]) -> int:
        """The signal that processes were asked by together, the first of HEEDED; nothing is asked any more."""
        found = next((int(number) for number, count in zip(HEEDED, told, strict=True) if count), 0)
        if found:
            self.asked = 0
        return found
