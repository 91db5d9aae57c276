"""Sentences in columns: a line a word, its columns between blanks, an empty line between sentences."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..recipe.errors import DataError
from .faults import Faults


@dataclass(frozen=True)
class Sentences:
    """Words of many sentences one after another, a list for each column, and how many words each sentence has."""

    file: str
    columns: dict[str, list[str]]
    lengths: np.ndarray

    def __len__(self) -> int:
        return len(self.lengths)

    def select(self, indices: Tensor) -> Sentences:
        """Some of the sentences."""
        ends = self.lengths.cumsum()
        places = [(int(ends[i] - self.lengths[i]), int(ends[i])) for i in indices.tolist()]
        columns = {n: [word for a, b in places for word in words[a:b]] for n, words in self.columns.items()}
        return Sentences(self.file, columns, self.lengths[indices.numpy()])


def joined(parts: Sequence[Sentences]) -> Sentences:
    """The sentences of several, one after the other."""
    columns = {name: [word for part in parts for word in part.columns[name]] for name in parts[0].columns}
    return Sentences(parts[0].file, columns, np.concatenate([part.lengths for part in parts]))


def read_text(path: Path) -> str:
    """A file of UTF-8 text, unzipped where its name ends in .gz. Raises `DataError`, naming the file."""
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DataError(f"{path}: line {line}: not UTF-8 text: byte {error.object[error.start]:#04x}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return text


def read_sentences(path: Path, names: Sequence[str], optional: str = "", faults: Faults | None = None) -> Sentences:
    """A file whose lines have a column for each name; one of them, the last, may be left out of all lines.

    A sentence with a line of another number of columns goes to `faults`. Raises `DataError`, naming file and line.
    """
    faults = faults or Faults(str(path))
    lines = read_text(path).split("\n")
    rows = [line.split() for line in lines]
    widths = {len(row) for row in rows if row}
    if not widths:
        raise DataError(f"{path}: holds no sentence")
    if optional and widths == {len(names) - 1}:
        names = [name for name in names if name != optional]
    words: list[list[str]] = []
    lengths: list[int] = []
    start = total = 0
    for end in [i for i, row in enumerate(rows) if not row] + [len(rows)]:
        sentence, start = rows[start:end], end + 1
        if not sentence:
            continue
        total += 1
        strange = next((i for i, row in enumerate(sentence) if len(row) != len(names)), None)
        if strange is None:
            words += sentence
            lengths.append(len(sentence))
        else:
            line, given = end - len(sentence) + strange + 1, len(sentence[strange])
            faults.note(f"{path}: line {line} has {given} columns, expected {len(names)} ({' '.join(names)})")
    if not lengths:
        raise DataError(f"{path}: no sentence is left of {total}")
    columns = dict(zip(names, map(list, zip(*words, strict=True)), strict=True))
    return Sentences(str(path), columns, np.array(lengths))


def given_sentences(sentences: Sequence[Sequence[Any]], names: Sequence[str]) -> Sentences:
    """Sentences given in Python: of each the words, or where there are several columns a tuple for each word.

    Raises `DataError` where there is not one entry for each column.
    """
    rows = [[(word,) if isinstance(word, str) else tuple(word) for word in sentence] for sentence in sentences]
    for number, sentence in enumerate(rows):
        strange = next((row for row in sentence if len(row) != len(names)), None)
        if strange is not None or not sentence:
            told = "is empty" if strange is None else f"has {strange!r}"
            raise DataError(f"sentence {number} {told}: expected words, each of {len(names)} ({' '.join(names)})")
    if not rows:
        raise DataError("expected one sentence at least")
    columns = zip(*(row for sentence in rows for row in sentence), strict=True)
    return Sentences("inputs", dict(zip(names, map(list, columns), strict=True)), np.array([len(s) for s in rows]))


def lengths_of(sentences: Sentences) -> Tensor:
    """(N,): the words of each sentence."""
    return torch.from_numpy(sentences.lengths.astype(np.int64))
