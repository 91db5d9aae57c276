"""A line that was read: its image, the best path through its pieces, and the lattice of all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..training.lines import Line
from .figure import figure, saved

_FAINT = 0.02  # pieces less probable are drawn without their names


def draw_line(line: Line, path: Path) -> Path:
    """Write a picture: the line with the cuts of its best path, and each piece as an arc, dark where it is probable."""
    sheet, (above, below) = figure(rows=2)
    sheet.set_size_inches(max(6.0, line.image.shape[1] / 14), 4.5)
    above.imshow(line.image.numpy(), cmap="gray_r", aspect="auto")
    sheet.suptitle(f"{line.answer['text']}   {100 * line.answer['probability']:.1f} %")
    above.set_axis_off()
    for piece in line.pieces:
        if piece.chosen:
            for place in (piece.begin, piece.end):
                above.axvline(place - 0.5, color="C3", linewidth=1)
            above.text((piece.begin + piece.end) / 2, -1, piece.text, color="C3", ha="center", va="bottom")
        _draw_arc(below, piece)
    if line.pieces:
        below.set(xlim=(-0.5, line.image.shape[1] - 0.5), yticks=[], xlabel="column")
    else:
        below.set_axis_off()
    return saved(sheet, path)


def _draw_arc(axis: Any, piece: Any) -> None:
    t = np.linspace(0, np.pi, 30)
    middle, half = (piece.begin + piece.end) / 2, (piece.end - piece.begin) / 2
    color = "C3" if piece.chosen else "C0"
    axis.plot(middle - half * np.cos(t), half * np.sin(t), color=color, alpha=0.15 + 0.85 * piece.probability)
    if piece.probability > _FAINT:
        axis.text(middle, half, f"{piece.text} {piece.probability:.2f}", color=color, ha="center", fontsize=7)
