"""Features by template: what a word, its neighbours and their forms say of a place, as whole numbers.

`word[-1]/word[0]` is the pair of the word before and the word itself, `word[0].suffix3` its last three letters as one
value, `word.letters16` its letters one by one.
CRF++'s `%x[-1,0]/%x[0,0]` says the same of the first column.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..recipe.errors import RecipeError, nearest
from ..recipe.facts import Field, Input, columns_of
from ..recipe.sequences import Sequences
from .sentences import Sentences, lengths_of

FARTHEST = 9  # places away that a template may look
_ENDS = 2 * FARTHEST  # numbers for how far beyond the beginning or the end a place lies
_PART = re.compile(r"([^\[\]/.]+)(?:\[([+-]?\d+)\])?(?:\.([a-z]+)(\d*))?")
_MOST_CODES = 1 << 62
_LETTERS = "letters"  # the form that is no single value


def _shape(word: str) -> str:
    """What kinds of characters a word has, each stretch once: `McDonald's-12` is `AaAa'a-0`."""
    return re.sub(r"\d+", "0", re.sub(r"[^\W\d_]+", lambda m: _cases(m.group()), word))


def _cases(letters: str) -> str:
    kinds = ["A" if letter.isupper() else "a" for letter in letters]
    return "".join(kind for i, kind in enumerate(kinds) if not i or kinds[i - 1] != kind)


FORMS: dict[str, Callable[[str, int], str]] = {
    "lower": lambda word, _: word.lower(),
    "shape": lambda word, _: _shape(word),
    "prefix": lambda word, n: word[:n] if len(word) > n else "",
    "suffix": lambda word, n: word[-n:] if len(word) > n else "",
}
_COUNTED = ("prefix", "suffix", "letters")


@dataclass(frozen=True)
class Part:
    """A column's word so many places away, in a form: `word[-1].suffix3`."""

    column: str
    away: int
    form: str
    count: int

    @property
    def vocabulary(self) -> str:
        """The name of the vocabulary that numbers its values."""
        return f"{self.column}.{self.form}{self.count or ''}" if self.form else self.column

    def values(self, sentences: Sentences) -> list[str]:
        """Each word's value at its own place."""
        words = sentences.columns[self.column]
        if not self.form:
            return words
        form, count = FORMS[self.form], self.count
        found = {word: form(word, count) for word in set(words)}
        return [found[word] for word in words]


def parse_template(text: str, columns: Sequence[str]) -> list[Part]:
    """The parts of a template. Raises `RecipeError` for one that cannot be read, and for columns there are not."""
    parts = []
    for piece in text.split("/"):
        match = _PART.fullmatch(piece.strip())
        if not match:
            raise RecipeError(f"feature '{text}': '{piece}' is not like word[-1] or word[0].suffix3")
        column, away, form, count = match.groups()
        if column not in columns:
            raise RecipeError(f"feature '{text}': there is no column '{column}'. {nearest(column, columns)}")
        if form and form not in (*FORMS, _LETTERS):
            raise RecipeError(f"feature '{text}': there is no form '{form}'. {nearest(form, (*FORMS, _LETTERS))}")
        if form == _LETTERS and ("/" in text or int(away or 0)):
            raise RecipeError(f"feature '{text}': letters are of the word itself, and of it alone: {column}.{form}16")
        if form and (form in _COUNTED) != bool(int(count or 0)):
            said = (
                f"says how many letters: {form}{8 if form == _LETTERS else 3}"
                if form in _COUNTED
                else "takes no number"
            )
            raise RecipeError(f"feature '{text}': {form} {said}")
        if abs(int(away or 0)) > FARTHEST:
            raise RecipeError(f"feature '{text}': looks {away} places away, at most {FARTHEST} is possible")
        parts.append(Part(column, int(away or 0), form or "", int(count or 0)))
    return parts


