"""The source `pairs`: a line of text, and the line that belongs to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field

from ..recipe import source
from ..recipe.errors import DataError
from ..recipe.facts import Facts, Input, Target
from .paths import require_file
from .sentences import Sentences, joined, lengths_of, read_text
from .sequential import Ragged, Sequential, all_parts
from .source import Examples, Source, fingerprint, sizes
from .split import Share, split
from .tagged import numbers_of
from .templates import encode, learn, require_known
from .texts import Least, Unit, given_lines, names_of, require_features

Two = Annotated[list[str], Field(min_length=2, max_length=2)]


@dataclass(frozen=True)
class Side:
    """How one side of the pairs is cut, and how often something must occur to be known."""

    unit: Unit
    least: int

    @property
    def between(self) -> str:
        return " " if self.unit == "word" else ""


class Pairs(Source):
    """Pairs of lines; the options are those of the `pairs` source."""

    def __init__(
        self,
        here: Path,
        parts: dict[str, str | list[str] | float],
        sides: tuple[Side, Side],
        features: list[str],
        seed: int,
    ) -> None:
        self.sides, self.features, self.split = sides, features, seed
        train = parts["train"]
        self.name = train if isinstance(train, str) else " and ".join(train)  # type: ignore[arg-type]
        self.shares = {part: given for part, given in parts.items() if isinstance(given, float | int)}
        self.files = {
            part: [here / name for name in ([given] if isinstance(given, str) else given)]
            for part, given in parts.items()
            if not isinstance(given, float | int)
        }
        for file in (file for both in self.files.values() for file in both):
            require_file(file)

    def load(self) -> tuple[Facts, dict[str, Examples]]:
        parts = self._read()
        train, aims = parts["train"]
        own, aim = self.sides
        input = learn(train, self.features, "", own.least, own.unit)
        require_known(input, own.least, train.file)
        names = names_of(aims.columns[aim.unit], aim.least)
        found = {part: self._examples(*both, input, names) for part, both in parts.items()}
        counts = torch.bincount(found["train"].targets.rows, minlength=len(names)).tolist()
        target = Target("string", len(names), names, counts, between=aim.between)
        every = all_parts(found)
        told = repr([(part, side.columns, side.lengths.tolist()) for part, both in parts.items() for side in both])
        return Facts(input, target, sizes(every), fingerprint(told, repr((self.sides, self.features)))), every

    def adopt(self, facts: Facts) -> None:
        """Number these characters or words as the run's training pairs taught."""
        if facts.input.unit != self.sides[0].unit or facts.target.form != "string":
            raise DataError(f"{self.name}: pairs of lines, the run takes {facts.input.told}")
        inputs, aims = (joined(side) for side in zip(*self._read().values(), strict=True))
        self.loaded = facts, all_parts({"train": self._examples(inputs, aims, facts.input, facts.target.names)})

    def _read(self) -> dict[str, tuple[Sentences, Sentences]]:
        parts = {part: self._pairs(files) for part, files in self.files.items()}
        whole = parts["train"]
        shares = {"validation": 0.0, "test": 0.0, **self.shares}
        cut = split(len(whole[0]), shares["validation"], shares["test"], self.split, None, self.name)
        for part in ("train", *self.shares):
            if len(cut[part]):
                parts[part] = whole[0].select(cut[part]), whole[1].select(cut[part])
        return parts

    def _pairs(self, files: list[Path]) -> tuple[Sentences, Sentences]:
        """The two sides of a file's lines, or of two files'."""
        texts = [read_text(file).split("\n") for file in files]
        if len(texts) == 1:
            rows = [(place, line.split("\t")) for place, line in enumerate(texts[0], 1) if line.strip()]
        elif len(texts[0]) != len(texts[1]):
            raise DataError(f"{files[0]} has {len(texts[0])} lines, {files[1]} has {len(texts[1])}: no pairs")
        else:
            rows = [(n, list(both)) for n, both in enumerate(zip(*texts, strict=True), 1) if any(map(str.strip, both))]
        for place, row in rows:
            if len(row) != 2 or not all(map(str.strip, row)):
                wanted = "two texts with a tab between" if len(files) == 1 else f"a text here and in {files[1].name}"
                raise DataError(f"{files[0]}: line {place}: expected {wanted}")
        if not rows:
            raise DataError(f"{files[0]}: holds no pair")
        sides = zip(*(row for _, row in rows), strict=True)
        inputs, aims = (
            given_lines([text.strip("\r") for text in texts], side.unit, file=str(files[0]))
            for texts, side in zip(sides, self.sides, strict=True)
        )
        return inputs, aims

    def _examples(self, inputs: Sentences, aims: Sentences, input: Input, names: list[str]) -> Sequential:
        labels = torch.tensor(numbers_of(aims.columns[self.sides[1].unit], names, self.name))
        ends = lengths_of(aims)
        return Sequential(Ragged(encode(inputs, input), lengths_of(inputs)), Ragged(labels, ends))


@source
def pairs(
    here: Path,
    path: str | Two,
    unit: Unit = "character",
    target: Unit = "character",
    features: list[str] | None = None,
    least: Least = 1,
    validation: Share | str | Two = 0.0,
    test: Share | str | Two = 0.2,
    split: int = 0,
) -> Source:
    """Lines of text in pairs: the first is seen, the second to be told, as a string of characters or of words.

    A file has a tab between the two lines of a pair; two files have line after line what belongs together. The first is
    a sequence of `unit`, seen by `features` (templates as those of `columns`; the `unit` itself unless given), the
    second a string of `target`. What training has fewer than `least` times, or never, is unknown, as one kind.
    `validation` and `test` are shares of the pairs, or files of their own. Raises `DataError`, naming file and line.

    >>> import dovetail as dt
    >>> dt.pairs("spelling-sound.tsv", test=0.1)
    pairs('spelling-sound.tsv', test=0.1)
    """
    wanted: list[str] = [unit] if features is None else features
    require_features(wanted, unit, "pairs")
    parts: dict[str, str | list[str] | float] = {"train": path, "validation": validation, "test": test}
    return Pairs(here, parts, (Side(unit, least), Side(target, least)), wanted, split)
