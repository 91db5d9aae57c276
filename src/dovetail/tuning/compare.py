"""Comparison: a grid of settings, several seeds each, in one table and one picture."""

from __future__ import annotations

import dataclasses
import json
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ..recipe.errors import RecipeError, RunError, UsageError
from ..recipe.facts import Facts
from ..recipe.recipe import Recipe
from ..recipe.span import Span
from ..training import Run, Stopped
from ..training.begin import describe_recipe, make_folder
from ..training.files import write_atomically
from ..training.journal import TIMING
from ..training.lock import held
from ..training.machine import resolved
from ..training.progress import figure
from ..training.run import make_source
from ..training.show import laid_out
from ..training.tables import aligned
from .grid import Cell, cells
from .once import Show, carried_out, folder_name

FILE, PICTURE = "comparison.json", "comparison.png"


@dataclass(frozen=True)
class Curve:
    """How a run went: steps, seconds of training, and mean losses since the point before."""

    steps: list[int]
    seconds: list[float]
    losses: list[float]


@dataclass(frozen=True)
class Compared:
    """The runs of one cell: the figure of each seed (None where it diverged), and how each went."""

    name: str
    words: list[str]
    figures: list[float | None]
    reasons: list[str]
    curves: list[Curve]

    @property
    def known(self) -> list[float]:
        return [value for value in self.figures if value is not None]

    def worse_than(self, other: Compared) -> list[float]:
        """By how much, seed by seed, where neither diverged."""
        pairs = zip(self.figures, other.figures, strict=True)
        return [own - theirs for own, theirs in pairs if own is not None and theirs is not None]


@dataclass(frozen=True)
class Comparison:
    """Cells in the order of the grid; `figure` is what was measured, on which part, lower better."""

    folder: Path
    figure: str
    part: str
    cells: list[Compared]

    def plain(self) -> dict[str, Any]:
        compared = [{**vars(cell), "curves": [vars(curve) for curve in cell.curves]} for cell in self.cells]
        return {"folder": str(self.folder), "figure": self.figure, "part": self.part, "cells": compared}

    def __str__(self) -> str:
        head = ("settings", f"{self.part} {self.figure}", "deviation", "than the first", "last loss", "seconds")
        rows: list[tuple[str, ...]] = [head, *(self._row(cell) for cell in self.cells)]
        best = min(self.cells, key=lambda cell: statistics.mean(cell.known) if cell.known else math.inf)
        rows.append((f"best: {best.name}" if best.known else "all diverged", "", "", "", "", ""))
        lines = aligned(rows, left=1)
        alike = [cell.name for cell in self.cells if cell is not best and _alike(best, cell)]
        if alike:
            lines.append(f"no worse within the error of measurement: {', '.join(alike)}")
        return "\n".join(lines)

    def _row(self, cell: Compared) -> tuple[str, ...]:
        lost = sum(value is None for value in cell.figures)
        note = f" ({lost} of {len(cell.figures)} diverged)" if lost else ""
        if not cell.known:
            return (cell.name + note, "", "", "", "", "")
        scale = 100 if self.figure.endswith("error") else 1
        deviation = f"{scale * statistics.stdev(cell.known):.3f}" if len(cell.known) > 1 else ""
        curves = [curve for curve in cell.curves if curve.losses]
        loss = statistics.mean(curve.losses[-1] for curve in curves)
        seconds = statistics.median(curve.seconds[-1] for curve in curves)
        mean = figure(self.figure, statistics.mean(cell.known)).removeprefix(self.figure).strip()
        return (cell.name + note, mean, deviation, self._against_first(cell, scale), f"{loss:.4f}", f"{seconds:.1f}")

    def _against_first(self, cell: Compared, scale: float) -> str:
        """The mean difference from the first cell, seed by seed, with its standard error."""
        differences = [scale * one for one in cell.worse_than(self.cells[0])]
        if cell is self.cells[0] or not differences:
            return ""
        error = f" +- {statistics.stdev(differences) / len(differences) ** 0.5:.3f}" if len(differences) > 1 else ""
        return f"{statistics.mean(differences):+.3f}{error}"


def _alike(best: Compared, other: Compared) -> bool:
    """Whether, seed by seed, another is worse by no more than two standard errors; of one seed nothing is known."""
    worse = other.worse_than(best)
    if len(worse) < 2 or len(worse) < len(best.figures):
        return False
    return bool(statistics.mean(worse) <= 2 * statistics.stdev(worse) / len(worse) ** 0.5)


