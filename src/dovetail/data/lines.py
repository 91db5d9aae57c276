"""Sources of lines to read: digits, and amounts of money, set side by side from single handwritten characters."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from ..automata import Symbols
from ..automata.builders import grammar
from ..recipe import source
from ..recipe.draws import mix, purpose_key
from ..recipe.errors import DataError
from ..recipe.facts import Facts, Input, Target
from .digits import Digits
from .idx import mnist
from .sequential import Ragged, Sequential
from .source import Examples, Source, fingerprint, sizes
from .typeset import HEIGHT, Lines, Setting, typeset

Strings = Callable[[np.random.Generator], list[int]]
Count = Annotated[int, Field(gt=0)]
Few = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Pixels = Annotated[list[int], Field(min_length=2, max_length=2)]
DIGITS = "0123456789"


class Typeset(Source):
    """Lines that are set when they are first asked for, the same ones for the same options."""

    def __init__(
        self, name: str, digits: Source, symbols: str, strings: Strings, counts: dict[str, int], how: Setting, seed: int
    ) -> None:
        self.name, self.digits, self.symbols, self.strings = name, digits, symbols, strings
        self.counts, self.how, self.seed = counts, how, seed
        if how.gap[0] > how.gap[1]:
            raise ValueError(f"gap: from {how.gap[0]} to {how.gap[1]} pixels is the wrong way round")

    def load(self) -> tuple[Facts, dict[str, Examples]]:
        lines = {part: self._set(part) for part in ("train", "validation", "test")}
        parts = {
            part: Sequential(Ragged(set_.columns, set_.lengths), Ragged(set_.characters, set_.counts))
            for part, set_ in lines.items()
        }
        train = lines["train"]
        ink = float(train.columns.double().square().mean().sqrt())  # white stays 0
        input = Input("sequence", [int(train.lengths.max()), HEIGHT], "uint8", [0.0], [ink])
        counts = torch.bincount(train.characters[:, 0], minlength=len(self.symbols)).tolist()
        target = Target("string", len(self.symbols), list(self.symbols), counts)
        mark = fingerprint(*(tensor for set_ in lines.values() for tensor in (set_.columns, set_.characters)))
        examples: dict[str, Examples] = dict(parts)
        return Facts(input, target, sizes(examples), mark), examples

    def _set(self, part: str) -> Lines:
        """The lines of a part; those to train on and those to validate on share no character with those to test on."""
        images, labels, _ = self._characters("test" if part == "test" else "train")
        half = len(images) // 6
        if part == "validation":
            images, labels = images[:half], labels[:half]
        elif part == "train" and self.counts["validation"]:
            images, labels = images[half:], labels[half:]
        rng = np.random.default_rng(mix(self.seed, purpose_key(f"{self.name} {part}")))
        drawn = [draw_sign(sign, rng) for sign in self.symbols[len(DIGITS) :] for _ in range(_SIGNS)]
        if drawn:
            images = torch.cat([images, torch.stack(drawn)])
            signs = torch.arange(len(DIGITS), len(self.symbols)).repeat_interleave(_SIGNS)
            labels = torch.cat([labels, signs])
        strings = [self.strings(rng) for _ in range(self.counts[part])]
        by_class = [(labels == label).nonzero()[:, 0] for label in range(len(self.symbols))]
        chances = iter(rng.random(sum(map(len, strings))).tolist())
        picks = [
            torch.stack([by_class[label][int(next(chances) * len(by_class[label]))] for label in string])
            for string in strings
        ]
        if not picks:
            return Lines(*(torch.zeros(shape, dtype=kind) for shape, kind in _NOTHING))
        return typeset(images, picks, labels, self.how, rng)

    def _characters(self, part: str) -> tuple[Tensor, Tensor, None]:
        examples = self.digits.part(part)
        images, labels, _ = examples.fetch(torch.arange(len(examples)))
        return images, labels, None


_SIGNS = 200  # drawn of each kind
_NOTHING = (((0, HEIGHT), torch.uint8), ((0,), torch.int64), ((0, 3), torch.int64), ((0,), torch.int64))


def draw_sign(sign: str, rng: np.random.Generator) -> Tensor:
    """A comma, a point or a dollar sign of strokes, each time a little different, (1, 28, 28) uint8."""
    rows, columns = np.mgrid[0:28, 0:28]
    ink = np.zeros((28, 28))

    def stroke(points: list[tuple[float, float]]) -> None:
        for (a, b), (c, d) in itertools.pairwise(points):
            for t in np.linspace(0, 1, 12):
                far = (rows - a - t * (c - a)) ** 2 + (columns - b - t * (d - b)) ** 2
                np.maximum(ink, np.exp(-far / (2 * width**2)), out=ink)

    width, wobble = rng.uniform(0.8, 1.4), rng.normal(0, 0.7, 16)
    if sign == ".":
        stroke([(22 + wobble[0], 14), (22.5 + wobble[0], 14.5 + 0.3 * wobble[1])])
    elif sign == ",":
        stroke([(21 + wobble[0], 15), (23 + wobble[1], 15 + 0.3 * wobble[2]), (26, 12.5 + wobble[3])])
    elif sign == "$":
        bow = [(7, 18), (6, 14), (8, 10), (12, 11), (15, 16), (19, 18), (22, 14), (20, 9)]
        stroke([(a + 0.8 * w, b + 0.8 * v) for (a, b), w, v in zip(bow, wobble, wobble[8:], strict=False)])
        stroke([(3 + wobble[0], 14 + wobble[1]), (25 + wobble[2], 14 + wobble[3])])
    else:
        raise DataError(f"there is no way to draw '{sign}': only . , and $ are drawn")
    return torch.from_numpy((255 * ink).round().astype(np.uint8))[None]


def _digits_of(here: Path, root: str | None) -> Source:
    """MNIST's digits where there is a folder of them, else the built-in ones."""
    return mnist(root).make(here) if root is not None else Digits("digits", 0, 0.2, 0, "standard")


