"""Loss against step and against time, a line for every setting that was compared."""

from __future__ import annotations

from pathlib import Path
from statistics import mean

from ..tuning.compare import PICTURE, Comparison
from .figure import figure, saved


def draw_comparison(comparison: Comparison) -> Path:
    """Write `comparison.png` into the comparison's folder: the mean over seeds, and each seed faintly."""
    sheet, (by_step, by_time) = figure(columns=2)
    for number, cell in enumerate(comparison.cells):
        color, curves = f"C{number % 10}", [curve for curve in cell.curves if curve.losses]
        if not curves:
            continue
        for curve in curves if len(curves) > 1 else ():
            by_step.plot(curve.steps, curve.losses, color=color, alpha=0.25, linewidth=0.8)
            by_time.plot(curve.seconds, curve.losses, color=color, alpha=0.25, linewidth=0.8)
        losses = [mean(values) for values in zip(*(curve.losses for curve in curves), strict=False)]
        seconds = [mean(values) for values in zip(*(curve.seconds for curve in curves), strict=False)]
        marker = "o" if len(losses) == 1 else ""
        by_step.plot(curves[0].steps[: len(losses)], losses, color=color, label=cell.name, marker=marker)
        by_time.plot(seconds, losses, color=color, marker=marker)
    for axis, label in ((by_step, "step"), (by_time, "seconds")):
        axis.set(xlabel=label, ylabel="training loss", yscale="log")
    by_step.legend(fontsize="small")
    return saved(sheet, comparison.folder / PICTURE)
