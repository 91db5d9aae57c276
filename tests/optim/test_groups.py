"""Parameters by name pattern: rates, decay and constraints; and updates in every memory layout."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import dovetail as dt
from dovetail.optim import Descent
from dovetail.optim.clipping import norm
from dovetail.recipe.errors import RecipeError
from dovetail.recipe.recipe import Group, Optimizer
from dovetail.recipe.span import Span

RULES = [dt.sgd(0.9), dt.sgd(0.9, nesterov=True), dt.adam(), dt.adamw(), dt.rmsprop(momentum=0.5), dt.adagrad()]


def parameters() -> dict[str, nn.Parameter]:
    return {
        "0.weight": nn.Parameter(torch.tensor([[3.0, 4.0], [0.3, 0.4]])),
        "0.bias": nn.Parameter(torch.tensor([7.0, -0.5])),
        "2.weight": nn.Parameter(torch.full((1, 2, 2), 5.0)),
    }


def step(named: dict[str, nn.Parameter], gradient: float = 0.0, rate: float = 0.1, **settings: Any) -> bool:
    descent = Descent(named.items(), Optimizer(rule=dt.sgd(), rate=dt.constant(rate), **settings), Span(10, 100))
    for parameter in named.values():
        parameter.grad = torch.full_like(parameter, gradient)
    return descent.update(0)


def test_max_norm_bounds_the_weights_of_each_unit_and_no_bias() -> None:
    named = parameters()
    step(named, max_norm=2.0)
    torch.testing.assert_close(named["0.weight"].detach(), torch.tensor([[1.2, 1.6], [0.3, 0.4]]))
    torch.testing.assert_close(named["0.bias"].detach(), torch.tensor([7.0, -0.5]))
    torch.testing.assert_close(named["2.weight"].detach(), torch.full((1, 2, 2), 1.0))


def test_clamp_bounds_every_parameter_from_both_sides() -> None:
    named = parameters()
    step(named, gradient=10.0, clamp=1.0)
    assert named["0.weight"].tolist() == [[1, 1], [pytest.approx(-0.7), pytest.approx(-0.6)]]
    assert named["0.bias"].tolist() == [1, -1]


def test_a_group_has_constraints_of_its_own() -> None:
    named = parameters()
    step(named, clamp=6.0, groups={"2.*": Group(clamp=0.5), "*.bias": Group(clamp=100.0)})
    assert named["0.weight"].detach().max() == 4
    assert named["0.bias"].detach().max() == 7
    assert named["2.weight"].detach().max() == 0.5


def test_a_rate_of_zero_holds_its_group_still_and_others_move() -> None:
    named = parameters()
    step(named, gradient=1.0, groups={"0.*": Group(rate=0.0)}, decay=0.5)
    assert torch.equal(named["0.weight"].detach(), parameters()["0.weight"])
    torch.testing.assert_close(named["2.weight"].detach(), torch.full((1, 2, 2), 5 - 0.1 * (1 + 0.5 * 5)))


def test_decay_is_the_groups_where_it_names_one() -> None:
    named = parameters()
    step(named, decay=0.5, groups={"*.bias": Group(decay=0.0), "2.*": Group(rate=2.0)})
    torch.testing.assert_close(named["0.weight"].detach(), parameters()["0.weight"].detach() * 0.95)
    assert torch.equal(named["0.bias"].detach(), parameters()["0.bias"])
    torch.testing.assert_close(named["2.weight"].detach(), torch.full((1, 2, 2), 5 * 0.9))


def test_decay_shrinks_by_the_rate_of_the_step() -> None:
    w = nn.Parameter(torch.ones(1, dtype=torch.float64))
    settings = Optimizer(rule=dt.sgd(), rate=dt.polynomial(0.1, 1.0, 1.0), decay=0.01)
    descent = Descent([("w", w)], settings, Span(10, 100))
    for t in range(3):
        w.grad = torch.full_like(w, 0.5)
        descent.update(t)
    assert w.item() == pytest.approx(0.9065509915, abs=1e-9)


def test_a_pattern_for_a_frozen_parameter_alone_is_refused() -> None:
    named = parameters()
    named["2.weight"].requires_grad_(False)
    with pytest.raises(RecipeError, match=r"^optimizer.groups: '2.\*' matches nothing but what `freeze` leaves"):
        step(named, groups={"2.*": Group(rate=2.0)})


def test_a_gradient_longer_than_the_longest_moves_nothing() -> None:
    w = nn.Parameter(torch.ones(4))
    descent = Descent([("w", w)], Optimizer(rule=dt.sgd()), Span(10, 100))
    w.grad = torch.full((4,), 3.0)
    assert not descent.update(0, longest=5.9)
    assert descent.norm == 6
    assert torch.equal(w.detach(), torch.ones(4))
    assert descent.update(0, longest=6.0)
    assert (w < 1).all()


def test_the_norm_of_no_gradients_and_of_a_strided_row() -> None:
    assert norm([]) == 0
    assert norm([torch.arange(8.0)[::2], torch.tensor(5.0)]) == pytest.approx(9)
    assert step({"w": nn.Parameter(torch.ones(2))})


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_what_was_loaded_goes_its_own_way(rule: Any) -> None:
    first, second = (nn.Parameter(torch.ones(3)) for _ in range(2))
    descents = [Descent([("w", w)], Optimizer(rule=rule), Span(10, 100)) for w in (first, second)]
    first.grad = torch.ones(3)
    descents[0].update(0)
    descents[1].load(descents[0].state())
    before = {name: tensor.clone() for name, tensor in descents[1].state().items()}
    descents[0].update(1)
    assert before
    for name, tensor in descents[1].state().items():
        assert torch.equal(tensor, before[name])
        assert not torch.equal(tensor, descents[0].state()[name])


def trained(rule: Any, axes: int, layout: torch.memory_format) -> list[Tensor]:
    torch.manual_seed(0)
    conv = (nn.Conv2d, nn.Conv3d)[axes - 2]
    module = nn.Sequential(conv(2, 3, 2), nn.Tanh(), conv(3, 2, 2)).double().to(memory_format=layout)
    x = torch.randn(4, 2, *[4] * axes, dtype=torch.float64).contiguous(memory_format=layout)
    descent = Descent(module.named_parameters(), Optimizer(rule=rule, clip=0.5, decay=0.1), Span(10, 100))
    for t in range(4):
        descent.zero()
        module(x).square().sum().backward()
        assert descent.update(t)
    return [p.detach() for p in module.parameters()]


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize(("axes", "layout"), [(2, torch.channels_last), (3, torch.channels_last_3d)])
def test_channels_last_trains_as_the_usual_layout(rule: Any, axes: int, layout: torch.memory_format) -> None:
    usual, last = trained(rule, axes, torch.contiguous_format), trained(rule, axes, layout)
    assert last[0].is_contiguous(memory_format=layout)
    for a, b in zip(usual, last, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-9)


def test_decay_that_no_rate_multiplies() -> None:
    """w <- (1 - shrink) w - rate * g: at a falling rate something else than decay within the gradient."""
    ends = []
    for settings in ({"shrink": 0.01}, {"decay": 0.01}):
        w = nn.Parameter(torch.ones(1, dtype=torch.float64))
        rate = dt.polynomial(0.1, beta=1.0, gamma=1.0)
        descent = Descent([("w", w)], Optimizer(rule=dt.sgd(), rate=rate, **settings), Span(10, 100))
        for t in range(3):
            w.grad = torch.full_like(w, 0.5)
            descent.update(t)
        ends.append(w.item())
    assert ends == pytest.approx([0.8798773333, 0.9065509915])


def test_l1_draws_to_zero_and_leaves_there() -> None:
    named = parameters()
    step(named, rate=0.1, l1=4.0, groups={"*.bias": Group(l1=0.0)})
    torch.testing.assert_close(named["0.weight"].detach(), torch.tensor([[2.6, 3.6], [0.0, 0.0]]))
    assert named["0.bias"].tolist() == [7, -0.5]


def test_clipping_by_values_by_layers_and_by_groups() -> None:
    named = parameters()
    step(named, gradient=-3.0, rate=1.0, clip_values=2.0)
    assert named["0.bias"].tolist() == [9, 1.5]
    named = parameters()
    step(named, gradient=-3.0, rate=1.0, clip_layers=2.0)
    torch.testing.assert_close(named["0.weight"].detach(), torch.tensor([[4.0, 5.0], [1.3, 1.4]]))
    torch.testing.assert_close(named["0.bias"].detach(), torch.tensor([7.0, -0.5]) + 2**0.5)
    named = parameters()
    step(named, gradient=-3.0, rate=1.0, groups={"0.*": Group(clip=6**0.5)})  # six entries together
    torch.testing.assert_close(named["0.bias"].detach(), torch.tensor([8.0, 0.5]))
    torch.testing.assert_close(named["2.weight"].detach(), torch.full((1, 2, 2), 8.0))


def test_clipping_counts_the_parts_that_lie_elsewhere() -> None:
    named = parameters()
    settings = Optimizer(rule=dt.sgd(), rate=dt.constant(1.0), clip_layers=2.0)
    quadruple = lambda values: [4 * value for value in values]  # noqa: E731  (three quarters of each lie elsewhere)
    descent = Descent(named.items(), settings, Span(10, 100), total=quadruple)
    for parameter in named.values():
        parameter.grad = torch.full_like(parameter, -3.0)
    descent.update(0)
    torch.testing.assert_close(named["0.weight"].detach(), torch.tensor([[3.5, 4.5], [0.8, 0.9]]))


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_frozen_group_waits(rule: dt.Spec) -> None:
    named = parameters()
    groups = {"0.*": Group(freeze="until 0.3 epochs", l1=1.0)}
    settings = Optimizer(rule=rule, rate=dt.constant(0.1), shrink=0.1, groups=groups)
    descent = Descent(named.items(), settings, Span(10, 100))
    ends = []
    for t in range(5):
        for parameter in named.values():
            parameter.grad = torch.ones_like(parameter)
        descent.update(t)
        ends.append(float(named["0.weight"].detach().sum()))
    assert ends[0] == ends[1] == ends[2] == pytest.approx(7.7)
    assert ends[4] < ends[3] < 7.6
    assert float(named["2.weight"].detach().max()) < 4.5


def test_a_group_has_a_momentum_of_its_own() -> None:
    named = parameters()
    settings = Optimizer(rule=dt.sgd(0.9), rate=dt.constant(1.0), groups={"0.*": Group(momentum=0.0)})
    descent = Descent(named.items(), settings, Span(10, 100))
    for t in range(2):
        for parameter in named.values():
            parameter.grad = torch.ones_like(parameter)
        descent.update(t)
    assert named["0.bias"].tolist() == pytest.approx([5, -2.5])
    assert float(named["2.weight"].detach().max()) == pytest.approx(5 - 1 - 1.9)


def test_a_rule_without_momentum_refuses_one() -> None:
    message = r"^optimizer.groups '\*.bias': the rule adam has no momentum to replace$"
    with pytest.raises(RecipeError, match=message):
        Descent(parameters().items(), Optimizer(rule=dt.adam(), groups={"*.bias": Group(momentum=0.5)}), Span(1, 1))
