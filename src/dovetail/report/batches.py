"""Throughput and time to an error, by batch size."""

from __future__ import annotations

from pathlib import Path

from ..timing.batches import BatchTimes
from .figure import figure, saved


def draw_batches(times: BatchTimes, path: Path) -> Path:
    """Write the curves as PNG; where a size did not come to the error, a cross stands at the time it had."""
    sheet, axes = figure(columns=1 if times.target is None else 2)
    by_size, *to_error = [axes] if times.target is None else axes
    by_size.plot([size.batch for size in times.sizes], [size.examples for size in times.sizes], marker="o")
    by_size.set(ylabel="examples/s")
    for axis in to_error:
        for reached, look in ((True, "C0o-"), (False, "C3x")):
            shown = [size for size in times.sizes if size.reached is reached]
            axis.plot([size.batch for size in shown], [size.seconds for size in shown], look)
        axis.legend(["reached", "not reached"], fontsize="small")
        axis.set(ylabel=f"seconds to a {times.part} error of {100 * (times.target or 0):g} %", yscale="log")
    for axis in (by_size, *to_error):
        axis.set_xscale("log", base=2)
        axis.set(xlabel="batch")
    return saved(sheet, path)
