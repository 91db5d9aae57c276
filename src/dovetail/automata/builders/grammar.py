"""Grammars of named rules that do not call themselves."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ...recipe.errors import UsageError, nearest
from ..automaton import Automaton
from ..symbols import Symbols
from .expression import expression


def grammar(rules: Mapping[str, str], symbols: Symbols) -> Automaton:
    """Reads what the first rule describes; rules are regular expressions that call others, `<name>`.

    Raises `UsageError` for a rule that calls itself, by whatever way, and names the way.

    >>> money = {"amount": "<digit>+(,<digit>{2})?", "digit": "[0-9]"}
    >>> grammar(money, Symbols("0123456789,"))
    Automaton(5 states, 41 arcs)
    """
    if not isinstance(rules, Mapping):
        raise UsageError(f"grammar: takes rules by name, {{'number': '[0-9]+'}}, not {rules!r}")
    if not rules:
        raise UsageError("grammar: has no rules")
    built: dict[str, Automaton] = {}

    def build(name: str, way: tuple[str, ...]) -> None:
        if name in way:
            raise UsageError(f"grammar: the rule '{name}' calls itself: {' -> '.join([*way[way.index(name) :], name])}")
        for called in _called(rules[name]):
            if called in rules and called not in built:
                build(called, (*way, name))
            elif called not in rules and called not in symbols:
                raise UsageError(f"grammar: rule '{name}' calls '{called}'. {nearest(called, [*rules, *symbols])}")
        try:
            built[name] = expression(rules[name], symbols, built)
        except UsageError as error:
            raise UsageError(f"grammar: rule '{name}': {error}") from None

    first = next(iter(rules))
    build(first, ())
    for name in rules:
        if name not in built:
            raise UsageError(f"grammar: the rule '{name}' is never called, from '{first}' on")
    return built[first]


def _called(text: str) -> list[str]:
    return re.findall(r"<([^>]*)>", re.sub(r"\\.", "", text))
