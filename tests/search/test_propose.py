"""Proposals: where they lead, that they are a pure function, and what they make of failures and of trials under way."""

from __future__ import annotations

import math
from statistics import median
from typing import Any

import numpy as np
import pytest
from scipy.optimize import check_grad

from dovetail.search import choices, integer, linear, log
from dovetail.search.gaussian import Array, Gaussian
from dovetail.search.improvement import log_improvement, log_improvement_slopes
from dovetail.search.lessons import lessons
from dovetail.search.propose import propose, spread
from dovetail.search.space import Space

BRANIN = Space({"x": linear([-5.0, 10.0]), "y": linear([0.0, 15.0])})
LOWEST = 0.3978873577


def branin(x: float, y: float) -> float:
    bowl = (y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6) ** 2
    return bowl + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


def searched(space: Space, function: Any, trials: int, seed: int = 0) -> list[float]:
    points: list[Array] = []
    values: list[float | None] = []
    for _ in range(trials):
        point = propose(space, points, values, seed)
        assert point is not None
        points.append(point)
        values.append(function(**space.settings(point)))
    return [value for value in values if value is not None]


def test_branin_is_what_it_should_be() -> None:
    assert branin(-math.pi, 12.275) == pytest.approx(LOWEST, abs=1e-9)
    assert branin(math.pi, 2.275) == pytest.approx(LOWEST, abs=1e-9)
    assert branin(0, 0) == pytest.approx(55.6021126423, abs=1e-9)


def test_branin_is_found_in_25_trials() -> None:
    assert median(min(searched(BRANIN, branin, 25, seed)) - LOWEST for seed in range(5)) < 1e-3


def test_random_points_do_not_find_it() -> None:
    found = [min(branin(**BRANIN.settings(spread(BRANIN, k, 0, seed))) for k in range(25)) for seed in range(5)]
    assert median(found) - LOWEST > 0.1


def test_a_mixed_space_with_conditions() -> None:
    rate = log([1e-4, 1.0])
    momentum = linear([0.0, 0.99], when={"rule": "sgd"})
    space = Space({"rule": choices(["sgd", "adam"]), "rate": rate, "width": integer([1, 64]), "momentum": momentum})

    def function(rule: str, rate: float, width: int, momentum: float = 0.0) -> float:
        bad = (math.log10(rate) + 2) ** 2 + (width - 40) ** 2 / 400
        return bad + (0.0 if rule == "sgd" else 1.0) + (momentum - 0.9) ** 2

    assert min(searched(space, function, 40)) < 0.02


def test_the_gradient_of_the_likelihood() -> None:
    chance = np.random.default_rng(0)
    x = chance.random((9, 4))
    process = Gaussian(x, chance.normal(size=9), np.array([0, 1, 1, 2]), chance)
    for theta in chance.normal(scale=0.5, size=(5, 5)) + np.array([-0.5, -0.5, -0.5, 0.0, -4.0]):
        error = check_grad(lambda t: process._loss(t)[0], lambda t: process._loss(t)[1], theta)
        assert error < 1e-4 * max(1.0, float(np.linalg.norm(process._loss(theta)[1])))


