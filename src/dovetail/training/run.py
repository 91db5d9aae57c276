"""A run: a folder anyone can read, and what can be done with it once it is there."""

from __future__ import annotations

import dataclasses
import json
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..data.prepare import Prepare
from ..data.reading import check_array, read
from ..data.source import PARTS, Source
from ..recipe.errors import RecipeError, RunError, UsageError, nearest
from ..recipe.facts import Facts
from ..recipe.node import Node
from ..recipe.override import override
from ..recipe.recipe import Recipe, parse, recipe_of
from ..recipe.sequences import cut
from ..recipe.spec import Spec
from .evaluate import evaluate
from .files import MOST_TEXT, read_json, read_whole
from .journal import BEST, METRICS, MODEL
from .machine import dtype_of, resolve_device, settled
from .system import System
from .weights import read_weights

RECIPE, FACTS, ENVIRONMENT = "recipe.yaml", "facts.json", "environment.json"


class Run:
    """A run folder, opened for reading; loading it executes nothing from it.

    Raises `RunError` where the folder is not a run or a file of it is broken.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = find_run(path)
        self.result: dict[str, Any] = {}  # `test` figures and `seconds` where this call trained the run
        try:
            text = read_whole(self.path / RECIPE, MOST_TEXT).decode()
            self.recipe: Recipe = parse(text, str(self.path / RECIPE))
            self.facts = Facts.of(read_json(self.path / FACTS))
            self.environment = dict(read_json(self.path / ENVIRONMENT))
        except (RunError, RecipeError, ValueError, TypeError) as error:
            raise RunError(f"{self.path}: cannot be read as a run: {error}") from None

    def __repr__(self) -> str:
        return f"Run('{self.path}')"

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The lines of `metrics.jsonl`. Raises `RunError` where one of them is none."""
        file = self.path / METRICS
        lines = file.read_text().splitlines() if file.exists() else []
        try:
            return [json.loads(line) for line in lines]
        except ValueError as error:
            raise RunError(f"{file} is damaged: {error}") from None

    @property
    def finished(self) -> bool:
        """Whether the run came to its end."""
        return (self.path / MODEL).exists()

    def damage(self) -> str:
        """What is wrong with the file of the model, if it is there."""
        try:
            if self.finished:
                read_weights(self.path)
        except RunError as error:
            return str(error)
        return ""

    @cached_property
    def source(self) -> Source:
        """The run's data, read again; raises `DataError` where they are not what they were."""
        return make_source(self.recipe.data, self.here, self.facts)

    @property
    def here(self) -> Path:
        """The folder that relative paths of the recipe start from."""
        there = Path(str(self.environment.get("here", ".")))
        return there if there.is_dir() else Path.cwd()

    def system(self, best: bool = False) -> System:
        """The trained system, on the run's device where this machine has it, else on the CPU."""
        try:
            device = resolve_device(self.recipe.device)
        except UsageError:
            device = torch.device("cpu")
        system = System(dataclasses.replace(self.recipe, device=str(device)), self.facts)
        if not (self.path / (BEST if best else MODEL)).exists():
            reason = (
                "no best model, which needs validation data"
                if best
                else "no model: it has not come to its end, or the file is gone"
            )
            raise RunError(f"{self.path} has {reason}; go on with: dovetail resume {self.path}")
        try:
            system.take(read_weights(self.path, best))
        except RunError as error:
            raise RunError(
                f"{error}. To write it anew: dovetail resume {self.path}" if not best else str(error)
            ) from None
        except ValueError as error:
            raise RunError(f"{self.path}: its model does not fit its recipe: {error}") from None
        return system.to(device).eval()

    def test(self, data: Spec | None = None, part: str | None = None, best: bool = False) -> dict[str, Any]:
        """Figures of the trained system on a part of its data, or on other data of the same kind.

        `part` is train, validation, test or all; it is test for the run's own data and all for others.
        """
        if part not in (None, "all", *PARTS):
            raise UsageError(f"there is no part '{part}': it is train, validation, test or all")
        source = self.source if data is None else make_source(data, Path.cwd(), self.facts, adopt=True)
        part = part or ("test" if data is None else "all")
        names = PARTS if part == "all" else (part,)
        system = self.system(best)
        sums: dict[str, Tensor] = {}
        with settled(self.recipe):
            for name in names:
                examples = source.part(name)
                if len(examples):
                    for key, value in evaluate(system, examples, self.prepare_for(system), self.recipe.batch).items():
                        sums[key] = sums[key] + value if key in sums else value
        if not sums:
            raise UsageError(f"the data have no {part} part to test on")
        return {**system.objective.summary(sums), "count": int(sums["count"]), **system.objective.details(sums)}

    def predict(
        self, inputs: Any, best: bool = False, invert: bool = False, alternatives: int = 0
    ) -> list[dict[str, Any]]:
        """An answer an input: `class` and `probability`, `value`, `tags` or `text`; with `alternatives` so many more.

        `inputs` is an array like the training data's (images (N, H, W) or (N, C, H, W) of 0 to 255; rows of a table's
        columns), or a list of paths (images, CSV). Raises `DataError` where they do not fit.
        """
        paths = [inputs] if isinstance(inputs, str | Path) else inputs
        if isinstance(paths, list | tuple) and paths and all(isinstance(path, str | Path) for path in paths):
            names, raw = read(self.facts.input, [Path(path) for path in paths], invert)
        else:
            names, raw = [], check_array(self.facts.input, inputs)
        answers = self.answer(raw, best, alternatives)
        return [{"input": n, **a} for n, a in zip(names, answers, strict=True)] if names else answers

    def answer(self, raw: Any, best: bool = False, alternatives: int = 0) -> list[dict[str, Any]]:
        """An answer for each of the stored inputs (N, ...)."""
        system, rows, answers = self.system(best), 2 * self.recipe.batch, []
        prepare = self.prepare_for(system)
        with settled(self.recipe), torch.inference_mode():
            for start in range(0, len(raw), rows):
                some = cut(raw, slice(start, start + rows))
                output = system.answer(prepare(some))
                told = system.objective.describe(output)
                if alternatives:
                    others = self._alternatives(system, output, alternatives)
                    told = [{**one, "alternatives": other} for one, other in zip(told, others, strict=True)]
                answers += told
        return answers

    def _alternatives(self, system: System, output: Any, count: int) -> Any:
        try:
            return system.objective.alternatives(output, count)
        except ValueError as error:
            raise UsageError(f"alternatives: {self.recipe.objective.name} {error}") from None

    def prepare_for(self, system: System) -> Prepare:
        """What brings stored values to what the system takes, where it is."""
        return Prepare(self.facts.input, next(system.parameters()).device, dtype_of(self.recipe))


