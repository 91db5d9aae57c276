"""What a run writes into its folder as it goes: lines, checkpoints, models. Of several processes the first writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from .checkpoint import Checkpoint, newest_checkpoint, write_checkpoint
from .files import append_line, write_atomically
from .tensors import tensor_bytes

MODEL, BEST, METRICS, TIMING = "model.safetensors", "best.safetensors", "metrics.jsonl", "timing.jsonl"


class Journal:
    """The files of a run; `keep` of the newest checkpoints stay. Raises `RunError` where the disk refuses."""

    def __init__(self, folder: Path, keep: int, writes: bool) -> None:
        self.folder, self.keep, self.writes = folder, keep, writes

    def line(self, record: dict[str, Any]) -> None:
        """A line of metrics, synced: a checkpoint says how long the file was, which no crash may shorten."""
        if self.writes:
            append_line(self.folder / METRICS, json.dumps(record))

    def timing(self, record: dict[str, Any]) -> None:
        if self.writes:
            append_line(self.folder / TIMING, json.dumps(record))

    def model(self, weights: dict[str, Tensor], name: str = MODEL) -> None:
        """The weights alone: of the end of a run, or the best so far."""
        if self.writes:
            write_atomically(self.folder / name, tensor_bytes(weights))

    def checkpoint(self, step: int, tensors: dict[str, Tensor]) -> None:
        """All that a run needs to go on from a step."""
        if self.writes:
            metrics = self.folder / METRICS
            length = metrics.stat().st_size if metrics.exists() else 0
            write_checkpoint(self.folder / "checkpoints", Checkpoint(step, tensors, length), self.keep)

    def newest(self) -> Checkpoint | None:
        """The newest complete checkpoint, or nothing before the first; lines written after it are taken back.

        Raises `RunError` where there are checkpoints and none is complete.
        """
        checkpoint = newest_checkpoint(self.folder / "checkpoints")
        metrics = self.folder / METRICS
        if checkpoint is not None and self.writes and metrics.exists():
            with open(metrics, "r+b") as file:
                file.truncate(min(checkpoint.metrics_bytes, metrics.stat().st_size))
        return checkpoint
