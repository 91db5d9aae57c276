"""One update: clipping, the guard against numbers that are not finite, groups, and state across memory layouts."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import dovetail as dt
from dovetail.optim import Descent
from dovetail.optim.clipping import norm
from dovetail.optim.groups import grouped
from dovetail.recipe.errors import RecipeError
from dovetail.recipe.recipe import Group, Optimizer
from dovetail.recipe.span import Span


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.Flatten(), nn.Linear(16, 3))


def begin(module: nn.Module, **settings: Any) -> Descent:
    return Descent(module.named_parameters(), Optimizer(rate=dt.constant(0.1), **settings), Span(10, 100))


def give_gradients(module: nn.Module, scale: float = 1.0, seed: int = 1) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        gradient = torch.empty_like(parameter)  # in the parameter's own memory layout
        parameter.grad = gradient.copy_(scale * torch.randn(parameter.shape, generator=generator))
    return [p.grad for p in module.parameters() if p.grad is not None]


def values(module: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in module.parameters()]


def exact_norm(tensors: list[Tensor]) -> float:
    return math.sqrt(sum(float(t.double().square().sum()) for t in tensors))


@pytest.mark.parametrize("layout", ["contiguous", "channels last", "3d channels last", "strided"])
def test_the_norm_is_of_all_entries_in_any_layout(layout: str) -> None:
    tensors = [torch.randn(5, 4, 3, 2), torch.randn(7)]
    if layout == "channels last":
        tensors[0] = tensors[0].to(memory_format=torch.channels_last)
    elif layout == "3d channels last":
        tensors[0] = torch.randn(5, 4, 3, 2, 2).to(memory_format=torch.channels_last_3d)
    elif layout == "strided":
        tensors[0] = torch.randn(5, 8, 3, 2)[:, ::2]
    assert norm(tensors) == pytest.approx(exact_norm(tensors), rel=1e-5)


def test_a_gradient_above_the_bound_is_scaled_to_it_and_one_below_left_alone() -> None:
    free, clipped, loose = network(), network(), network()
    size = exact_norm(give_gradients(free))
    give_gradients(clipped)
    give_gradients(loose)
    for module, bound in ((free, None), (clipped, size / 4), (loose, size * 4)):
        begin(module, clip=bound).update(0)
    for start, a, b, c in zip(values(network()), values(free), values(clipped), values(loose), strict=True):
        torch.testing.assert_close(b - start, (a - start) / 4)
        assert torch.equal(a, c)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("which", range(4))
def test_one_number_that_is_not_finite_moves_nothing(which: int, value: float) -> None:
    module = network().to(memory_format=torch.channels_last)
    descent = begin(module, rule=dt.adam(), clip=1.0)
    give_gradients(module)
    assert descent.update(0)
    before, state = values(module), {name: t.clone() for name, t in descent.state().items()}
    give_gradients(module)[which].view(-1)[-1:].fill_(value) if which != 0 else give_gradients(module)[0][
        0, 0, 0
    ].fill_(value)
    assert not descent.update(1)
    assert all(map(torch.equal, values(module), before))
    assert all(torch.equal(state[name], t) for name, t in descent.state().items())
    give_gradients(module)
    assert descent.update(1)
    assert not any(map(torch.equal, values(module), before))


def test_frozen_parameters_stay_and_have_no_state() -> None:
    module = network()
    module[0].weight.requires_grad_(False)
    descent = begin(module, rule=dt.adam())
    give_gradients(module)
    module[0].weight.grad = None
    descent.update(0)
    assert torch.equal(module[0].weight, network()[0].weight)
    assert not any(name.startswith("0.weight/") for name in descent.state())
    assert "2.weight/exp_avg" in descent.state()


@pytest.mark.parametrize("rule", [dt.sgd(0.9), dt.adam(), dt.rmsprop(), dt.adagrad()], ids=str)
def test_state_is_taken_up_in_another_layout(rule: Any) -> None:
    plain, last = network(), network().to(memory_format=torch.channels_last)
    first, second = begin(plain, rule=rule), begin(last, rule=rule)
    give_gradients(plain)
    first.update(0)
    last.load_state_dict(plain.state_dict())
    second.load({name: tensor.contiguous() for name, tensor in first.state().items()})
    give_gradients(plain, seed=2)
    give_gradients(last, seed=2)
    first.update(1)
    second.update(1)
    for a, b in zip(values(plain), values(last), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7)


def test_the_last_matching_pattern_wins() -> None:
    named = list(network().named_parameters())
    patterns = {"*": Group(rate=2), "*.bias": Group(rate=3, decay=0), "2.*": Group(decay=0.5)}
    settings = Optimizer(decay=0.1, groups=patterns)
    groups = {(g["scale"], g["weight_decay"]): g["names"] for g in grouped(named, settings, Span(10, 100))}
    assert groups == {(2, 0.1): ["0.weight"], (3, 0): ["0.bias"], (1, 0.5): ["2.weight", "2.bias"]}


def test_a_pattern_that_matches_nothing_is_refused() -> None:
    message = r"^optimizer.groups: '2.weigth' matches no parameter. Did you mean '2.weight'\?$"
    with pytest.raises(RecipeError, match=message):
        begin(network(), groups={"2.weigth": Group(rate=2)})


def test_warmup_and_groups_multiply() -> None:
    module = network()
    descent = begin(module, warmup=4, groups={"*.bias": Group(rate=2)}, rule=dt.sgd())
    gradients = give_gradients(module)
    before = values(module)
    descent.update(1)
    for (name, parameter), old, gradient in zip(module.named_parameters(), before, gradients, strict=True):
        rate = 0.1 * 2 / 4 * (2 if name.endswith("bias") else 1)
        torch.testing.assert_close(parameter.detach(), old - rate * gradient)
