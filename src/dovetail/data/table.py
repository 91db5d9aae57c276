"""Tables: numbers and categories by column, from CSV, Parquet, or scikit-learn's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from ..recipe import source
from ..recipe.errors import DataError, RecipeError, nearest
from ..recipe.facts import Facts, Target
from .encode import encode, learn, natural
from .faults import Faults, Most, OnError
from .paths import require_file
from .source import Examples, InMemory, Source, fingerprint, relabelled, sizes
from .split import Share, split
from .statistics import class_target, number_target
from .tabular import Columns, read_table

Missing = Literal["error", "mean", "indicator", "drop"]
Task = Literal["auto", "class", "labels", "numbers"]
_FEW = 20  # distinct whole numbers up to which a numeric target is taken for classes


class Table(Source):
    """A table with target columns; `options` are those of the `table` source."""

    def __init__(self, name: str, path: Path | None, options: dict[str, Any]) -> None:
        self.name, self.path, self.options = name, path, options
        self.targets = [options["target"]] if isinstance(options["target"], str) else options["target"]

    def read(self) -> Columns:
        assert self.path is not None
        return read_table(self.path, self.options["delimiter"], self.faults)

    def rows(self) -> Columns:
        """The table, checked against the options, without rows that are broken or have absent values, where asked."""
        self.faults = Faults(self.name, self.options["on_error"], self.options["most_errors"])
        table, options = self.read(), self.options
        weight = [options["weight"]] if options["weight"] else []
        for option, names in (
            ("target", self.targets),
            ("categorical", options["categorical"]),
            ("ignore", options["ignore"]),
            ("weight", weight),
        ):
            for name in names:
                if name not in table.values:
                    raise RecipeError(f"data table: {option}: no column '{name}'. {nearest(name, table.values)}")
        self.inputs = [name for name in table.values if name not in [*self.targets, *options["ignore"], *weight]]
        if not self.inputs:
            raise DataError(f"{self.name}: there is no column to predict from")
        used = [*self.inputs, *self.targets, *weight]
        table = self.sound(table, used)
        if options["missing"] == "drop":
            whole = table.select([i for i in range(len(table)) if all(table.values[name][i] for name in used)])
            if not len(whole):
                raise DataError(f"{self.name}: no row is left: each of the {len(table)} has an absent value")
            return whole
        if options["missing"] == "error":
            table.require_present(used)
        table.require_present([*self.targets, *weight])
        return table

    def sound(self, table: Columns, used: list[str]) -> Columns:
        """The rows in which every number is one and, unless `missing` says otherwise, nothing is absent."""
        if not self.faults.skips:
            return table
        total, broken = len(table) + len(self.faults.messages), set[int]()
        for name in used:
            if name not in self.options["categorical"] and table.is_number(name):
                for place, message in table.strange(name):
                    if place not in broken:
                        broken.add(place)
                        self.faults.note(message)
            if self.options["missing"] == "error" or name not in self.inputs:
                for place, text in enumerate(table.values[name]):
                    if not text and place not in broken:
                        broken.add(place)
                        self.faults.note(f"{table.file}: row {table.rows[place]}, column '{name}': the value is absent")
        self.remark = self.faults.settle(total)
        return table.without(broken)

    def load(self) -> tuple[Facts, dict[str, Examples]]:
        table, options = self.rows(), self.options
        y, names, form = self.target(table)
        classes = y if form == "class" else None
        cut = split(len(table), options["validation"], options["test"], options["split"], classes, self.name)
        input = learn(
            table, self.inputs, options["categorical"], cut["train"], options["missing"], options["normalize"]
        )
        whole = InMemory(encode(table, input), y, self.weights(table))
        parts: dict[str, Examples] = {name: whole.select(indices) for name, indices in cut.items()}
        train = y[cut["train"]]
        if form == "class":
            target = class_target(names, train)
        elif form == "labels":
            target = Target("labels", len(names), names, train.sum(0).int().tolist())
        else:
            target = number_target(names, train)
        mark = fingerprint(repr(list(table.values.items())), repr(options))
        return Facts(input, target, sizes(parts), mark, self.faults.messages), parts

    def adopt(self, facts: Facts) -> None:
        """Encode these rows as the run's training table taught."""
        if facts.input.form != "table":
            raise DataError(f"{self.name}: a table, the run takes {facts.input.told}")
        table = self.rows()
        y, names, form = self.target(table, facts.target)
        own = Target(form, len(names), names)
        everything = InMemory(encode(table, facts.input), y, self.weights(table))
        none = torch.empty(0, dtype=torch.int64)
        parts: dict[str, Examples] = {
            "train": everything,
            "validation": everything.select(none),
            "test": everything.select(none),
        }
        self.loaded = facts, relabelled(self.name, parts, own, facts.target)

    def target(self, table: Columns, like: Target | None = None) -> tuple[Tensor, list[str], Any]:
        """The target as a tensor, the names of its classes or columns, and its form."""
        task = like.form if like else self.options["task"]
        if len(self.targets) > 1 or task in ("labels", "numbers"):
            numbers = np.stack([table.numbers(name) for name in self.targets], 1)
            binary = bool(np.isin(numbers, (0, 1)).all())
            if task == "labels" and not binary:
                row, column = np.argwhere(~np.isin(numbers, (0, 1)))[0].tolist()
                value = table.values[self.targets[column]][row]
                where = f"{self.name}: row {table.rows[row]}, column '{self.targets[column]}'"
                raise DataError(f"{where}: labels are 0 or 1, not {value}")
            form = "labels" if task == "labels" or (task == "auto" and binary) else "numbers"
            return torch.from_numpy(numbers.astype(np.float32)), self.targets, form
        name = self.targets[0]
        texts = table.values[name]
        distinct = set(texts)
        numeric = table.is_number(name) and name not in self.options["categorical"]
        values = table.numbers(name) if numeric and task != "class" else None
        if values is None or (len(distinct) <= _FEW and (values == values.round()).all()):
            if len(distinct) < 2 and not like:
                raise DataError(f"{self.name}: column '{name}' has one class only, '{texts[0]}'")
            names = natural(distinct)
            index = {value: number for number, value in enumerate(names)}
            return torch.tensor([index[text] for text in texts]), names, "class"
        return torch.from_numpy(values.astype(np.float32))[:, None], [name], "numbers"

    def weights(self, table: Columns) -> Tensor | None:
        """The weight of each row, or nothing."""
        name = self.options["weight"]
        if not name:
            return None
        weights = table.numbers(name)
        if (weights < 0).any():
            row = int((weights < 0).nonzero()[0][0])
            raise DataError(f"{self.name}: row {table.rows[row]}, column '{name}': a weight below 0")
        return torch.from_numpy(weights.astype(np.float32))


