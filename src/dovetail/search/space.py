"""A space: the settings that are searched, as points of a cube, and points as settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..recipe.errors import UsageError, nearest
from ..recipe.place import fail
from ..recipe.spec import Spec
from .ranges import Range

Array = NDArray[np.float64]
REST = 0.5  # where a range that is not searched stands


class Space:
    """Named ranges. A point has a number from 0 to 1 for each of them, the middle of the cell where values are few.

    Raises `RecipeError` where a range holds nothing, or depends on what is no choice further up.

    >>> from dovetail.search import choices, log
    >>> rate = log([0.01, 1.0], when={"optimizer.rule": "sgd"})
    >>> space = Space({"optimizer.rule": choices(["sgd", "adam"]), "optimizer.rule.sgd.momentum": rate})
    >>> space.settings(space.snapped([0.2, 0.5]))
    {'optimizer.rule': 'sgd', 'optimizer.rule.sgd.momentum': 0.1}
    >>> space.settings(space.snapped([0.7, 0.5]))
    {'optimizer.rule': 'adam'}
    """

    def __init__(self, ranges: Mapping[str, Spec]) -> None:
        if not ranges:
            raise UsageError("the recipe has no space to search. Give it one: search: {space: {...}}")
        self.ranges: dict[str, Range] = {}
        for name, spec in ranges.items():
            self.ranges[name] = spec.make_at(f"search.space['{name}']", None)
            self._require_apart(name, spec)
            for other, value in (self.ranges[name].when or {}).items():
                self._require(name, other, value, spec)
        self.names = list(self.ranges)
        columns = [[place] * (len(one.among) or 1) for place, one in enumerate(self.ranges.values())]
        self.owners = np.array([place for group in columns for place in group])  # the range of each feature
        self.dense = np.array([not one.cells for one in self.ranges.values()])

    def _require_apart(self, name: str, spec: Spec) -> None:
        """What lies within another setting that is searched replaces it: it has to depend on just that choice."""
        for other in self.ranges:
            outer, inner = (other, name) if name.startswith(f"{other}.") else (name, other)
            if not inner.startswith(f"{outer}."):
                continue
            choice = inner.removeprefix(f"{outer}.").split(".")[0]
            condition = (self.ranges[inner].when or {}).get(outer, [])
            if condition and all(_kind(value) == choice for value in _listed(condition)):
                continue
            there = choice in map(_kind, self.ranges[outer].among)
            mend = f"when: {{{outer}: {choice}}}" if there else "search one of them"
            fail(f"'{inner}' replaces '{outer}', which is searched, too: {mend}", f"search.space['{name}']", spec.place)

    def _require(self, name: str, other: str, value: Any, spec: Spec) -> None:
        """A condition names a range further up, and values that it has."""
        path = f"search.space['{name}']"
        if other not in self.ranges or other == name:
            above = [known for known in self.ranges if known != name]
            fail(f"when: '{other}' is no range further up. {nearest(other, above)}".strip(), path, spec.place)
        among = self.ranges[other].among
        if not among:
            fail(f"when: '{other}' has no choices to depend on", path, spec.place)
        for one in value if isinstance(value, list) else [value]:
            if one not in among:
                fail(f"when: '{other}' is never {one!r}; its choices are {list(among)}", path, spec.place)

    def snapped(self, point: Sequence[float] | Array) -> Array:
        """The point with each number in the middle of its cell, and at rest where its range is not searched."""
        snapped = np.array(point, dtype=float)
        for place, one in enumerate(self.ranges.values()):
            if one.cells:
                snapped[place] = one.place(one.value(snapped[place]))
        searched = self.settings(snapped)
        for place, name in enumerate(self.names):
            if name not in searched:
                snapped[place] = REST
        return snapped

    def settings(self, point: Array) -> dict[str, Any]:
        """The settings that a point stands for: the ranges whose conditions hold, in the order of the space."""
        found: dict[str, Any] = {}
        for place, (name, one) in enumerate(self.ranges.items()):
            conditions = (one.when or {}).items()
            if all(other in found and found[other] in _listed(value) for other, value in conditions):
                found[name] = one.value(float(point[place]))
        return found

    def conditions(self, name: str) -> dict[str, Any]:
        """Settings under which a range is searched: one value for each that it depends on, and for what those do."""
        found: dict[str, Any] = {}
        for other, value in (self.ranges[name].when or {}).items():
            found |= {**self.conditions(other), other: _listed(value)[0]}
        return found

    def point(self, settings: Mapping[str, Any]) -> Array:
        """Where settings stand; those that are left out are at rest."""
        places = [one.place(settings[name]) if name in settings else REST for name, one in self.ranges.items()]
        return np.array(places)

    def holds(self, settings: Mapping[str, Any]) -> bool:
        """Whether these are the settings of one of its points.

        >>> from dovetail.search import integer
        >>> space = Space({"batch": integer([16, 64])})
        >>> space.holds({"batch": 32}), space.holds({"batch": 128}), space.holds({})
        (True, False, False)
        """
        try:
            return self.settings(self.point(settings)) == dict(settings)
        except (TypeError, ValueError):  # no number, or none of the choices
            return False

    def features(self, points: Array) -> Array:
        """Points (N, names) as the process sees them (N, features): a column for each of several choices."""
        columns = []
        for place, one in enumerate(self.ranges.values()):
            if one.among:
                chosen = np.minimum((points[:, place] * len(one.among)).astype(int), len(one.among) - 1)
                columns.append(np.eye(len(one.among))[chosen] * 0.5**0.5)  # two choices lie 1 apart
            else:
                columns.append(points[:, place, None])
        return np.hstack(columns)


def _kind(value: Any) -> Any:
    """The part that a value names, be it alone or with options."""
    return next(iter(value), None) if isinstance(value, dict) else value


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