class Encoder:
    """Words as numbers: the value of each part in its vocabulary, 0 where that does not hold it."""

    def __init__(self, sentences: Sentences, vocabularies: dict[str, list[str]]) -> None:
        self.sentences, self.vocabularies = sentences, vocabularies
        self._numbers: dict[str, np.ndarray] = {}
        lengths = sentences.lengths
        self._place = np.arange(lengths.sum()) - np.repeat(lengths.cumsum() - lengths, lengths)
        self._left = np.repeat(lengths, lengths) - 1 - self._place  # places behind each

    def codes(self, parts: Sequence[Part]) -> np.ndarray:
        """(places,) int64: one number for the values of all parts, -1 where one of them is in no vocabulary."""
        codes, known = np.zeros(len(self._place), np.int64), np.ones(len(self._place), bool)
        for part in parts:
            numbers = self._at(part)
            known &= numbers > 0
            codes = codes * (len(self.vocabularies[part.vocabulary]) + _ENDS + 1) + numbers
        return np.where(known, codes, -1)

    def letters(self, part: Part) -> np.ndarray:
        """(places, count): the numbers of each word's letters."""
        words = self.sentences.columns[part.column]
        every, letters = _letters(words, part.count)
        known = {letter: number for number, letter in enumerate(self.vocabularies[part.vocabulary], 1)}
        numbers = np.array([[known.get(letter, 0) for letter in row] for row in letters], np.int32)
        index = {word: row for row, word in enumerate(every)}
        return numbers[np.fromiter((index[word] for word in words), np.int64, len(words))]

    def _at(self, part: Part) -> np.ndarray:
        """The numbers of a part so many places away; those beyond an end are numbered by how far."""
        name, away = part.vocabulary, part.away
        if name not in self._numbers:
            known = {value: number for number, value in enumerate(self.vocabularies[name], 1)}
            values = part.values(self.sentences)
            self._numbers[name] = np.fromiter((known.get(v, 0) for v in values), np.int64, len(values))
        numbers = self._numbers[name]
        if not away:
            return numbers
        size = len(self.vocabularies[name])
        inside = self._place + away >= 0 if away < 0 else self._left >= away
        beyond = size - (self._place + away) if away < 0 else size + FARTHEST + away - self._left
        return np.where(inside, np.roll(numbers, -away), beyond)


def _letters(words: Sequence[str], width: int) -> tuple[list[str], np.ndarray]:
    """The different words, and the letters of each (words, width): of longer ones the first and the last, "" beyond."""
    every = sorted(set(words))
    half = width // 2
    cut = [word if len(word) <= width else word[: width - half] + word[len(word) - half :] for word in every]
    return every, np.array([list(word) + [""] * (width - len(word)) for word in cut], dtype=object)


def learn(sentences: Sentences, templates: Sequence[str], aim: str, least: int, unit: Any = "") -> Input:
    """How words become numbers: what occurs at least so often in the training sentences, for each template.

    Raises `RecipeError` for templates that cannot be read or combine too much.
    """
    names = list(sentences.columns)
    known = [name for name in names if name != aim]
    parts = {text: parse_template(text, known) for text in templates}
    vocabularies: dict[str, list[str]] = {}
    for part in {part.vocabulary: part for each in parts.values() for part in each}.values():
        if part.form != _LETTERS:
            vocabularies[part.vocabulary] = sorted(set(part.values(sentences)))
        else:
            often = Counter(chain.from_iterable(sentences.columns[part.column]))
            vocabularies[part.vocabulary] = ["", *sorted(letter for letter, n in often.items() if n >= least)]
    encoder = Encoder(sentences, vocabularies)
    fields = []
    for text, each in parts.items():
        if each[0].form == _LETTERS:
            fields.append(Field(text, list(range(1, len(vocabularies[each[0].vocabulary]) + 1)), each[0].count))
            continue
        size = 1
        for part in each:
            size *= len(vocabularies[part.vocabulary]) + _ENDS + 1
        if size > _MOST_CODES:
            raise RecipeError(f"feature '{text}': combines too many different values")
        kept, counts = np.unique(encoder.codes(each), return_counts=True)
        fields.append(Field(text, kept[(counts >= least) & (kept >= 0)].tolist()))
    shape = [int(sentences.lengths.max()), sum(field.width for field in fields)]
    return Input("sequence", shape, "int32", names=names, aim=aim, fields=fields, vocabularies=vocabularies, unit=unit)


def require_known(input: Input, least: int, file: str) -> None:
    """Raise `RecipeError` where nothing of the training sentences occurs so often."""
    if not any(field.codes for field in input.fields):
        raise RecipeError(f"{file}: least: nothing occurs {least} times in training, all would be unknown")


def numbered(sentences: Sentences, input: Input) -> Sequences:
    """Sentences as the network takes them."""
    return Sequences(encode(sentences, input), lengths_of(sentences), tuple(input.fields))


def encode(sentences: Sentences, input: Input) -> Tensor:
    """(places, columns) int32: the number of each feature, 0 where training never saw it often enough."""
    encoder = Encoder(sentences, input.vocabularies)
    numbers = np.zeros((int(sentences.lengths.sum()), sum(field.width for field in input.fields)), np.int32)
    for field, place in zip(input.fields, columns_of(input.fields), strict=True):
        parts = parse_template(field.name, input.known)
        if parts[0].form == _LETTERS:
            numbers[:, place : place + field.width] = encoder.letters(parts[0])
            continue
        if not field.codes:
            continue
        codes = encoder.codes(parts)
        known = np.array(field.codes, np.int64)
        found = np.searchsorted(known, codes).clip(max=len(known) - 1)
        numbers[:, place] = np.where(known[found] == codes, found + 1, 0)
    return torch.from_numpy(numbers)
