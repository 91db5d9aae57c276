"""Settings side by side: `optimizer.rule=sgd,adam` stands for a run with each, several of them for all together."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import NamedTuple

from ..recipe.errors import UsageError

_CLOSES = {"[": "]", "{": "}", "(": ")", '"': '"', "'": "'"}


class Cell(NamedTuple):
    """One of the settings that are compared: its name, the words that vary, and all the words."""

    name: str
    varied: list[str]
    words: list[str]


def cells(words: Iterable[str]) -> list[Cell]:
    """Every choice of one value for each word; the first word varies slowest.

    >>> [cell.varied for cell in cells(["epochs=5", "optimizer.rule=sgd,{sgd: {momentum: 0.9}}", "batch=32,64"])][1]
    ['optimizer.rule=sgd', 'batch=64']
    """
    choices = []
    for word in words:
        path, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"'{word}': a setting is written path=value, and several to compare path=value,value")
        values = choices_of(value)
        if "" in values:
            raise UsageError(f"'{word}': a value between two commas is missing")
        if len(set(values)) < len(values):
            raise UsageError(f"'{word}': a value stands there twice")
        choices.append([(f"{path}={value}", len(values) > 1) for value in values])
    found = []
    for chosen in product(*choices):
        varied = [word for word, several in chosen if several]
        found.append(Cell("  ".join(varied) or "as it is", varied, [word for word, _ in chosen]))
    return found


def choices_of(text: str) -> list[str]:
    """The values between commas that stand in no brackets and no quotes.

    >>> choices_of("sgd, {sgd: {momentum: 0.9, nesterov: true}}, adam")
    ['sgd', '{sgd: {momentum: 0.9, nesterov: true}}', 'adam']
    """
    values, open_ = [""], []  # type: list[str], list[str]
    for letter in text:
        if letter == "," and not open_:
            values.append("")
            continue
        values[-1] += letter
        if open_ and letter == open_[-1]:
            open_.pop()
        elif letter in _CLOSES and not (open_ and open_[-1] in "\"'"):
            open_.append(_CLOSES[letter])
    return [value.strip() for value in values]
