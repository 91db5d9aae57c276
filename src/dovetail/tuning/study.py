"""A study: a search under way, its trials, and what the next one is to try."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..recipe.errors import RecipeError, UsageError
from ..recipe.override import COMMAND_LINE
from ..recipe.place import fail
from ..recipe.recipe import Recipe, load
from ..recipe.span import Span
from ..recipe.spec import Spec
from ..search.propose import propose, spread
from ..search.space import Array, Space
from ..training.evaluate import figures_told
from ..training.files import write_atomically
from ..training.machine import resolved
from ..training.run import RECIPE, make_source
from ..training.show import laid_out
from .trial import Asked, Trial, cuts, damaged, figure_of, keep, with_settings, written

_FEWEST = 4  # trials that a cut is judged by
_EXAMPLE = "search: {space: {optimizer.rate: {log: [0.001, 0.1]}}}"


class Study:
    """The search of a recipe in a folder; ranges are checked, and that there is a judge, before `take_up` begins it.

    Raises `UsageError` where there is nothing to search or to judge by, or no such figure, and `RecipeError` where a
    range does not fit its setting or the recipe cannot be laid out.
    """

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        if recipe.search is None:
            raise UsageError(f"the recipe has no search. Name what to look for: {_EXAMPLE}")
        self.search, self.folder = recipe.search, folder
        self.space = Space(self.search.space)
        if recipe.threads == "auto":  # as many for each as there are when all run at a time
            recipe = dataclasses.replace(recipe, threads=max(1, torch.get_num_threads() // self.search.parallel))
        self.recipe = resolved(recipe)
        require_fitting(self.recipe, self.space, self.search.space)
        source = make_source(recipe.data, Path.cwd())
        laid_out(self.recipe, source.facts, Span(1, 1))
        if not len(source.part("validation")):
            name = recipe.data.name
            raise UsageError(
                f"tuning judges by validation examples, and the recipe keeps none: data.{name}.validation=0.2"
            )
        if self.search.figure is not None:
            figure_of({"validation": figures_told(self.recipe, source)}, self.search.figure)
        self.settings: dict[int, dict[str, Any]] = {}  # of trials under way, too
        self.trials: dict[int, Trial] = {}
        self.to_make: list[int] = []

    def take_up(self) -> None:
        """Begin in the folder, or go on with what is there.

        Raises `UsageError` where it holds another search, and `RunError` where the file of a trial is damaged.
        """
        self._settle()
        there = [self._written(number) for number in range(1, self.search.trials + 1)]
        self.settings = {one.number: one.settings for one in there if one is not None}
        self.trials = {one.number: one for one in there if isinstance(one, Trial)}
        self.to_make = [number for number in range(1, len(there) + 1) if number not in self.trials]

    def _settle(self) -> None:
        """Keep the recipe where there is none, or the same with another number of trials."""
        file = self.folder / RECIPE
        if file.exists():
            there = load(str(file))
            if there.search is None or _but_trials(there) != _but_trials(self.recipe):
                raise UsageError(f"{self.folder} holds something else; name another folder: run=NAME")
        write_atomically(file, self.recipe.write(complete=True).encode())

    def _written(self, number: int) -> Asked | Trial | None:
        """What the file of a trial tells, if it is one of this search."""
        one = written(self.folder, number)
        if one is not None and not self.space.holds(one.settings):
            raise damaged(self.folder, number, f"the search never tries {json.dumps(one.settings)}")
        return one

    def ask(self) -> Asked | None:
        """The next trial to make, kept in its file; None where it is to know of one under way, or there is none."""
        number = self.to_make[0] if self.to_make else 0
        known = range(1, number - self.search.parallel + 1)
        if not number or any(k not in self.trials for k in known):
            return None
        one = self._written(number)
        if one is None:
            one = self._chosen(number, [self.trials[k] for k in known])
            if one is None:  # every point of the space was tried
                self.to_make.clear()
                return None
            keep(self.folder, one)
        assert isinstance(one, Asked)
        self.settings[number] = one.settings
        del self.to_make[0]
        return one

    def _chosen(self, number: int, known: list[Trial]) -> Asked | None:
        """What trial `number` is to do: a pure function of the search and of what it is to know."""
        point: Array | None
        if self.search.method == "random":
            point = spread(self.space, number, 0, self.recipe.seed)
        else:
            points = [self.space.point(self.settings[k]) for k in range(1, number)]
            figures = [trial.figure for trial in known]
            cost = self._epochs if "epochs" in self.space.names else None
            point = propose(self.space, points, figures, self.recipe.seed, self.search.first, cost)
        return None if point is None else Asked(number, self.space.settings(point), self._bounds(known))

    def _epochs(self, settings: dict[str, Any]) -> float:
        """What settings cost: how often the examples are seen."""
        return float(settings.get("epochs", self.recipe.epochs))

    def _bounds(self, known: list[Trial]) -> list[float | None]:
        """The figure at each cut that one more trial must not exceed to be of the best share of all."""
        bounds: list[float | None] = []
        for place in range(len(cuts(self.recipe))):
            figures = sorted(trial.at[place] for trial in known if len(trial.at) > place)
            enough = len(figures) >= _FEWEST
            places = math.floor(self.search.keep * (len(figures) + 1) + 1e-9)
            bounds.append(figures[min(max(places, 1), len(figures)) - 1] if enough else None)
        return bounds

    def add(self, trial: Trial) -> None:
        self.trials[trial.number] = trial

    @property
    def done(self) -> list[Trial]:
        """The trials that were made, in order."""
        return [self.trials[number] for number in sorted(self.trials)]


def require_fitting(recipe: Recipe, space: Space, specs: Mapping[str, Spec]) -> None:
    """Raise `RecipeError` where a range, with what it depends on, does not fit the setting that it names."""
    base = dataclasses.replace(recipe, search=None)
    for name, one in space.ranges.items():
        values = one.among or (one.value(0.0), one.value(1.0))
        for value in values:
            try:
                with_settings(base, {**space.conditions(name), name: value})
            except RecipeError as error:
                (reason, *_) = str(error).removeprefix(f"{COMMAND_LINE}: ").splitlines()  # of words that nobody wrote
                told = reason if "unknown" in reason else f"{value!r} does not fit: {reason}"
                fail(told, f"search.space['{name}']", specs[name].place)


def _but_trials(recipe: Recipe) -> str:
    """What makes two searches the same: all but how many trials they make."""
    search = recipe.search and dataclasses.replace(recipe.search, trials=1)
    return dataclasses.replace(recipe, search=search).write(complete=True)
