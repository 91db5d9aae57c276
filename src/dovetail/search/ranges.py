"""Ranges: what a number, or a word, of a recipe may be in a search."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from ..recipe import range as range_

Ends = Annotated[
    Annotated[list[float], Field(min_length=2, max_length=2)], "the two ends, lower first, like [0.1, 0.5]"
]
Whole = Annotated[
    Annotated[list[int], Field(min_length=2, max_length=2)], "two whole numbers, lower first, like [16, 256]"
]
When = Annotated[dict[str, Any] | None, "settings with their values, like {optimizer.rule: adam}, or nothing"]


@dataclass(frozen=True)
class Range:
    """Values from `low` to `high`, in a straight line or in equal factors, or one of several.

    A place in a range is a number from 0 to 1. `cells` is how many values there are, 0 where they lie dense.
    """

    low: float = 0.0
    high: float = 1.0
    factors: bool = False
    whole: bool = False
    among: tuple[Any, ...] = ()
    when: dict[str, Any] | None = None

    @property
    def cells(self) -> int:
        return len(self.among) or (int(self.high - self.low) + 1 if self.whole else 0)

    def value(self, place: float) -> Any:
        """What stands at a place.

        >>> Range(1.0, 100.0, factors=True).value(0.5)
        10.0
        """
        if self.among:
            return self.among[min(int(place * len(self.among)), len(self.among) - 1)]
        low, high = (self.low - 0.5, self.high + 0.5) if self.whole else (self.low, self.high)
        if self.factors:
            low, high = math.log(low), math.log(high)
        number = low + place * (high - low)
        number = math.exp(number) if self.factors else number
        if self.whole:
            return min(max(round(number), int(self.low)), int(self.high))
        return min(max(float(f"{number:.6g}"), self.low), self.high)  # digits that one would write

    def place(self, value: Any) -> float:
        """Where a value stands: the middle of its cell."""
        if self.among:
            return (self.among.index(value) + 0.5) / len(self.among)
        low, high = (self.low - 0.5, self.high + 0.5) if self.whole else (self.low, self.high)
        if self.factors:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return float(min(max((value - low) / (high - low), 0.0), 1.0))


@range_
def linear(known: None, between: Ends, when: When = None) -> Range:
    """Numbers between two ends, all alike.

    `when` says of which other settings of the space the range depends: it is searched only where they have these
    values. Raises `ValueError` where the ends do not rise.

    >>> from dovetail.search import linear
    >>> linear([0.5, 1.0]).make(None).value(0.25)
    0.625
    """
    low, high = _rising(between)
    return Range(low, high, when=when)


@range_
def log(known: None, between: Ends, when: When = None) -> Range:
    """Numbers between two ends above 0, equal factors alike: for rates and decays.

    Raises `ValueError` where the ends do not rise or are not above 0.

    >>> from dovetail.search import log
    >>> log([0.001, 0.1]).make(None).value(0.5)
    0.01
    """
    low, high = _rising(_positive(between))
    return Range(low, high, factors=True, when=when)


@range_
def integer(known: None, between: Whole, factors: bool = False, when: When = None) -> Range:
    """Whole numbers, both ends among them; with `factors`, equal factors alike: for batches and widths.

    Raises `ValueError` where the ends do not rise, or with `factors` are not above 0.

    >>> from dovetail.search import integer
    >>> [integer([1, 3]).make(None).value(place) for place in (0.0, 0.5, 1.0)]
    [1, 2, 3]
    """
    low, high = _rising(_positive(between) if factors else between)
    return Range(low, high, factors=factors, whole=True, when=when)


@range_
def choices(known: None, among: list[Any], when: When = None) -> Range:
    """One of several values, in no order: rules, layers, sizes.

    Raises `ValueError` where there are fewer than two, or one stands there twice.

    >>> from dovetail.search import choices
    >>> choices(["sgd", "adam"]).make(None).value(0.9)
    'adam'
    """
    if len(among) < 2 or any(value in among[:index] for index, value in enumerate(among)):
        raise ValueError(f"takes two different values at least, got {among}")
    return Range(among=tuple(among), when=when)


def _rising(ends: list[Any]) -> list[Any]:
    if not ends[0] < ends[1]:
        raise ValueError(f"the lower end comes first, got {ends}")
    return ends


def _positive(ends: list[Any]) -> list[Any]:
    if ends[0] <= 0:
        raise ValueError(f"equal factors take ends above 0, got {ends}")
    return ends