def make_source(data: Spec, here: Path, facts: Facts | None = None, adopt: bool = False) -> Source:
    """The source of a recipe; with the facts of an earlier run, the same data again or (`adopt`) others like them.

    Raises `DataError` where the data are not what they were, or do not fit.
    """
    source: Source = data.make_at("data", here)
    if facts is not None:
        source.adopt(facts) if adopt else source.require_same(facts)
    return source


def find_run(path: str | Path) -> Path:
    """A run folder by path, or by its name under `runs/`; raises `RunError`."""
    for folder in (Path(path), Path("runs") / path):
        if (folder / RECIPE).is_file():
            return folder
    names = [folder.parent.name for folder in Path("runs").glob(f"*/{RECIPE}")]
    if Path(path).exists():
        raise RunError(f"{path} is not a run folder: there is no {RECIPE} in it")
    hint = nearest(str(path).removeprefix("runs/"), names)
    raise RunError(f"no run '{path}': neither a folder nor a name under runs/. {hint}".rstrip())


def other_data(run: Run, overrides: list[str]) -> Spec | None:
    """The data of a run with overrides (`data.table.path=new.csv`), or nothing where there are none."""
    if not overrides:
        return None
    for text in overrides:
        if not text.startswith("data"):
            raise UsageError(f"test takes settings of the data alone, not '{text}'")
    changed: Recipe = recipe_of(override(Node.of(run.recipe.plain()), overrides, Recipe))
    return changed.data