@source
def digit_strings(
    here: Path,
    root: str | None = None,
    least: Count = 3,
    most: Count = 5,
    size: Count = 10000,
    validation: Few = 0,
    test: Few = 2000,
    gap: Pixels = [-2, 5],  # noqa: B006
    slant: Share = 0.15,
    scale: Share = 0.1,
    shift: Few = 1,
    broken: Share = 0.0,
    noise: Share = 0.0,
    split: int = 0,
) -> Source:
    """Strings of handwritten digits side by side, from `least` to `most` of them, to be read as a whole.

    `root` is a folder of MNIST; without it the digits are scikit-learn's. `size` lines to train on, `validation` and
    `test` ones are set anew each time, the same for the same options and `split`; no digit of a test line is in a
    training line. `gap` [least, most] are the pixels between neighbours, below 0 where they overlap; `slant` is the
    largest lean, `scale` the largest change of size, `shift` of height in pixels; of the share `broken` a stroke is
    cut; `noise` is a deviation, 1 being from white to black. The network sees sequences of columns (N, T, 28); a target
    is a string. LeCun et al. (1998), Gradient-based learning applied to document recognition, section VII.

    >>> import dovetail as dt
    >>> facts = dt.digit_strings(size=20, test=10).make(Path()).facts
    >>> facts.target.form, facts.sizes
    ('string', {'train': 20, 'validation': 0, 'test': 10})
    """
    if least > most:
        raise ValueError(f"least: {least} digits at least and {most} at most")
    how = Setting((gap[0], gap[1]), slant, scale, shift, broken, noise)

    def strings(rng: np.random.Generator) -> list[int]:
        return [int(digit) for digit in rng.integers(0, 10, rng.integers(least, most + 1))]

    counts = {"train": size, "validation": validation, "test": test}
    return Typeset("digit_strings", _digits_of(here, root), DIGITS, strings, counts, how, split)


AMOUNT = {
    "amount": r"\$(<small>|<large>)\.<digit><digit>",
    "small": "<first><digit>?<digit>?|0",
    "large": "<first><digit>?<digit>?,<digit><digit><digit>",
    "first": "[1-9]",
    "digit": "[0-9]",
}


@source
def amounts(
    here: Path,
    root: str | None = None,
    rules: dict[str, str] = AMOUNT,
    size: Count = 10000,
    validation: Few = 0,
    test: Few = 2000,
    gap: Pixels = [-2, 5],  # noqa: B006
    slant: Share = 0.15,
    scale: Share = 0.1,
    shift: Few = 1,
    broken: Share = 0.0,
    noise: Share = 0.0,
    split: int = 0,
) -> Source:
    r"""Handwritten amounts of money, `$1,250.75`, each a string that a grammar allows; signs are drawn by us.

    `rules` are named regular expressions over the digits and `.,$`, the first of which describes an amount: strings are
    drawn from it arc by arc, all that go on from a place alike. The other options are those of `digit_strings`. LeCun
    et al. (1998), section X, a check reading system.

    >>> import dovetail as dt
    >>> dt.amounts(size=20, test=10).make(Path()).facts.target.names[-3:]
    ['.', ',', '$']
    """
    symbols = DIGITS + ".,$"
    allowed = grammar(rules, Symbols(symbols))
    structure, final = allowed.structure, (allowed.final > -torch.inf).numpy()
    leaving = [np.flatnonzero(structure.source == state) for state in range(structure.states)]
    first = int(allowed.start.argmax())

    def strings(rng: np.random.Generator) -> list[int]:
        state, found = first, list[int]()
        while True:
            ways = len(leaving[state]) + int(final[state])
            chosen = int(rng.integers(0, ways))
            if chosen == len(leaving[state]):
                return found
            arc = leaving[state][chosen]
            found.append(int(structure.input[arc]))
            state = int(structure.target[arc])

    how = Setting((gap[0], gap[1]), slant, scale, shift, broken, noise)
    counts = {"train": size, "validation": validation, "test": test}
    return Typeset("amounts", _digits_of(here, root), symbols, strings, counts, how, split)
