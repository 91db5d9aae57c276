"""Throughput and time to an error, by batch size."""

from __future__ import annotations

from pathlib import Path

from ..timing.batches import BatchTimes
from .figure import figure, saved


def draw_batches(times: BatchTimes, path: Path) -> Path:
    """Write the curves as PNG; where a size did not come to the error, a cross stands at the time it had."""
    sheet, axes = figure(columns=1 if times.target is None else 2)
    by_size = axes if times.target is None else axes[0]
    by_size.plot([size.batch for size in times.sizes], [size.examples for size in times.sizes], marker="o")
    by_size.set(ylabel="examples/s")
    if times.target is not None:
        there = [size for size in times.sizes if size.reached]
        short = [size for size in times.sizes if not size.reached]
        axes[1].plot([size.batch for size in there], [size.seconds for size in there], marker="o")
        late = [size.seconds for size in short]
        axes[1].plot([size.batch for size in short], late, "x", color="C3", label="not reached")
        axes[1].set(ylabel=f"seconds to a {times.part} error of {100 * times.target:g} %", yscale="log")
        if short:
            axes[1].legend(fontsize="small")
    for axis in [by_size] if times.target is None else axes:
        axis.set_xscale("log", base=2)
        axis.set(xlabel="batch")
    return saved(sheet, path)
