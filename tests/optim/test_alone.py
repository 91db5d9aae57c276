"""Rules taken alone, in a training loop of one's own, where no recipe stands before them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from dovetail.optim import (
    LBFGS,
    AdaDec,
    DiagonalLevenberg,
    GaussNewton,
    Lamb,
    LocalAdagrad,
    Momentum,
    Muon,
    Nesterov,
)

FIRST_ORDER = [AdaDec, Lamb, LocalAdagrad, Momentum, Muon, Nesterov]
BENT = torch.diag(torch.tensor([1.0, 10.0, 3.0], dtype=torch.float64))


def moved(rule: Optimizer, parameter: Tensor, steps: int) -> None:
    for _ in range(steps):
        parameter.grad = BENT @ parameter.detach()
        rule.step()


@pytest.mark.parametrize("kind", FIRST_ORDER)
def test_a_group_without_gradients_stays(kind: Callable[..., Optimizer]) -> None:
    still, moving = nn.Parameter(torch.ones(2, 3)), nn.Parameter(torch.ones(2, 3))
    rule = kind([{"params": [still]}, {"params": [moving]}], lr=0.1)
    rule.step()
    assert bool((moving == 1).all())
    moving.grad = torch.rand(2, 3)
    rule.step()
    assert bool((still == 1).all())
    assert bool((moving != 1).all())


@pytest.mark.parametrize("kind", [LBFGS, GaussNewton])
def test_where_all_is_frozen_nothing_moves(kind: Callable[..., Optimizer]) -> None:
    class Constant:
        curvature = product = moments = None

        def __call__(self) -> float:
            return 3.0

    parameter = nn.Parameter(torch.ones(2))
    assert kind([parameter]).step(Constant()) == 3.0
    assert bool((parameter == 1).all())


def test_lbfgs_tells_of_sparse_gradients() -> None:
    table = nn.Embedding(5, 2, sparse=True)
    rule = LBFGS(table.parameters())

    def closure() -> Tensor:
        rule.zero_grad()
        loss = table(torch.tensor([1, 3])).square().sum()
        loss.backward()
        return loss

    with pytest.raises(RuntimeError, match="LBFGS cannot take sparse gradients; sgd and adagrad can"):
        rule.step(closure)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(("before", "after"), [(10, 3), (10, 100_000), (12, (3, 4))])
def test_a_window_of_another_size_is_refused(before: Any, after: Any, exact: bool) -> None:
    one, other = (nn.Parameter(torch.zeros(size)) for size in (before, after))
    ours, theirs = (LocalAdagrad([parameter], window=3, exact=exact) for parameter in (one, other))
    for _ in range(5):
        one.grad = torch.ones_like(one)
        ours.step()
    theirs.load_state_dict(ours.state_dict())
    other.grad = torch.ones_like(other)
    with pytest.raises(RuntimeError, match="size"):
        theirs.step()


@torch.no_grad()
@pytest.mark.parametrize("ramp", [0, 3])
def test_nesterovs_weights_are_known_whatever_the_momentum_becomes(ramp: int) -> None:
    parameter = nn.Parameter(torch.ones(3, dtype=torch.float64))
    rule = Nesterov([parameter], lr=0.01, momentum=0.9, ramp=ramp)
    weights, average = torch.ones(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    for t in range(40):
        gradient = BENT @ parameter
        average = (weights - parameter) + 0.01 * gradient  # momentum * m is how far it looks ahead
        weights = weights - average
        parameter.grad = gradient
        rule.step()
        rule.param_groups[0]["momentum"] = 0.95 - 0.01 * t
        with rule.evaluated():
            torch.testing.assert_close(parameter.detach(), weights, rtol=1e-12, atol=1e-14)
    assert float(weights.abs().max()) < 0.9


@torch.no_grad()
def test_evaluating_within_evaluating_changes_nothing_and_steps_are_refused() -> None:
    parameter = nn.Parameter(torch.ones(3, dtype=torch.float64))
    rule = Nesterov([parameter], lr=0.01)
    moved(rule, parameter, 3)
    ahead = parameter.detach().clone()
    with rule.evaluated():
        weights = parameter.detach().clone()
        with rule.evaluated():
            assert torch.equal(parameter, weights)
        assert torch.equal(parameter, weights)
        with pytest.raises(RuntimeError, match="a step within `evaluated"):
            rule.step()
    assert torch.equal(parameter, ahead)
    assert rule.state[parameter]["step"] == 3
    assert not torch.equal(weights, ahead)
    moved(rule, parameter, 1)


@pytest.mark.parametrize("kind", [*FIRST_ORDER, LBFGS, GaussNewton, DiagonalLevenberg])
def test_complex_numbers_are_refused(kind: Callable[..., Optimizer]) -> None:
    with pytest.raises(ValueError, match=r"moves real numbers; hand it torch\.view_as_real"):
        kind([nn.Parameter(torch.zeros(2, dtype=torch.complex64))])


@pytest.mark.parametrize(
    ("kind", "option", "value", "told"),
    [
        (Nesterov, "lr", -1, "a number from 0 on"),
        (Nesterov, "lr", "a", "a number from 0 on"),
        (LBFGS, "lr", float("nan"), "a number from 0 on"),
        (Muon, "lr", float("nan"), "a number from 0 on"),
        (Muon, "weight_decay", -1.0, "a number from 0 on"),
        (Lamb, "eps", -1.0, "a number from 0 on"),
        (Momentum, "gradient", -1.0, "a number from 0 on"),
        (Momentum, "average", "five", "a number from 0 on"),
        (AdaDec, "k", -1.0, "a number above 0"),
        (LocalAdagrad, "k", 0.0, "a number above 0"),
        (GaussNewton, "damping", -1.0, "a number above 0"),
        (DiagonalLevenberg, "mu", -1.0, "a number above 0"),
        (Momentum, "momentum", 2, "a number from 0 to below 1"),
        (Nesterov, "momentum", -3.0, "a number from 0 to below 1"),
        (GaussNewton, "again", 2.0, "a number from 0 to below 1"),
        (AdaDec, "fade", 1.5, "a number above 0 and at most 1"),
        (GaussNewton, "share", 2.0, "a number above 0 and at most 1"),
        (Nesterov, "ramp", 1.5, "a whole number from 0 on"),
        (Nesterov, "ramp", -1, "a whole number from 0 on"),
        (LocalAdagrad, "window", 0, "a whole number from 1 on"),
        (LocalAdagrad, "window", -1, "a whole number from 1 on"),
    ],
)
def test_what_no_recipe_would_let_through_is_told_be_it_a_groups(
    kind: Callable[..., Optimizer], option: str, value: Any, told: str
) -> None:
    parameters = [nn.Parameter(torch.zeros(2))]
    for taken, options in ((parameters, {option: value}), ([{"params": parameters, option: value}], {})):
        with pytest.raises(ValueError, match=f"^{option}: expected {told}, not {value!r}$"):
            kind(taken, **options)


@pytest.mark.parametrize("kind", [GaussNewton, DiagonalLevenberg])
def test_a_closure_that_knows_the_loss_alone_is_told(kind: Callable[..., Optimizer]) -> None:
    with pytest.raises(TypeError, match=r"takes a dovetail\.optim\.Evaluation"):
        kind([nn.Parameter(torch.ones(2))]).step(lambda: 1.0)


def test_lbfgs_takes_pytorchs_closure() -> None:
    w = nn.Parameter(torch.tensor([3.0, -1.0]))
    rule = LBFGS([w])

    def closure() -> Tensor:
        rule.zero_grad()
        loss = (w * torch.tensor([1.0, 3.0])).square().sum()
        loss.backward()
        return loss

    for _ in range(10):
        rule.step(closure)
    assert float(w.detach().abs().max()) < 1e-3


@pytest.mark.parametrize(
    ("kind", "option", "value", "first"),
    [(GaussNewton, "damping", 0.5, 1.0), (LBFGS, "history", 5, 10), (DiagonalLevenberg, "examples", 20, 500)],
)
def test_what_is_one_for_all_groups_is_told(kind: Any, option: str, value: float, first: float) -> None:
    groups = [{"params": [nn.Parameter(torch.zeros(2))]}, {"params": [nn.Parameter(torch.zeros(2))], option: value}]
    with pytest.raises(
        ValueError, match=f"^{option}: {kind.__name__} has one for all groups, not {first} and {value}$"
    ):
        kind(groups)
    kind([{**group, option: value} for group in groups])
