"""A sheet to draw on, and the file it becomes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..recipe.errors import RunError, UsageError


def figure(columns: int = 1, rows: int = 1) -> tuple[Any, Any]:
    """A sheet and its axes, one or an array of them. Raises `UsageError` where matplotlib is not there."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError("pictures need matplotlib: pip install dovetail[report]") from None
    sheet = Figure(figsize=(6 * columns, 4 * rows), layout="constrained")
    FigureCanvasAgg(sheet)
    return sheet, sheet.subplots(rows, columns)


def saved(sheet: Any, path: Path) -> Path:
    """Write the sheet as PNG."""
    try:
        sheet.savefig(path, dpi=120)
    except OSError as error:
        raise RunError(f"cannot write the picture {path}: {error.strerror or error}") from None
    return path
