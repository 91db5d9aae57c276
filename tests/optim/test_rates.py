"""Schedules against worked numbers and PyTorch's own."""

from __future__ import annotations

import math

import pytest
import torch

import dovetail as dt
from dovetail.optim.rates import scheduled
from dovetail.recipe.errors import RecipeError
from dovetail.recipe.recipe import Optimizer
from dovetail.recipe.span import Span
from dovetail.recipe.spec import Spec

SPAN = Span(epoch=100, total=1000)
AT = (0, 1, 10, 100, 1000)


@pytest.mark.parametrize(
    ("spec", "values"),
    [
        (dt.polynomial(1.0, 10.0, 0.75), (0.1778279410, 0.1655600261, 0.1057371263, 0.0294411985, 0.0055816033)),
        (dt.polynomial(1.0, 1.0, 0.5), (1, 0.7071067812, 0.3015113446, 0.0995037190, 0.0316069771)),
        (dt.polynomial(1.0, 1.0, 1.0), (1, 0.5, 0.0909090909, 0.0099009901, 0.0009990010)),
    ],
)
def test_polynomial_numbers(spec: Spec, values: tuple[float, ...]) -> None:
    rate = spec.make(SPAN)
    assert [rate(t) for t in AT] == pytest.approx(values, abs=1e-9)


def test_exponential_numbers() -> None:
    rate = dt.exponential(0.1, 0.01).make(SPAN)
    expected = (0.1, 0.0990049834, 0.0904837418, 0.0367879441, 4.53999e-6)
    assert [rate(t) for t in AT] == pytest.approx(expected, abs=1e-9)


def test_bottou_is_a_polynomial() -> None:
    rate = dt.polynomial(840.8964152537, 20000.0, 0.75).make(SPAN)
    expected = (0.5, 0.4999812508, 0.4820343973, 0.1304237150, 0.0261994619)
    assert [rate(t) for t in (0, 1, 1000, 100000, 1000000)] == pytest.approx(expected, abs=1e-9)
    assert rate(1000) == pytest.approx(0.5 / (1 + 1e-4 * 0.5 * 1000) ** 0.75)


@pytest.mark.filterwarnings("ignore:Detected call of")
def test_exponential_and_cosine_agree_with_torch() -> None:
    for spec, theirs in (
        (dt.exponential(0.1, 0.01), lambda o: torch.optim.lr_scheduler.ExponentialLR(o, math.exp(-0.01))),
        (dt.cosine(0.1, 0.02), lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 1000, 0.02)),
    ):
        optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
        scheduler, rate = theirs(optimizer), spec.make(SPAN)
        for t in range(300):
            assert rate(t) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
            optimizer.step()
            scheduler.step()


def test_piecewise_changes_where_it_says_in_any_unit() -> None:
    for at in ([250, 500], ["2.5 epochs", "50 %"], ["250 steps", "5 epochs"]):
        rate = dt.piecewise([0.3, 0.2, 0.1], at).make(SPAN)
        assert [rate(t) for t in (0, 249, 250, 499, 500, 2000)] == [0.3, 0.3, 0.2, 0.2, 0.1, 0.1]


def test_cosine_stays_at_its_end() -> None:
    rate = dt.cosine(0.1, 0.01, over="1 epoch").make(SPAN)
    assert rate(50) == pytest.approx(0.055)
    assert rate(100) == rate(999) == pytest.approx(0.01)


def test_warmup_climbs_in_a_straight_line() -> None:
    settings = Optimizer(rate=dt.polynomial(1.0, 10.0, 0.75), warmup="10 steps")
    rate, bare = scheduled(settings, SPAN), dt.polynomial(1.0, 10.0, 0.75).make(SPAN)
    assert [rate(t) / bare(t) for t in range(12)] == pytest.approx(
        [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1, 1]
    )


def test_piecewise_refuses_what_does_not_fit() -> None:
    with pytest.raises(RecipeError, match=r"^optimizer.rate piecewise: 1 changes need 2 values, got 1$"):
        scheduled(Optimizer(rate=dt.piecewise([0.1], [10])), SPAN)
    with pytest.raises(RecipeError, match=r"^optimizer.rate piecewise: the changes must rise, got 20, 10$"):
        scheduled(Optimizer(rate=dt.piecewise([0.1, 0.2, 0.3], [20, 10])), SPAN)
