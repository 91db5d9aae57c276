"""Operations and text against OpenFst itself, where its Python package (pynini) is installed."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
import torch
from automata.enumeration import Language, language, random_lattice

from dovetail.automata import Automaton, read_openfst, total, write_openfst
from dovetail.automata.operations import compose, concat, determinize, minimize, project, remove_epsilon, reverse, union

fst: Any = pytest.importorskip("pywrapfst")


def theirs(automaton: Automaton, arc_type: str = "log64") -> Any:
    compiler = fst.Compiler(arc_type=arc_type)
    compiler.write(write_openfst(automaton))
    return compiler.compile()


def ours(one: Any) -> Automaton:
    return read_openfst(one.print()).to(torch.float64)


def same(one: Language, other: Language) -> None:
    assert one.keys() == other.keys()
    for key, score in other.items():
        assert one[key] == pytest.approx(score, abs=1e-4), key  # it prints six digits


def sorted_arcs(one: Any) -> Any:
    return one.arcsort("olabel")


@pytest.mark.parametrize("seed", range(50))
def test_operations_are_openfsts(seed: int) -> None:
    draw = random.Random(seed)
    a, b = random_lattice(draw), random_lattice(draw, states=4, arcs=6)
    f, g = theirs(a), theirs(b)
    pairs = [
        (compose(a, b), fst.compose(sorted_arcs(f.copy()), g)),
        (union(a, b), f.copy().union(g)),
        (concat(a, b), f.copy().concat(g)),
        (reverse(a), fst.reverse(f)),
        (remove_epsilon(a), f.copy().rmepsilon()),
        (project(a, "output"), f.copy().project("output")),
    ]
    for one, other in pairs:
        same(language(one, most=30), language(ours(other), most=30))
    if f.num_states():
        assert float(total(a)[0]) == pytest.approx(-float(fst.shortestdistance(f, reverse=True)[f.start()]), abs=1e-4)


@pytest.mark.parametrize("seed", range(50))
def test_determinization_and_minimization_are_openfsts(seed: int) -> None:
    a = random_lattice(random.Random(seed))
    begin = torch.tensor([0.0, *[-torch.inf] * (a.states - 1)], dtype=torch.float64)
    a = remove_epsilon(project(replace(a, start=begin)))
    if not a.states:
        return
    certain = fst.determinize(theirs(a, "standard"))
    mine = determinize(a, "max")
    same(language(mine, best=True), language(ours(certain), best=True))
    assert minimize(mine).states == certain.copy().minimize().num_states()
