"""Timing: where the milliseconds of a training step go, against what this machine can do."""

from .batches import BatchTimes, time_batches
from .report import Timing, time

__all__ = ["BatchTimes", "Timing", "time", "time_batches"]