@source
def table(
    here: Path,
    path: str,
    target: str | list[str],
    task: Task = "auto",
    categorical: list[str] = [],  # noqa: B006
    ignore: list[str] = [],  # noqa: B006
    weight: str | None = None,
    missing: Missing = "error",
    test: Share = 0.2,
    validation: Share = 0.0,
    split: int = 0,
    normalize: bool = True,
    on_error: OnError = "stop",
    most_errors: Most = 0.1,
    delimiter: Annotated[str, Field(pattern=r'^(auto|[^"\r\n])$'), "auto or one character"] = "auto",
) -> Source:
    """A CSV file with a header, or a Parquet file: numbers are standardized, categories get one unit a value.

    A target of text, or of at most 20 distinct whole numbers, is a class; else a number; several columns are labels
    where all are 0 or 1. `task` says otherwise. `missing`: absent values are an error, become the training mean
    (`mean`), the same with a unit that says so (`indicator`), or take their row out (`drop`). `on_error`: a broken row
    stops the run, or is skipped and reported; more than the share `most_errors` of them stops it. Raises `DataError`,
    naming file and row.

    >>> import dovetail as dt
    >>> dt.table("iris.csv", target="species", missing="mean")
    table('iris.csv', target='species', missing='mean')
    """
    if task == "class" and isinstance(target, list) and len(target) != 1:
        raise ValueError("task: class takes one target column")
    if not target:
        raise ValueError("target: names no column")
    options = {name: value for name, value in locals().items() if name not in ("here", "path")}
    require_file(here / path)
    return Table(path, here / path, options)


class BuiltIn(Table):
    """A table that comes with scikit-learn."""

    def __init__(self, name: str, task: Task, validation: float, test: float, split: int) -> None:
        options: dict[str, Any] = {
            "target": "target",
            "task": task,
            "categorical": [],
            "ignore": [],
            "weight": None,
            "missing": "error",
            "on_error": "stop",
            "most_errors": 0.0,
        }
        super().__init__(
            name, None, {**options, "validation": validation, "test": test, "split": split, "normalize": True}
        )

    def read(self) -> Columns:
        from sklearn import datasets

        if self.name == "diabetes":
            data = datasets.load_diabetes(scaled=False)
            target = [repr(float(value)) for value in data.target]
        else:
            data = datasets.load_breast_cancer()
            # scikit-learn codes benign as 1; here class 1, "yes", is what one looks for
            target = [str(data.target_names[value]) for value in data.target]
        columns = {str(n): [repr(float(v)) for v in data.data[:, i]] for i, n in enumerate(data.feature_names)}
        return Columns(self.name, {**columns, "target": target}, list(range(1, len(target) + 1)))


@source
def diabetes(here: Path, test: Share = 0.2, validation: Share = 0.0, split: int = 0) -> Source:
    """442 diabetes patients, ten measurements each, and how the disease progressed in a year; with scikit-learn.

    Efron, Hastie, Johnstone and Tibshirani (2004), Least angle regression.

    >>> import dovetail as dt
    >>> dt.diabetes().make(Path()).facts.target.form
    'numbers'
    """
    return BuiltIn("diabetes", "numbers", validation, test, split)


@source
def cancer(here: Path, test: Share = 0.2, validation: Share = 0.0, split: int = 0) -> Source:
    """569 breast tumours, thirty measurements of cell nuclei each, benign or malignant; with scikit-learn.

    Street, Wolberg and Mangasarian (1993), Nuclear feature extraction for breast tumor diagnosis.

    >>> import dovetail as dt
    >>> dt.cancer().make(Path()).facts.target.names
    ['benign', 'malignant']
    """
    return BuiltIn("cancer", "class", validation, test, split)
