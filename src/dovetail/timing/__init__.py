"""Timing: where the milliseconds of a training step go, against what this machine can do."""

from .report import Timing, time

__all__ = ["Timing", "time"]
