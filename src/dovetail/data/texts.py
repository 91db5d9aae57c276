"""Texts, each line a sequence of characters or words: the source `lines`, whose targets are what comes next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from ..recipe import source
from ..recipe.errors import DataError, RecipeError
from .faults import Faults
from .sentences import Sentences, read_text
from .source import Source
from .split import Share
from .tagged import UNKNOWN, Tagged
from .templates import parse_template

Unit = Literal["character", "word"]
NEXT = "next"  # the column of what comes next
BOUND = "\n"  # what comes before a line's first character or word, and after its last
Least = Annotated[int, Field(gt=0)]


def pieces(text: str, unit: str) -> list[str]:
    """The characters or the words of a line."""
    return list(text) if unit == "character" else text.split()


def given_lines(texts: Sequence[Any], unit: str, follow: bool = False, file: str = "inputs") -> Sentences:
    """Texts, or lists of their pieces, as sequences; to `follow` them, the place before each is the first, and of each
    what comes next is told.

    Raises `DataError` for what is no text, and for empty ones.
    """
    rows = []
    for number, text in enumerate(texts):
        row = pieces(text, unit) if isinstance(text, str) else text
        if not isinstance(row, list | tuple) or not row or not all(isinstance(piece, str) for piece in row):
            raise DataError(f"{file}: text {number} is {text!r}: expected a list of one {unit} at least")
        rows.append(list(row))
    if not rows:
        raise DataError(f"{file}: expected one text at least")
    columns = {unit: [piece for row in rows for piece in ([BOUND, *row] if follow else row)]}
    if follow:
        columns[NEXT] = [piece for row in rows for piece in [*row, BOUND]]
    return Sentences(file, columns, np.array([len(row) + follow for row in rows]))


def read_lines(path: Path, unit: str, follow: bool = False) -> Sentences:
    """The lines of a text file that are not blank; of pairs what stands before a tab. Raises `DataError`."""
    texts = [line.strip("\r") for line in read_text(path).split("\n")]
    lines = [line for line in (texts if follow else (text.partition("\t")[0] for text in texts)) if line.strip()]
    if not lines:
        raise DataError(f"{path}: holds no text")
    return given_lines(lines, unit, follow, str(path))


def names_of(pieces: Iterable[str], least: int) -> list[str]:
    """What occurs at least so often, in order, after a name for everything else."""
    return [UNKNOWN, *sorted(piece for piece, count in Counter(pieces).items() if count >= least)]


class Followed(Tagged):
    """Lines of text, at every place of which the next character or word is to be told."""

    def sentences(self, file: Path, faults: Faults) -> Sentences:
        return read_lines(file, self.unit, follow=True)

    def tags(self, parts: dict[str, Sentences]) -> list[str]:
        return names_of(parts["train"].columns[self.target], int(self.options["least"]))  # type: ignore[call-overload]


@source
def lines(
    here: Path,
    path: str,
    unit: Unit = "character",
    features: list[str] | None = None,
    least: Least = 1,
    validation: Share | str = 0.0,
    test: Share | str = 0.2,
    split: int = 0,
) -> Source:
    """A text file, each line a sequence of characters or words; at every place the next one is to be predicted.

    The first place is the one before the line, and after its last character or word the line's end is next. The network
    sees features of what was read so far by template, unless given the last `unit` alone; they are those of `columns`.
    What training has fewer than `least` times is unknown, as one kind; so is what it never saw. `validation` and `test`
    are shares of the lines, or files of their own; files ending in .gz are unzipped, blank lines left out. A layer that
    reads both ways would see what it is to predict. With `softmax`, `loss` is in nats a place: a perplexity of e^loss.
    Raises `DataError`, naming the file.

    >>> import dovetail as dt
    >>> dt.lines("ptb.train.txt", unit="word", validation="ptb.valid.txt", test="ptb.test.txt")
    lines('ptb.train.txt', unit='word', validation='ptb.valid.txt', test='ptb.test.txt')
    """
    wanted: list[str] = [unit] if features is None else features
    require_features(wanted, unit, "lines")
    if any(part.away > 0 for text in wanted for part in parse_template(text, [unit])):
        raise RecipeError("data lines: features: what comes next is to be predicted: look back alone, as in word[-1]")
    options: dict[str, object] = {
        "features": wanted, "least": least, "validation": validation, "test": test, "split": split,
        "on_error": "stop", "most_errors": 0.0,
    }  # fmt: skip
    return Followed(here, path, [unit, NEXT], NEXT, options, unit)


def require_features(features: Sequence[str], unit: str, name: str) -> None:
    """Refuse templates that cannot be read, and none at all."""
    if not features:
        raise RecipeError(f"data {name}: features: expected one template at least, like {unit}[0]")
    for text in features:
        parse_template(text, [unit])
