"""Spaces: ranges, cells, conditions, and points as settings and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.recipe.errors import RecipeError, UsageError
from dovetail.search import choices, integer, linear, log
from dovetail.search.space import Space

MIXED = {
    "rate": log([1e-4, 1.0]),
    "batch": integer([16, 256], factors=True),
    "layers": integer([1, 4]),
    "rule": choices(["sgd", "adam", "muon"]),
    "momentum": linear([0.0, 0.99], when={"rule": ["sgd", "muon"]}),
}


@given(st.lists(st.floats(0, 1), min_size=5, max_size=5))
def test_settings_lie_in_their_ranges_and_points_come_back(point: list[float]) -> None:
    space = Space(MIXED)
    snapped = space.snapped(point)
    settings = space.settings(snapped)
    assert 1e-4 <= settings["rate"] <= 1
    assert settings["batch"] in range(16, 257)
    assert settings["layers"] in range(1, 5)
    assert ("momentum" in settings) == (settings["rule"] in ("sgd", "muon"))
    assert np.allclose(space.point(settings), snapped, atol=1e-4)
    assert np.array_equal(space.snapped(snapped), snapped)


def test_ends_are_reached_and_equal_factors_lie_equally_far() -> None:
    space = Space(MIXED)
    assert list(space.settings(space.snapped([0.0] * 5)).values()) == [1e-4, 16, 1, "sgd", 0.0]
    assert list(space.settings(space.snapped([1.0] * 5)).values()) == [1.0, 256, 4, "muon", 0.99]
    rate = space.ranges["rate"]
    assert rate.value(0.25) / rate.value(0.0) == pytest.approx(rate.value(0.5) / rate.value(0.25), rel=1e-5)
    drawn = [space.ranges["layers"].value(place) for place in np.linspace(0, 1, 1001)]
    assert all(drawn.count(number) in range(249, 253) for number in range(1, 5))


def test_choices_are_equally_far_from_each_other() -> None:
    space = Space({"rule": choices(["sgd", "adam", "muon"])})
    features = space.features(np.array([[1 / 6], [1 / 2], [5 / 6]]))
    away = np.linalg.norm(features[:, None] - features, axis=-1)
    assert np.allclose(away, 1 - np.eye(3))


@pytest.mark.parametrize("spec", [linear([1, 0]), log([0, 1]), integer([3, 3]), choices(["a"]), choices(["a", "a"])])
def test_ranges_that_hold_nothing_are_refused(spec: object) -> None:
    with pytest.raises(RecipeError, match="search\\.space"):
        Space({"x": spec})  # type: ignore[dict-item]


def test_conditions_name_a_range_further_up_and_its_values() -> None:
    with pytest.raises(RecipeError, match="Did you mean 'rule'"):
        Space({"rule": choices(["sgd", "adam"]), "m": linear([0, 1], when={"rul": "sgd"})})
    with pytest.raises(RecipeError, match="is never 'sdg'"):
        Space({"rule": choices(["sgd", "adam"]), "m": linear([0, 1], when={"rule": "sdg"})})
    with pytest.raises(RecipeError, match="'rate' has no choices"):
        Space({"rate": log([0.1, 1]), "m": linear([0, 1], when={"rate": 0.1})})
    with pytest.raises(UsageError, match="no space"):
        Space({})


@pytest.mark.parametrize(
    ("ranges", "mend"),
    [
        ({"o.rule": choices(["sgd", "adam"]), "o.rule.sgd.m": linear([0, 1])}, "when: {o.rule: sgd}"),
        ({"o.rule.sgd.m": linear([0, 1]), "o.rule": choices(["sgd", "adam"])}, "when: {o.rule: sgd}"),
        (
            {"o.rule": choices(["sgd", "adam"]), "o.rule.sgd.m": linear([0, 1], when={"o.rule": ["sgd", "adam"]})},
            "when: {o.rule: sgd}",
        ),
        ({"o.rate": log([0.1, 1]), "o.rate.cosine.start": log([0.1, 1])}, "search one of them"),
    ],
)
def test_a_range_within_another_depends_on_it(ranges: dict[str, Any], mend: str) -> None:
    with pytest.raises(RecipeError, match=f"replaces 'o.ra?u?[lt]e', which is searched, too: {mend}"):
        Space(ranges)


def test_a_choice_with_options_is_depended_on_by_its_name() -> None:
    rule = choices([{"sgd": {"nesterov": True}}, "adam"])
    inner = linear([0.1, 0.9], when={"o.rule": {"sgd": {"nesterov": True}}})
    assert Space({"o.rule": rule, "o.rule.sgd.momentum": inner}).names == ["o.rule", "o.rule.sgd.momentum"]


def test_conditions_of_conditions() -> None:
    inner = choices(["a", "b"], when={"rule": ["muon", "sgd"]})
    space = Space({"rule": choices(["adam", "sgd", "muon"]), "kind": inner, "m": linear([0, 1], when={"kind": "b"})})
    assert space.conditions("m") == {"rule": "muon", "kind": "b"}
    assert space.settings(space.snapped([0.1, 0.9, 0.2])) == {"rule": "adam"}
    assert space.settings(space.snapped([0.9, 0.9, 0.2])) == {"rule": "muon", "kind": "b", "m": 0.2}
