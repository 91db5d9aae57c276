"""The rate finder: on curves that are known, on recipes, and what it leaves behind (nothing)."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from commands import dovetail

import dovetail as dt
from dovetail.recipe.errors import UsageError
from dovetail.recipe.recipe import load
from dovetail.tuning.rate import judged


def test_a_curve_that_is_known() -> None:
    """A fall that is steepest at 1e-3 and ends at 1e-1."""
    rates = [10 ** (-6 + 7 * t / 199) for t in range(200)]
    losses = [2 - math.tanh(math.log10(rate) + 3) + max(0.0, math.log10(rate) + 1) ** 2 for rate in rates]
    found = judged(rates, losses)
    assert found.steepest == pytest.approx(1e-3, rel=0.1)
    assert found.lowest == pytest.approx(1e-1, rel=0.2)
    assert found.suggested == pytest.approx(1e-2, rel=0.2)


@pytest.mark.parametrize("rule", ["sgd", "{sgd: {momentum: 0.9}}", "adam"])
def test_the_rate_that_is_found_trains(rule: str) -> None:
    words = ["softmax-regression", "data=digits", f"optimizer.rule={rule}", "epochs=5"]
    found = dt.find_rate(*words, steps=100)
    good, low, high = (
        dt.train(*words, f"optimizer.rate.constant={rate}", run=name).metrics[-2]["train"]["loss"]
        for name, rate in (("good", found.suggested), ("low", found.suggested / 100), ("high", 30 * found.lowest))
    )
    assert good < 0.6 * low
    assert good < 0.6 * high


def test_it_repeats_and_leaves_nothing() -> None:
    before = set(Path.cwd().iterdir())
    assert dt.find_rate("lenet", steps=30).losses == dt.find_rate("lenet", steps=30).losses
    assert set(Path.cwd().iterdir()) == before


def test_it_refuses_what_makes_no_sense() -> None:
    with pytest.raises(UsageError, match="lbfgs searches for how far it goes; take rate: 1"):
        dt.find_rate("softmax-regression", "data=digits", "optimizer.rule=lbfgs")
    with pytest.raises(UsageError, match="steps=3: a rate is found in 20 steps at least"):
        dt.find_rate("softmax-regression", steps=3)


def test_the_command() -> None:
    said = dovetail("tune", "softmax-regression", "data=digits", "--rate")
    assert said.code == 0
    assert re.search(r"; take (0\.0\d+): optimizer\.rate\.cosine\.start=\1$", said.out.rstrip())
    assert dovetail("tune", "softmax-regression", "data=digits", "--rate", "--json").json["suggested"] > 0
    assert dovetail("tune", "softmax-regression").err == (
        "the recipe has no search. Name what to look for: search: {space: {optimizer.rate: {log: [0.001, 0.1]}}}\n"
    )


def test_settings_go_over_a_recipe_that_is_an_object() -> None:
    recipe = load("softmax-regression", ["data=digits"])
    by_name = dt.find_rate("softmax-regression", "data=digits", "batch=20", steps=20)
    assert dt.find_rate(recipe, "batch=20", steps=20).losses == by_name.losses
    assert dt.find_rate(recipe, steps=20).losses != by_name.losses
    assert dt.show(recipe, "batch=20") == dt.show("softmax-regression", "data=digits", "batch=20")
    assert dt.time_batches(recipe, "accumulate=1", sizes=[8], budget=0.01).sizes[0].batch == 8


@pytest.mark.parametrize(
    ("rate", "setting"), [(0.1, "optimizer.rate"), ("{slope: {end: 0.001}}", "optimizer.rate.slope.start")]
)
def test_a_schedule_is_kept_and_its_beginning_suggested(rate: object, setting: str) -> None:
    found = dt.find_rate("softmax-regression", "data=digits", f"optimizer.rate={rate}", steps=40)
    assert f"{setting}={found.suggested:.2g}" in str(found)
    assert found.replaces == ""


def test_a_schedule_that_would_be_replaced_is_told() -> None:
    schedule = "optimizer.rate={then: {parts: [0.1, 0.01], at: [50 %]}}"
    found = dt.find_rate("softmax-regression", "data=digits", schedule, steps=40)
    assert str(found).endswith(f"optimizer.rate={found.suggested:.2g}, in place of the schedule then")


def test_a_rule_that_asks_for_curvatures_has_a_rate() -> None:
    found = dt.find_rate("softmax-regression", "data=digits", "optimizer.rule=diagonal_levenberg", steps=40)
    assert 1e-5 < found.steepest < 1


@pytest.mark.parametrize("ends", [(0.0, 1.0), (-1.0, 1.0), (1.0, 0.1), (0.1, float("inf"))])
def test_rates_that_do_not_climb_are_told(ends: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match="rates climb from above 0"):
        dt.find_rate("softmax-regression", "data=digits", lowest=ends[0], highest=ends[1])