def compare(
    recipe: str | Recipe,
    *overrides: str,
    seeds: int = 1,
    run: str | None = None,
    show: Show | None = None,
    say: Callable[[str], None] | None = None,
) -> Comparison:
    """Train every choice of the values that overrides list, with several seeds, the same data in the same order.

    `"optimizer.rule=sgd,adam"` lists two values. Runs lie under runs/NAME, a folder each; what is finished there is not
    trained again, so that a comparison that was stopped goes on. `comparison.json` holds everything, `comparison.png`
    loss against step and against time. A run that diverges counts as lost, and the others go on. Raises `UsageError`
    where nothing varies or the folder holds something else.

    >>> import dovetail as dt
    >>> found = dt.compare("softmax-regression", "data=digits", "batch=50,200", "epochs=1", run="doctest")
    >>> [cell.name for cell in found.cells]
    ['batch=50', 'batch=200']
    """
    grid = cells(overrides)
    if len(grid) * seeds < 2:
        raise UsageError("nothing to compare: list values between commas, optimizer.rule=sgd,adam, or take --seeds 5")
    settings = [_described(recipe, cell) for cell in grid]  # all of them are checked before any is trained
    if seeds > 1 and len({described.seed for described in settings}) > 1:
        raise UsageError(f"the seed varies already, and --seeds {seeds} varies it, too; give one of them")
    _lay_out(grid, settings)
    stem = Path(recipe).stem if isinstance(recipe, str) else "run"
    name = run or f"{stem}-compared-{datetime.now():%Y%m%d-%H%M%S}"
    folder = Path(name) if "/" in name else Path("runs") / name
    make_folder(folder)
    found: list[list[tuple[Run | None, str]]] = [[] for _ in grid]
    with held(folder):
        for seed in range(seeds):
            for number, (cell, described) in enumerate(zip(grid, settings, strict=True)):
                if say:
                    say(f"{cell.name}  seed {described.seed + seed}")
                seeded = dataclasses.replace(described, seed=described.seed + seed)
                found[number].append(_trained(seeded, folder / f"{number}-seed{seeded.seed}", show, folder))
        comparison = gathered(folder, grid, found)
        write_atomically(folder / FILE, (json.dumps(comparison.plain(), indent=1) + "\n").encode())
    return comparison


def _described(recipe: str | Recipe, cell: Cell) -> Recipe:
    return describe_recipe(recipe, tuple(cell.words), {})


def _lay_out(grid: Sequence[Cell], settings: Sequence[Recipe]) -> None:
    """Raise `RecipeError`, with the cell's name, where one cannot be laid out."""
    known: dict[str, Facts] = {}  # of data, which many cells share
    for cell, recipe in zip(grid, settings, strict=True):
        data = repr(recipe.data)
        if data not in known:
            known[data] = make_source(recipe.data, Path.cwd()).facts
        try:
            laid_out(resolved(recipe), known[data], Span(1, 1))
        except RecipeError as error:
            raise RecipeError(f"{cell.name}: {error}" if len(grid) > 1 else str(error)) from None


def _trained(recipe: Recipe, folder: Path, show: Show | None, whole: Path) -> tuple[Run | None, str]:
    """The run, or why there is none."""
    lost = folder / "diverged.txt"
    if lost.exists():
        return None, lost.read_text()
    try:
        return carried_out(recipe, folder, show), ""
    except Stopped as stopped:
        message = f"{stopped}".split(". Go on with")[0]
        go_on = f"{message}. To go on, the same command and run={folder_name(whole)}"
        raise Stopped(go_on, stopped.exit_code - 128) from None
    except RunError as error:
        if "steps in a row were left out" not in str(error):
            raise
        write_atomically(lost, str(error).encode())
        return None, str(error)


def gathered(folder: Path, grid: Sequence[Cell], found: Sequence[Sequence[tuple[Run | None, str]]]) -> Comparison:
    """What runs of a grid's cells came to."""
    runs = [run for cell in found for run, _ in cell if run is not None]
    if not runs:
        raise RunError(f"every run in {folder} diverged; the first: {found[0][0][1]}")
    part, name = _measured(runs[0])
    compared = []
    for cell, outcomes in zip(grid, found, strict=True):
        figures = [None if run is None else float(_last(run, part)[name]) for run, _ in outcomes]
        curves = [Curve([], [], []) if run is None else curve(run) for run, _ in outcomes]
        compared.append(Compared(cell.name, cell.words, figures, [reason for _, reason in outcomes], curves))
    return Comparison(folder, name, part, compared)


def _measured(run: Run) -> tuple[str, str]:
    """The part that figures are of, and which figure tells better from worse: the first that an objective gives."""
    part = next(name for name in ("test", "validation", "train") if _last(run, name))
    return part, next(iter(_last(run, part)))


def _last(run: Run, part: str) -> dict[str, Any]:
    return next((line[part] for line in reversed(run.metrics) if part in line), {})


def curve(run: Run) -> Curve:
    """How a run went, from what it wrote."""
    losses = {line["step"]: line["train"]["loss"] for line in run.metrics if "train" in line}
    file = run.path / TIMING
    lines = [json.loads(text) for text in file.read_text().splitlines()] if file.exists() else []
    times = {line["step"]: line["seconds"] for line in lines}
    steps = [step for step in losses if step in times]
    return Curve(steps, [times[step] for step in steps], [losses[step] for step in steps])
