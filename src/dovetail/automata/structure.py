"""What an automaton is beside its weights: states and labelled arcs, frozen, with the indices that sums need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..recipe.errors import UsageError

T = TypeVar("T")
Indices = NDArray[np.int64]
EPSILON = -1  # the label of an arc that reads (or writes) nothing


@dataclass(frozen=True, eq=False)
class Structure:
    """States 0 .. states - 1 and arcs; `owners` says to which of several automata side by side each state belongs.

    Raises `UsageError` for arcs that lead nowhere and labels below EPSILON.
    """

    states: int
    source: Indices
    target: Indices
    input: Indices
    output: Indices
    firsts: Indices  # the first state of each automaton, and at the end the number of states

    def __post_init__(self) -> None:
        for name in ("source", "target"):
            ends = getattr(self, name)
            if len(ends) and (ends.min() < 0 or ends.max() >= self.states):
                wrong = int(np.flatnonzero((ends < 0) | (ends >= self.states))[0])
                raise UsageError(f"arc {wrong}: its {name} is {ends[wrong]}, and there are {self.states} states")
        for name in ("input", "output"):
            labels = getattr(self, name)
            if len(labels) and labels.min() < EPSILON:
                raise UsageError(f"arc {int(labels.argmin())}: its {name} label is {labels.min()}, below {EPSILON}")

    @classmethod
    def of(
        cls,
        states: int,
        source: Sequence[int] | Indices,
        target: Sequence[int] | Indices,
        input: Sequence[int] | Indices,
        output: Sequence[int] | Indices | None = None,
    ) -> Structure:
        """One automaton; outputs are as inputs unless given."""
        read = whole(input)
        written = read if output is None else whole(output)
        ends = whole(source), whole(target)
        return cls(states, *ends, read, written, np.array([0, states], np.int64))

    @classmethod
    def beside(cls, parts: Sequence[Structure]) -> Structure:
        """Several side by side, as one of many states."""
        begins = np.cumsum([0, *(part.states for part in parts)])
        moved = [
            np.concatenate(
                [getattr(part, name) + begin for part, begin in zip(parts, begins, strict=False)] or [begins[:0]]
            )
            for name in ("source", "target")
        ]
        labels = [np.concatenate([getattr(p, name) for p in parts] or [begins[:0]]) for name in ("input", "output")]
        firsts = np.concatenate([[0], *(part.firsts[1:] + begin for part, begin in zip(parts, begins, strict=False))])
        source, target = moved
        return cls(int(begins[-1]), source, target, labels[0], labels[1], firsts.astype(np.int64))

    @property
    def arcs(self) -> int:
        return len(self.source)

    @property
    def count(self) -> int:
        """How many automata lie side by side."""
        return len(self.firsts) - 1

    @cached_property
    def owners(self) -> Indices:
        """(states,): the automaton of each state."""
        return np.repeat(np.arange(self.count), np.diff(self.firsts))

    @property
    def labels(self) -> int:
        """One more than the largest input label."""
        return int(self.input.max(initial=-1)) + 1

    @cached_property
    def levels(self) -> Indices:
        """(states,): the most arcs without input that can lead to each state, one after the other.

        Raises `UsageError` where such arcs form a cycle, and names it.
        """
        free = self.input == EPSILON
        what = "arcs" if free.all() else "arcs without input"
        return levels(self.states, self.source[free], self.target[free], what)

    @cached_property
    def order(self) -> Indices:
        """The states, automaton by automaton, each after those from which arcs without input lead to it."""
        return np.lexsort((self.levels, self.owners))

    @cached_property
    def _packed(self) -> dict[Callable[[Structure], Any], Any]:
        return {}

    def packed(self, form: Callable[[Structure], T]) -> T:
        """The structure in another form, made once."""
        if form not in self._packed:
            self._packed[form] = form(self)
        return self._packed[form]  # type: ignore[no-any-return]

    @cached_property
    def incoming(self) -> Incoming:
        """The arcs by the state they lead to, states in `order`."""
        place = np.empty(self.states, np.int64)
        place[self.order] = np.arange(self.states)
        arcs = np.lexsort((np.arange(self.arcs), self.input == EPSILON, place[self.target]))
        counts = np.bincount(place[self.target], minlength=self.states)
        begins = np.concatenate([[0], np.cumsum(counts)])
        return Incoming(self.order, arcs, begins, place[self.source][arcs], self.input[arcs])


@dataclass(frozen=True, eq=False)
class Incoming:
    """Arcs by the state they lead to, those with input first; state k is number order[k] of the structure's."""

    order: Indices  # (states,)
    arcs: Indices  # (arcs,): which arc of the structure's
    begins: Indices  # (states + 1,)
    source: Indices  # (arcs,): by place in `order`
    label: Indices  # (arcs,)


def whole(numbers: Sequence[int] | Indices) -> Indices:
    """Labels or states as int64. Raises `UsageError` for other things than whole numbers."""
    found = np.asarray(numbers)
    if found.size and found.dtype.kind not in "iu":
        first = found.reshape(-1)[0].item()
        raise UsageError(f"labels and states are whole numbers, not {first!r}; Symbols.labels gives those of a text")
    return found.astype(np.int64)


def levels(states: int, source: Indices, target: Indices, what: str = "arcs") -> Indices:
    """(states,): how many arcs the longest way to each state has. Raises `UsageError` where there is a cycle."""
    order, leaving = np.argsort(source, kind="stable"), np.bincount(source, minlength=states)
    first, waiting = np.cumsum(leaving) - leaving, np.bincount(target, minlength=states)
    level, known, reached, done = np.zeros(states, np.int64), 0, np.flatnonzero(waiting == 0), 0
    while len(reached):  # a state's level is known when those of all before it are
        level[reached] = known
        led = target[order[runs(first[reached], leaving[reached])]]
        np.subtract.at(waiting, led, 1)
        known, done, reached = known + 1, done + len(reached), np.unique(led[waiting[led] == 0])
    if done < states:
        cycle = _cycle(source, target, int(np.flatnonzero(waiting)[0]))
        raise UsageError(f"{what} form a cycle: {' -> '.join(map(str, cycle))}")
    return level


def runs(firsts: Indices, lengths: Indices) -> Indices:
    """From each first on so many numbers, one run behind another.

    >>> runs(np.array([5, 0]), np.array([2, 3]))
    array([5, 6, 0, 1, 2])
    """
    found: Indices = np.arange(lengths.sum()) + np.repeat(firsts - (np.cumsum(lengths) - lengths), lengths)
    return found


def _cycle(source: Indices, target: Indices, state: int) -> list[int]:
    """A cycle that leads to a state: back along arcs until a state comes again."""
    into: dict[int, list[int]] = {}
    for begin, end in zip(source.tolist(), target.tolist(), strict=True):
        into.setdefault(end, []).append(begin)
    path, seen = [state], {state: 0}
    stack = [iter(into.get(state, ()))]
    while stack:
        begin = next(stack[-1], None)
        if begin is None:
            stack.pop()
            seen.pop(path.pop())
        elif begin in seen:
            return [*path[seen[begin] :], begin][::-1]
        else:
            seen[begin] = len(path)
            path.append(begin)
            stack.append(iter(into.get(begin, ())))
    return path
