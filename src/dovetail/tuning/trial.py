"""A trial: one run of a search, cut short where it is worse than those before it, and what it came to."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ..recipe.errors import RecipeError, RunError, UsageError, nearest
from ..recipe.recipe import Recipe
from ..training import Run
from ..training.begin import describe_recipe
from ..training.files import write_atomically
from ..training.run import RECIPE
from .once import Show, carried_out


@dataclass(frozen=True)
class Trial:
    """Settings that were tried, and what came of it.

    `figure` is None where it failed, and `ended` then says why; `examples` is how many it saw; `at` gives the figures
    it had where trials may be cut, so far as it came.
    """

    number: int
    settings: dict[str, Any]
    figure: float | None
    examples: int
    ended: str
    at: list[float]


@dataclass(frozen=True)
class Asked:
    """What a trial is to do: its settings, and above which figure it ends at each of the cuts (None: never)."""

    number: int
    settings: dict[str, Any]
    bounds: list[float | None]


_FILE: TypeAdapter[Asked | Trial] = TypeAdapter(Asked | Trial)


class _Cut(Exception):
    """Raised in a run that is not to go on."""


def with_settings(recipe: Recipe, settings: dict[str, Any]) -> Recipe:
    """The recipe with settings by their dotted paths. Raises `RecipeError` where one does not fit."""
    words = tuple(f"{path}={json.dumps(value)}" for path, value in settings.items())
    return describe_recipe(recipe, words, {})


def run_of(folder: Path, number: int) -> Path:
    """Where the run of a trial lies; a file of the same name beside it tells of the trial."""
    return folder / f"trial-{number:03}"


def written(folder: Path, number: int) -> Asked | Trial | None:
    """What was asked of a trial, or what came of it, as its file tells."""
    file = run_of(folder, number).with_suffix(".json")
    if not file.exists():
        return None
    try:
        one = _FILE.validate_json(file.read_bytes(), strict=True)
        if one.number != number:
            raise ValueError(f"it is trial {one.number}'s")
    except ValueError as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise damaged(folder, number, str(reason)) from None
    return one


def damaged(folder: Path, number: int, reason: str) -> RunError:
    """What is wrong with a trial's file, and what to do."""
    file = run_of(folder, number).with_suffix(".json")
    return RunError(f"{file} is damaged ({reason}); remove it and its folder: the trial is made again")


def keep(folder: Path, one: Asked | Trial) -> None:
    """Write what is asked of a trial, or what came of it."""
    file = run_of(folder, one.number).with_suffix(".json")
    write_atomically(file, (json.dumps(vars(one), indent=1) + "\n").encode())


def carry(recipe: Recipe, folder: Path, asked: Asked, show: Show | None = None) -> Trial:
    """Make a trial of a recipe that has a search, or go on with one that was stopped, and keep what came of it."""
    search = recipe.search
    assert search is not None
    try:
        described = with_settings(dataclasses.replace(recipe, search=None), asked.settings)
        trial = _trained(described, search.figure, cuts(recipe), folder, asked, show)
    except RecipeError as error:
        trial = Trial(asked.number, asked.settings, None, 0, f"cannot be built: {error}", [])
    keep(folder, trial)
    return trial


def cuts(recipe: Recipe) -> list[float]:
    """The shares of a run at which trials may be cut, rising."""
    return sorted(float(cut.strip("% ")) / 100 for cut in recipe.search.cuts) if recipe.search else []


def _trained(
    recipe: Recipe, name: str | None, shares: list[float], folder: Path, asked: Asked, show: Show | None
) -> Trial:
    lines: list[dict[str, Any]] = []

    def judge(line: dict[str, Any]) -> None:
        lines.append(line)
        if _cut_at(_figures(lines, name, shares, recipe.epochs), asked.bounds) is not None:
            raise _Cut

    folder, ended = run_of(folder, asked.number), "finished"
    try:
        if (folder / RECIPE).is_file():
            for line in Run(folder).metrics:  # what a run that was stopped had seen
                judge(line)
        carried_out(recipe, folder, show, on_evaluation=judge)
    except _Cut:
        ended = f"cut at {100 * shares[len(_figures(lines, name, shares, recipe.epochs)) - 1]:g} %"
    except RunError as error:
        if "steps in a row were left out" not in str(error):
            raise
        ended = f"diverged: {error}"
    run = Run(folder)
    judged = [line for line in run.metrics if "validation" in line]
    if not ended.startswith("diverged"):
        kept = min(judged, key=lambda line: figure_of(line, None)) if recipe.stop else judged[-1]
        figure = figure_of(kept, name)
        if not math.isfinite(figure):
            ended = f"diverged: its figure is {figure}"
    if ended.startswith("diverged"):  # its figures, if it has any, are no measure of others
        return Trial(asked.number, asked.settings, None, _examples(run), ended, [])
    at = _figures(run.metrics, name, shares, recipe.epochs)
    return Trial(asked.number, asked.settings, figure, _examples(run), ended, at)


def _examples(run: Run) -> int:
    """How many examples a run saw."""
    epochs = max((line["epoch"] for line in run.metrics if "epoch" in line), default=0)
    return round(epochs * run.facts.sizes["train"])


def _figures(lines: Iterable[dict[str, Any]], name: str | None, shares: list[float], epochs: float) -> list[float]:
    """The figures at the first evaluation from each cut on."""
    judged = [(line["epoch"] / epochs, figure_of(line, name)) for line in lines if "validation" in line]
    firsts = (next((value for done, value in judged if done >= share - 1e-9), None) for share in shares)
    return [value for value in firsts if value is not None]


def _cut_at(figures: list[float], bounds: list[float | None]) -> int | None:
    """The first cut at which the figure is above its bound."""
    pairs = zip(figures, bounds, strict=False)
    return next((place for place, (value, bound) in enumerate(pairs) if bound is not None and value > bound), None)


def figure_of(line: dict[str, Any], name: str | None) -> float:
    """The figure that is searched by, of a line of metrics. Raises `UsageError` where there is none of that name."""
    figures = line["validation"]
    if name is not None and name not in figures:
        raise UsageError(f"search.figure: there is no figure '{name}'. {nearest(name, figures)}")
    return float(figures[name] if name is not None else next(iter(figures.values())))
