"""Regular expressions over symbols."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
import torch

from ...recipe.errors import UsageError
from ..automaton import Automaton
from ..operations import concat, determinize, minimize, remove_epsilon, trim, union
from ..structure import Structure
from ..symbols import Symbols

MOST = 1000  # repetitions
SPECIAL = "()[]{}<>|*+?.\\"


def expression(text: str, symbols: Symbols, rules: Mapping[str, Automaton] | None = None) -> Automaton:
    r"""Reads what a regular expression describes; the smallest automaton that does, all scores 0.

    Symbols of one character stand for themselves. `.` is any symbol, `[a-c7]` one of several, `[^a]` any other, `(x|y)`
    one or the other, `x*`, `x+`, `x?`, `x{3}` and `x{1,4}` are repetitions, `<name>` what the rule of that name reads
    or the symbol of that name, `\` takes what follows as it is. Raises `UsageError`, which points to the place.

    >>> expression("a(b|c)*", Symbols("abc"))
    Automaton(2 states, 3 arcs)
    """
    return smallest(_Reader(text, symbols, rules or {}).whole())


def smallest(automaton: Automaton) -> Automaton:
    """The same readings, each once, with as few states as there can be."""
    once = determinize(remove_epsilon(trim(automaton)), "max")
    return minimize(once) if once.arcs else once


def _again(automaton: Automaton) -> Automaton:
    """Once or more, of an automaton that is `smallest`: from each end go on as from the beginning.

    Unlike by `closure`, nothing read any number of times makes no cycle of arcs that read nothing.
    """
    old = automaton.structure
    ends = torch.nonzero(automaton.final > -torch.inf)[:, 0].tolist()
    first = np.flatnonzero(old.source == int(automaton.start.argmax()))
    source = np.concatenate([old.source, *(np.full(len(first), end) for end in ends)])
    columns = [np.concatenate([part, *[part[first]] * len(ends)]) for part in (old.target, old.input, old.output)]
    weight = automaton.weight.new_zeros(len(source))
    return replace(automaton, structure=Structure.of(old.states, source, *columns), weight=weight)


class _Reader:
    """Reads an expression from left to right."""

    def __init__(self, text: str, symbols: Symbols, rules: Mapping[str, Automaton]) -> None:
        self.text, self.at, self.symbols, self.rules = text, 0, symbols, rules

    def whole(self) -> Automaton:
        found = self.choice()
        if self.at < len(self.text):
            self.fail(f"'{self.text[self.at]}' closes nothing" if self.text[self.at] in ")" else "cannot go on here")
        return found

    def fail(self, message: str, at: int | None = None) -> None:
        at = self.at if at is None else at
        raise UsageError(f"expression: {message}\n    {self.text}\n    {' ' * at}^")

    def next(self, what: str) -> bool:
        """Whether this comes next; passes it if so."""
        if self.text.startswith(what, self.at):
            self.at += len(what)
            return True
        return False

    def choice(self) -> Automaton:
        options = [self.sequence()]
        while self.next("|"):
            options.append(self.sequence())
        return union(*options) if len(options) > 1 else options[0]

    def sequence(self) -> Automaton:
        parts = []
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            parts.append(self.repeated())
        return concat(*parts) if parts else Automaton.of(1, [], final=0)

    def repeated(self) -> Automaton:
        one = self.atom()
        while self.at < len(self.text) and self.text[self.at] in "*+?{":
            begun, sign = self.at, self.text[self.at]
            self.at += 1
            nothing = Automaton.of(1, [], final=0)
            if sign == "{":
                least, most = self.counts(begun)
                more = [union(one, nothing)] * (most - least)
                one = concat(*[one] * least, *more) if most else nothing
            else:
                often = one if sign == "?" else _again(smallest(one))
                one = often if sign == "+" else union(often, nothing)
            one = smallest(one)
        return one

    def counts(self, begun: int) -> tuple[int, int]:
        inside, closed, rest = self.text[self.at :].partition("}")
        least, comma, most = inside.partition(",")
        if not closed or not least.strip().isdigit() or (comma and not most.strip().isdigit()):
            self.fail("a repetition is {3} or {1,4}", begun)
        self.at = len(self.text) - len(rest)
        counts = int(least), int(most if comma else least)
        if counts[0] > counts[1]:
            self.fail(f"from {counts[0]} to {counts[1]} is no range", begun)
        if counts[1] > MOST:
            self.fail(f"at most {MOST:,} repetitions can be written out", begun)
        return counts

    def atom(self) -> Automaton:
        begun, sign = self.at, self.text[self.at]
        if self.next("("):
            inside = self.choice()
            if not self.next(")"):
                self.fail("'(' is not closed", begun)
            return inside
        if self.next("["):
            return self.one_of(self.set(begun))
        if self.next("."):
            return self.one_of(range(len(self.symbols)))
        if self.next("<"):
            name, closed, _ = self.text[self.at :].partition(">")
            if not closed:
                self.fail("'<' is not closed", begun)
            self.at += len(name) + 1
            if name in self.rules:
                return self.rules[name]
            return self.one_of([self.label(name, begun)])
        if self.next("\\"):
            if self.at == len(self.text):
                self.fail("'\\' is followed by nothing", begun)
        elif sign in SPECIAL:
            self.fail(f"'{sign}' has nothing before it" if sign in "*+?{" else f"'{sign}' is written '\\{sign}'")
        self.at += 1
        return self.one_of([self.label(self.text[self.at - 1], begun)])

    def set(self, begun: int) -> list[int]:
        """The labels of a set, behind its bracket."""
        other, labels = self.next("^"), set()
        while not self.next("]"):
            if self.at >= len(self.text):
                self.fail("'[' is not closed", begun)
            first = self.character()
            last = self.character() if self.next("-") else first
            if last < first:
                self.fail(f"from '{first}' to '{last}' is no range", begun)
            inside = [self.symbols[name] for name in self.symbols if len(name) == 1 and first <= name <= last]
            if not inside:
                self.label(first, begun)
            labels.update(inside)
        return [label for label in range(len(self.symbols)) if (label in labels) != other]

    def character(self) -> str:
        self.next("\\")
        self.at += 1
        if self.at > len(self.text):
            self.fail("the set ends too early", self.at - 1)
        return self.text[self.at - 1]

    def label(self, name: str, begun: int) -> int:
        try:
            return self.symbols[name]
        except UsageError as error:
            self.fail(str(error), begun)
            raise

    @staticmethod
    def one_of(labels: Iterable[int]) -> Automaton:
        return Automaton.of(2, [(0, 1, label) for label in labels], final=1)
