"""Ranking losses against loops, worked numbers, and lists judged one by one."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor

import dovetail as dt
from dovetail.recipe.facts import Target
from dovetail.recipe.sequences import Sequences, cut
from dovetail.recipe.spec import Spec

NUMBER = Target("numbers", 1, ["worth"])
SETTINGS = [
    dt.ranking(),
    dt.ranking("warp", margin=0.7),
    dt.ranking("top", margin=0.5, k=2),
    dt.ranking("top"),
    dt.ranking("plackett_luce"),
]
every = pytest.mark.parametrize("spec", SETTINGS, ids=repr)


def made(spec: Spec) -> Any:
    return spec.make(NUMBER)


def example(n: int = 6, seed: int = 0) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    scores = torch.randn(n, 1, generator=g, dtype=torch.float64) * 2
    return scores, torch.randint(0, 4, (n, 1), generator=g).double()  # with ties


def by_hand(spec: Spec, f: list[float], y: list[float], i: int) -> float:
    """The formula of the docstring, one example at a time."""
    kind, margin, k = (spec.options[name] for name in ("loss", "margin", "k"))
    below = [f[j] for j in range(len(f)) if y[j] < y[i]]
    if kind == "pairwise":
        return sum(math.log1p(math.exp(-(f[i] - other))) for other in below)
    if kind == "plackett_luce":
        return math.log(sum(math.exp(f[j]) for j in range(len(f)) if y[j] <= y[i])) - f[i]
    short = sorted((margin - f[i] + other for other in below), reverse=True)
    if kind == "top":
        return max(0.0, sum(short[:k]) / max(len(short[:k]), 1))
    violators = [one for one in short if one > 0]
    weight = sum(1 / r for r in range(1, len(violators) + 1))
    return weight * sum(violators) / max(len(violators), 1)


@every
def test_losses_are_the_formulas(spec: Spec) -> None:
    scores, worth = example()
    f, y = scores[:, 0].tolist(), worth[:, 0].tolist()
    expected = [by_hand(spec, f, y, i) for i in range(6)]
    torch.testing.assert_close(made(spec).loss(scores, worth), torch.tensor(expected, dtype=torch.float64))


def test_worked_numbers() -> None:
    scores, worth = torch.tensor([[2.0], [1.0], [0.5]]).double(), torch.tensor([[3.0], [2.0], [1.0]])
    pairwise = made(dt.ranking()).loss(scores, worth)
    assert float(pairwise[0]) == pytest.approx(0.3132616875 + 0.2014132780, abs=1e-9)
    assert float(made(dt.ranking("plackett_luce")).loss(scores, worth).sum()) == pytest.approx(0.9384457683, abs=1e-9)


def test_plackett_luce_is_a_distribution_over_orders() -> None:
    scores, objective = torch.tensor([[0.3], [-1.0], [2.0], [0.1]]).double(), made(dt.ranking("plackett_luce"))
    orders = [torch.tensor(order)[:, None].double() for order in itertools.permutations(range(4))]
    assert sum(float((-objective.loss(scores, order).sum()).exp()) for order in orders) == pytest.approx(1)


@every
def test_gradients_match_finite_differences(spec: Spec) -> None:
    scores, worth = example()
    assert torch.autograd.gradcheck(lambda f: made(spec).loss(f, worth), scores.requires_grad_())


@every
def test_lists_are_judged_one_by_one(spec: Spec) -> None:
    objective, lengths = made(spec), torch.tensor([3, 1, 5])
    scores, worth = example(9)
    output, target = Sequences(scores, lengths), Sequences(worth, lengths)
    together = objective.loss(output, target)
    each = [(cut(output, slice(n, n + 1)), cut(target, slice(n, n + 1))) for n in range(3)]
    torch.testing.assert_close(together, torch.cat([objective.loss(*one) for one in each]))
    torch.testing.assert_close(
        together, torch.stack([objective.loss(one.values, other.values).sum() for one, other in each])
    )
    torch.testing.assert_close(
        objective.count(target), torch.stack([objective.count(other.values).sum() for _, other in each])
    )
    whole = objective.measure(output, target)
    for name in whole:
        torch.testing.assert_close(whole[name], sum(objective.measure(*one)[name] for one in each))


@every
def test_only_differences_of_scores_count(spec: Spec) -> None:
    scores, worth = example()
    torch.testing.assert_close(made(spec).loss(scores + 5, worth), made(spec).loss(scores, worth))


@every
def test_the_error_is_the_share_of_pairs_in_the_wrong_order(spec: Spec) -> None:
    scores, worth = example()
    f, y = scores[:, 0].tolist(), worth[:, 0].tolist()
    pairs = [(i, j) for i in range(6) for j in range(6) if y[i] > y[j]]
    wrong = sum(f[i] < f[j] for i, j in pairs)
    objective = made(spec)
    assert objective.summary(objective.measure(scores, worth))["error"] == pytest.approx(wrong / len(pairs))
    assert objective.summary(objective.measure(worth, worth))["error"] == 0
    assert objective.summary(objective.measure(0 * worth, worth))["error"] == 0.5


def test_what_it_takes_and_what_not() -> None:
    assert made(dt.ranking()).fits(torch.Size((4, 1)))
    assert not made(dt.ranking()).fits(torch.Size((4, 2)))
    with pytest.raises(ValueError, match="ranks by one number, the data have 2"):
        dt.ranking().make(Target("numbers", 2))
    with pytest.raises(ValueError, match="ranking needs a target of numbers or class, the data have tags"):
        dt.ranking().make(Target("tags", 2))
