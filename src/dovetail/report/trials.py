"""A search in one picture: its history, what the figure depends on, and a slice along each range."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path
from typing import Any

from ..search.lessons import Slice
from ..tuning.found import PICTURE, Found
from .figure import figure, saved

_COLUMNS = 3


def draw_trials(found: Found) -> Path:
    """Write `tuning.png` into the search's folder."""
    slices = found.lessons.slices if found.lessons else {}
    rows = -(-(2 + len(slices)) // _COLUMNS)
    sheet, axes = figure(_COLUMNS, rows)
    history, importance, *others = axes.ravel()
    _history(history, found)
    if found.lessons:
        shares = sorted(found.lessons.importance.items(), key=lambda pair: pair[1])
        importance.barh([name for name, _ in shares], [100 * share for _, share in shares])
        importance.set(xlabel="% of the variance it explains alone", title="what the figure depends on")
    for axis, (name, one) in zip(others, slices.items(), strict=False):
        _slice(axis, name, one, found)
    for axis in [*([] if found.lessons else [importance]), *others[len(slices) :]]:
        axis.set_axis_off()
    return saved(sheet, found.folder / PICTURE)


def _history(axis: Any, found: Found) -> None:
    """Every trial's figure, and the best so far."""
    known = [trial for trial in found.trials if trial.figure is not None]
    for ended, marker in ((True, "o"), (False, "x")):
        some = [trial for trial in known if (trial.ended == "finished") is ended]
        label = "to its end" if ended else "cut short"
        if some:
            axis.scatter([t.number for t in some], [t.figure for t in some], marker=marker, s=20, label=label)
    best = accumulate((t.figure for t in known if t.figure is not None), min)
    axis.step([t.number for t in known], list(best), where="post", color="C3", label="best so far")
    positive = all(t.figure is not None and t.figure > 0 for t in known)
    axis.set(xlabel="trial", ylabel=f"validation {found.figure}", yscale="log" if positive else "linear")
    axis.legend(fontsize="small")


def _slice(axis: Any, name: str, one: Slice, found: Found) -> None:
    """What is expected along a range, with the trials that were made."""
    words = [value for value in one.values if not isinstance(value, int | float) or isinstance(value, bool)]
    made = [trial for trial in found.trials if trial.figure is not None and name in trial.settings]
    if words:
        places = [str(value) for value in one.values]
        axis.errorbar(places, one.means, _errors(one), fmt="o", capsize=4)
        axis.scatter([str(t.settings[name]) for t in made], [t.figure for t in made], s=10, color="C7")
    else:
        axis.plot(one.values, one.means)
        axis.fill_between(one.values, one.low, one.high, alpha=0.2)
        axis.scatter([t.settings[name] for t in made], [t.figure for t in made], s=10, color="C7")
        axis.set_xscale("log" if one.factors else "linear")
    figures = [trial.figure for trial in made if trial.figure is not None]
    if figures:
        room = (sorted(figures)[len(figures) // 3] - min(figures)) or 1.0
        axis.set_ylim(
            min(figures) - 0.5 * room, min(figures) + 4 * room
        )  # far worse ones would flatten all that matters
    axis.set(xlabel=name)


def _errors(one: Slice) -> list[list[float]]:
    low = [mean - value for mean, value in zip(one.means, one.low, strict=True)]
    return [low, [value - mean for mean, value in zip(one.means, one.high, strict=True)]]
