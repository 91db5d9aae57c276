"""OpenFst's text: automata and symbol tables to and from the lines that fstcompile and fstprint speak."""

from __future__ import annotations

import math

import torch

from ..recipe.errors import UsageError
from .automaton import Arc, Automaton
from .operations import trim
from .structure import EPSILON
from .symbols import Symbols


def read_openfst(
    text: str, inputs: Symbols | None = None, outputs: Symbols | None = None, acceptor: bool = False
) -> Automaton:
    """An automaton from OpenFst's text: lines `source target input output [cost]`, and `state [cost]` for ends.

    The first line's source is the start. A cost is minus a score. Labels are numbers, of which 0 is epsilon and l + 1
    our l, or names where symbols are given, of which `<eps>` and `<epsilon>` are epsilon. An acceptor's lines have one
    label. Raises `UsageError`, with the line.

    >>> read_openfst("0 1 1 2 0.5\\n1\\n").structure.output.tolist()
    [1]
    """
    arcs: list[Arc] = []
    final: dict[int, float] = {}
    number: dict[str, int] = {}
    labels = 1 if acceptor else 2
    for place, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        try:
            if len(words) <= 2:
                state = number.setdefault(_state(words[0]), len(number))
                final[state] = -float(words[1]) if len(words) == 2 else 0.0
                continue
            if not 2 + labels <= len(words) <= 3 + labels:
                raise UsageError(f"an arc has {2 + labels} or {3 + labels} words")
            source, target = (number.setdefault(_state(word), len(number)) for word in words[:2])
            read = _label(words[2], inputs)
            written = read if acceptor else _label(words[3], outputs)
            arcs.append((source, target, read, written, -float(words[-1]) if len(words) == 3 + labels else 0.0))
        except ValueError as error:
            raise UsageError(f"line {place}: {error}: {line!r}") from None
    if not number:
        return Automaton.of(0, [], start=(), final=())
    return Automaton.of(len(number), arcs, 0, final)


def write_openfst(automaton: Automaton, inputs: Symbols | None = None, outputs: Symbols | None = None) -> str:
    """The text that `fstcompile` takes; several starts become one, from which arcs without labels lead to them.
    States that no path passes are left out.

    >>> print(write_openfst(Automaton.of(2, [(0, 1, 0, 1, -0.5)], final=1)), end="")
    0 1 1 2 0.5
    1
    """
    automaton.require_one("write_openfst")
    automaton = trim(automaton)
    structure = automaton.structure
    starts = torch.nonzero(automaton.start > -torch.inf)[:, 0].tolist()
    lines, begin = [], structure.states
    if len(starts) != 1 or float(automaton.start[starts[0]]) != 0.0:
        nothing = [_name(EPSILON, symbols) for symbols in (inputs, outputs)]
        lines = [f"{begin} {state} {' '.join(nothing)}{_cost(float(automaton.start[state]))}" for state in starts]
    else:
        begin = starts[0]
    columns = (structure.source, structure.target, structure.input, structure.output)
    arcs = list(zip(*(column.tolist() for column in columns), automaton.weight.tolist(), strict=True))
    for source, target, read, written, score in sorted(arcs, key=lambda arc: arc[0] != begin):
        if score > -math.inf:
            lines.append(f"{source} {target} {_name(read, inputs)} {_name(written, outputs)}{_cost(score)}")
    ends = enumerate(automaton.final.tolist())
    lines += [f"{state}{_cost(score)}" for state, score in ends if score > -math.inf]
    return "".join(f"{line}\n" for line in lines)


def write_symbols(symbols: Symbols) -> str:
    """A symbol table as OpenFst's programs read it.

    >>> write_symbols(Symbols("ab")).split()
    ['<eps>', '0', 'a', '1', 'b', '2']
    """
    return "".join(f"{name}\t{label}\n" for label, name in enumerate(["<eps>", *symbols]))


def _state(word: str) -> str:
    if not word.isdecimal():
        raise ValueError("states are numbers (and it is the text that is read, not a file's name)")
    return word


def _label(word: str, symbols: Symbols | None) -> int:
    if symbols is None:
        return int(word) - 1
    return EPSILON if word in ("<eps>", "<epsilon>") else symbols[word]


def _name(label: int, symbols: Symbols | None) -> str:
    if symbols is None:
        return str(label + 1)
    return "<eps>" if label == EPSILON else symbols.name(label)


def _cost(score: float) -> str:
    return f" {0.0 - score:.9g}" if score else ""