def test_the_slopes_of_the_process_and_of_the_improvement() -> None:
    chance = np.random.default_rng(1)
    x = chance.random((9, 2))
    process = Gaussian(x, chance.normal(size=9), np.array([0, 1]), chance)
    for point in chance.random((5, 2)):
        mean, deviation, by_mean, by_deviation = process.slopes(point)
        there = process.expected(point[None])
        assert (mean, deviation) == (pytest.approx(there[0][0]), pytest.approx(there[1][0]))
        for place in range(2):
            step = np.eye(2)[place] * 1e-6
            up, down = process.expected((point + step)[None]), process.expected((point - step)[None])
            assert by_mean[place] == pytest.approx((up[0][0] - down[0][0]) / 2e-6, rel=1e-4, abs=1e-5)
            assert by_deviation[place] == pytest.approx((up[1][0] - down[1][0]) / 2e-6, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("best", [1.2, 0.0, -3.0, -60.0, -3000.0])
def test_the_logarithm_of_the_improvement_far_out_and_its_slopes(best: float) -> None:
    value, by_mean, by_deviation = log_improvement_slopes(1.0, 0.5, best)

    def at(mean: float, deviation: float) -> float:
        return float(log_improvement(np.array(mean), np.array(deviation), best))

    assert math.isfinite(value)
    assert value == at(1.0, 0.5)
    assert by_mean == pytest.approx((at(1 + 1e-5, 0.5) - at(1 - 1e-5, 0.5)) / 2e-5, rel=2e-3)
    assert by_deviation == pytest.approx((at(1.0, 0.5 + 1e-5) - at(1.0, 0.5 - 1e-5)) / 2e-5, rel=2e-3)


def test_a_proposal_is_a_pure_function_and_differs_by_seed() -> None:
    points = [spread(BRANIN, k, 8, 0) for k in range(8)]
    values = [branin(**BRANIN.settings(point)) for point in points]
    one, again, other = (propose(BRANIN, points, values, seed, first=5) for seed in (0, 0, 1))
    assert one is not None
    assert again is not None
    assert other is not None
    assert np.array_equal(one, again)
    assert not np.array_equal(points[0], spread(BRANIN, 0, 8, 1))


def test_trials_under_way_are_kept_away_from() -> None:
    points = [spread(BRANIN, k, 8, 0) for k in range(8)]
    values = [branin(**BRANIN.settings(point)) for point in points]
    for _ in range(3):
        point = propose(BRANIN, points, values, first=5)
        assert point is not None
        assert min(np.abs(point - other).max() for other in points) > 0.01
        points.append(point)


def test_failed_trials_are_as_bad_as_the_worst() -> None:
    space = Space({"x": linear([0.0, 1.0])})
    points = [np.array([x]) for x in np.linspace(0, 1, 9)]
    values = [None if point[0] > 0.45 else 1 - float(point[0]) for point in points]  # better and better, then it breaks
    point = propose(space, points, values, first=1)
    assert point is not None
    assert point[0] < 0.55


def test_cheaper_settings_are_preferred_where_cost_counts() -> None:
    space = Space({"x": linear([0.0, 1.0]), "epochs": integer([1, 20])})
    points = [spread(space, k, 8, 0) for k in range(8)]
    settings = [space.settings(point) for point in points]
    values = [(one["x"] - 0.3) ** 2 - 0.02 * one["epochs"] for one in settings]  # more epochs help
    free = propose(space, points, values, first=5)
    costly = propose(space, points, values, first=5, cost=lambda settings: float(settings["epochs"]) ** 20)
    assert free is not None
    assert costly is not None
    assert space.settings(costly)["epochs"] < space.settings(free)["epochs"]


def test_a_small_space_is_tried_whole_and_then_done() -> None:
    space = Space({"a": choices([1, 2]), "b": integer([1, 3])})
    points: list[Array] = []
    values: list[float | None] = []
    while (point := propose(space, points, values, first=1)) is not None:
        points.append(point)
        values.append(float(len(points)))
    assert len({tuple(space.settings(point).values()) for point in points}) == len(points) == 6


def test_lessons_need_three_trials() -> None:
    points = [spread(BRANIN, k, 8, 0) for k in range(3)]
    assert lessons(BRANIN, points, [1.0, None, 2.0]) is None
    taught = lessons(BRANIN, points, [1.0, 3.0, 2.0])
    assert taught is not None
    assert set(taught.importance) == {"x", "y"}


def test_a_slice_goes_through_the_best_trial_that_searched_its_range() -> None:
    held = linear([0.0, 1.0], when={"rule": "sgd"})
    space = Space({"rule": choices(["sgd", "adam"]), "held": held})
    points = [space.snapped(point) for point in np.random.default_rng(0).random((24, 2))]
    settings = [space.settings(point) for point in points]
    taught = lessons(space, points, [0.5 + (one["held"] - 0.7) ** 2 if "held" in one else 0.1 for one in settings])
    assert taught is not None
    along = taught.slices["held"]
    assert along.values[int(np.argmin(along.means))] == pytest.approx(0.7, abs=0.1)
    assert max(along.means) - min(along.means) > 0.2
