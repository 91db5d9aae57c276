"""Every registered schedule against every property: one table, one row a setting."""

from __future__ import annotations

import re
from typing import Any

import pytest

import dovetail as dt
from dovetail.recipe import schedule as kind
from dovetail.recipe.check import check
from dovetail.recipe.errors import RecipeError
from dovetail.recipe.language import plain, read_nodes, write
from dovetail.recipe.span import Span
from dovetail.recipe.spec import ScheduleSpec, Spec

SETTINGS: list[tuple[Spec, dict[str, Any]]] = [  # a schedule, and another value of each option
    (dt.constant(0.3), {"value": 0.2}),
    (dt.piecewise([0.3, 0.1], ["30 %"]), {"values": [0.3, 0.2], "at": [20]}),
    (dt.polynomial(0.3, 10.0, 0.75), {"alpha": 0.2, "beta": 20.0, "gamma": 0.5}),
    (dt.exponential(0.3, 0.01), {"alpha": 0.2, "beta": 0.02}),
    (dt.cosine(0.3), {"start": 0.2, "end": 0.1, "over": "2 epochs"}),
    (dt.slope(0.3), {"start": 0.2, "end": 0.1, "over": "2 epochs"}),
    (
        dt.then([dt.slope(0.0, 0.3), dt.cosine(0.3)], ["20 %"]),
        {"parts": [dt.constant(0.3), dt.cosine(0.2)], "at": [50]},
    ),
]
every = pytest.mark.parametrize(("spec", "others"), SETTINGS, ids=[spec.name for spec, _ in SETTINGS])
SPAN = Span(epoch=30, total=100)


def test_every_schedule_has_a_row_and_every_option_another_value() -> None:
    assert {part.name: set(part.parameters) for part in kind} == {spec.name: set(others) for spec, others in SETTINGS}


@every
def test_a_pure_function_of_the_step(spec: Spec, others: dict[str, Any]) -> None:
    rate = spec.make(SPAN)
    forward = [rate(t) for t in range(150)]
    assert [rate(t) for t in reversed(range(150))] == forward[::-1]
    assert [spec.make(SPAN)(t) for t in range(150)] == forward
    assert all(isinstance(value, float) and 0 <= value <= 0.3 for value in forward)


@every
def test_every_option_has_an_effect(spec: Spec, others: dict[str, Any]) -> None:
    rate = spec.make(SPAN)
    for name, value in others.items():
        changed = spec.replace(**{name: value}).make(SPAN)
        assert max(abs(changed(t) - rate(t)) for t in range(100)) > 0.003, name


@every
def test_round_trips_through_yaml(spec: Spec, others: dict[str, Any]) -> None:
    for complete in (False, True):
        node = read_nodes(write({"rate": plain(spec, complete)}), "f").value["rate"]
        assert check(ScheduleSpec, node, "rate") == spec


@pytest.mark.parametrize("part", list(kind), ids=lambda part: part.name)
def test_an_unknown_option_is_named(part: Any) -> None:
    with pytest.raises(RecipeError, match=re.escape(f"{part.name}: unknown option 'colour'.")):
        part(colour=1)
