"""Every registered rule against every property: one table, one row a setting."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import dovetail as dt
from dovetail.optim import Descent
from dovetail.optim.kronecker import Moments
from dovetail.recipe import rule as kind
from dovetail.recipe.check import check
from dovetail.recipe.errors import RecipeError
from dovetail.recipe.language import plain, read_nodes, write
from dovetail.recipe.recipe import Group, Optimizer, load
from dovetail.recipe.span import Span
from dovetail.recipe.spec import RuleSpec, Spec

SETTINGS: list[tuple[Spec, float, dict[str, Any]]] = [  # a rule, a rate that suits it, and another value of each option
    (dt.sgd(), 0.1, {"momentum": 0.5}),
    (dt.sgd(0.9), 0.02, {"momentum": 0.5, "nesterov": True}),
    (dt.sgd(0.9, nesterov=True), 0.02, {"momentum": 0.5, "nesterov": False}),
    (dt.adam(), 0.1, {"beta1": 0.5, "beta2": 0.9, "eps": 1.0}),
    (dt.adamw(), 0.1, {"beta1": 0.5, "beta2": 0.9, "eps": 1.0}),
    (dt.rmsprop(), 0.01, {"alpha": 0.5, "momentum": 0.5, "eps": 1.0}),
    (dt.rmsprop(momentum=0.9), 0.001, {"alpha": 0.5, "momentum": 0.0, "eps": 1.0}),
    (dt.nadam(), 0.1, {"beta1": 0.5, "beta2": 0.9, "eps": 1.0, "ramp": 1.0}),
    (dt.adagrad(), 0.5, {"k": 1.0}),
    (dt.adagrad(1.0), 0.5, {"k": 0.1}),
    (dt.adadec(), 0.1, {"fade": 0.5, "k": 1.0}),
    (dt.local_adagrad(5), 0.05, {"window": 2, "k": 1.0, "exact": False}),
    (dt.local_adagrad(5, exact=False), 0.05, {"window": 2, "k": 1.0, "exact": True}),
    (dt.momentum(), 0.01, {"momentum": 0.5, "gradient": 0.0, "average": 1.0}),
    (dt.nesterov(), 0.02, {"momentum": 0.5, "ramp": 3}),
    (dt.lamb(), 0.3, {"beta1": 0.5, "beta2": 0.9, "eps": 1.0}),
    (dt.lbfgs(), 1.0, {"history": 1, "most": 1}),
    (dt.gauss_newton(), 1.0, {"damping": 0.1, "most": 1, "share": 0.5}),
    (dt.gauss_newton(most=1), 1.0, {"most": 2, "again": 0.0, "layers": False}),
    (dt.diagonal_levenberg(), 0.2, {"mu": 1.0, "every": 3, "examples": 10}),
    (dt.muon(), 0.05, {"beta1": 0.5, "beta2": 0.5}),
]
OF_MATRICES = {"muon": {"momentum", "rounds"}}  # options that do nothing to a vector; tests/optim/test_muon.py has them
every = pytest.mark.parametrize(("spec", "rate", "others"), SETTINGS, ids=[repr(spec) for spec, _, _ in SETTINGS])
Residuals = Callable[[Tensor], Tensor]  # half the sum of their squares is what is minimised


def parabola(w: Tensor) -> Tensor:
    return w * torch.tensor([1.0, 10.0**0.5], dtype=w.dtype)


def aside(w: Tensor) -> Tensor:
    """A parabola whose minimum is not at 0, so that decay turns the gradient."""
    return parabola(w - torch.tensor([3.0, -1.0], dtype=w.dtype))


def rosenbrock(w: Tensor) -> Tensor:
    return 2**0.5 * torch.stack([1 - w[0], 10 * (w[1] - w[0] ** 2)])


def bent(w: Tensor) -> Tensor:
    """Rosenbrock's valley, its end elsewhere."""
    return rosenbrock(w + torch.tensor([1.5, 0.0], dtype=w.dtype))


def value(f: Residuals, w: Tensor) -> Tensor:
    return 0.5 * f(w).square().sum()


EFFECTS = {"lbfgs": (bent, 16), "gauss_newton": (bent, 4), "diagonal_levenberg": (bent, 40)}  # where options show


class Evaluation:
    """The same function again, for rules that ask for it."""

    def __init__(self, f: Residuals, w: Tensor) -> None:
        self.f, self.w = f, w

    def __call__(self) -> float:
        self.w.grad = None
        loss = value(self.f, self.w)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()

    def value(self, share: float = 1.0) -> float:
        return value(self.f, self.w.detach()).item()

    def product(self, parameters: list[Tensor], vectors: list[Tensor], share: float = 1.0) -> list[Tensor]:
        jacobian: Any = torch.autograd.functional.jacobian(self.f, self.w.detach())  # type: ignore[no-untyped-call]
        return [jacobian.T @ (jacobian @ vectors[0]) / share**0.5]

    def moments(self, parameters: list[Tensor]) -> list[Moments]:
        jacobian: Any = torch.autograd.functional.jacobian(self.f, self.w.detach())  # type: ignore[no-untyped-call]
        return [Moments((0,), jacobian.square().sum(0))]

    def curvature(self, parameters: list[Tensor], examples: int) -> list[Tensor]:
        jacobian: Any = torch.autograd.functional.jacobian(self.f, self.w.detach())  # type: ignore[no-untyped-call]
        return [jacobian.square().sum(0) / (1 if examples > 100 else 2)]


def begin(spec: Spec, rate: float, dtype: torch.dtype = torch.float64, **settings: Any) -> tuple[Tensor, Descent]:
    w = torch.tensor([1.0, 1.0], dtype=dtype, requires_grad=True)
    optimizer = Optimizer(rule=spec, rate=dt.constant(rate), **settings)
    return w, Descent([("w", w)], optimizer, Span(100, 1000))


def walk(w: Tensor, descent: Descent, f: Residuals, steps: int, first: int = 0) -> Tensor:
    evaluation = Evaluation(f, w)
    for t in range(first, first + steps):
        evaluation()
        descent.update(t, evaluation=evaluation)
    return w.detach().clone()


def test_every_rule_has_a_row() -> None:
    assert {part.name for part in kind} == {spec.name for spec, _, _ in SETTINGS}
    for part in kind:
        tried = {name for spec, _, others in SETTINGS if spec.name == part.name for name in others}
        assert tried == set(part.parameters) - OF_MATRICES.get(part.name, set()), part.name


@every
def test_it_minimises_a_parabola(spec: Spec, rate: float, others: dict[str, Any]) -> None:
    end = walk(*begin(spec, rate), parabola, 400)
    assert float(value(parabola, end)) < 0.01 * float(value(parabola, torch.ones(2)))


@every
def test_it_goes_down_the_valley_of_rosenbrock(spec: Spec, rate: float, others: dict[str, Any]) -> None:
    w, descent = begin(spec, rate * {"sgd": 0.01, "lbfgs": 1.0, "gauss_newton": 1.0}.get(spec.name, 0.1))
    with torch.no_grad():
        w.copy_(torch.tensor([-0.5, 1.0]))
    before = float(value(rosenbrock, w.detach()))
    steps = 100 if descent.evaluates else 2000
    assert float(value(rosenbrock, walk(w, descent, rosenbrock, steps))) < 0.2 * before


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_keeps_the_type_and_its_precision(
    spec: Spec, rate: float, others: dict[str, Any], dtype: torch.dtype
) -> None:
    w = walk(*begin(spec, rate, dtype), parabola, 20)
    exact = walk(*begin(spec, rate), parabola, 20)
    assert w.dtype == dtype
    torch.testing.assert_close(w.double(), exact, rtol=2e-4 if dtype == torch.float32 else 0, atol=1e-5)


@every
def test_its_fast_form_is_its_plain_form(spec: Spec, rate: float, others: dict[str, Any]) -> None:
    fast = walk(*begin(spec, rate, decay=0.1), parabola, 30)
    w, descent = begin(spec, rate, decay=0.1)
    for group in descent.optimizer.param_groups:
        group["fused"] = group["foreach"] = False
    torch.testing.assert_close(walk(w, descent, parabola, 30), fast, rtol=1e-9, atol=1e-12)


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_its_state_goes_on_bit_for_bit(spec: Spec, rate: float, others: dict[str, Any], dtype: torch.dtype) -> None:
    w, descent = begin(spec, rate, dtype)
    walk(w, descent, parabola, 7)
    saved = {name: tensor.clone() for name, tensor in descent.state().items()}
    again, resumed = begin(spec, rate, dtype)
    with torch.no_grad():
        again.copy_(w)
    resumed.load(saved)
    assert torch.equal(walk(w, descent, parabola, 9, first=7), walk(again, resumed, parabola, 9, first=7))


@every
def test_every_option_has_an_effect(spec: Spec, rate: float, others: dict[str, Any]) -> None:
    f, steps = EFFECTS.get(spec.name, (aside, 40))
    end = walk(*begin(spec, rate), f, steps)
    for name, value in others.items():
        if name == "nesterov" and not spec.options["momentum"]:
            continue
        moved = walk(*begin(spec.replace(**{name: value}), rate), f, steps)
        assert float((moved - end).abs().max()) > 1e-3, name


@every
def test_decay_and_rate_are_the_groups(spec: Spec, rate: float, others: dict[str, Any]) -> None:
    end = walk(*begin(spec, rate), aside, 20)
    assert float((walk(*begin(spec, rate, decay=0.3), aside, 20) - end).abs().max()) > 1e-3
    assert torch.equal(walk(*begin(spec, rate, decay=0.3, groups={"w": Group(decay=0.0)}), aside, 20), end)
    twice = {"*": Group(rate=2.0)}
    if spec.name not in ("lbfgs", "gauss_newton"):
        assert torch.equal(walk(*begin(spec, rate / 2, groups=twice), aside, 20), end)
        return
    with pytest.raises(RecipeError, match="moves all parameters together; leave the groups' rates out"):
        begin(spec, rate, groups=twice)


@every
def test_what_it_needs_is_shown(spec: Spec, rate: float, others: dict[str, Any]) -> None:
    """The table of a recipe tells how much the rule keeps: of nothing, of each weight or more."""
    kept = dt.show(dataclasses.replace(load("softmax-regression"), optimizer=Optimizer(spec))).memory["optimizer"]
    assert kept % 4 == 0
    assert (kept == 0) == (spec == dt.sgd())


@every
def test_round_trips_through_yaml(spec: Spec, rate: float, others: dict[str, Any]) -> None:
    for complete in (False, True):
        node = read_nodes(write({"rule": plain(spec, complete)}), "f").value["rule"]
        assert check(RuleSpec, node, "rule") == spec


@pytest.mark.parametrize("part", list(kind), ids=lambda part: part.name)
def test_an_unknown_option_is_named(part: Any) -> None:
    with pytest.raises(RecipeError, match=re.escape(f"{part.name}: unknown option 'colour'.")):
        part(colour=1)


def test_decoupled_decay_is_rate_times_decay_times_w() -> None:
    """adamw shrinks by rate * decay beside adam's own step on the same gradient."""
    w, descent = begin(dt.adamw(), 0.01, decay=0.5)
    free = walk(*begin(dt.adam(), 0.01), parabola, 1)
    torch.testing.assert_close(walk(w, descent, parabola, 1), free - 0.01 * 0.5 * torch.ones(2, dtype=torch.float64))


def test_nesterov_needs_a_momentum() -> None:
    with pytest.raises(RecipeError, match=r"^optimizer.rule sgd: nesterov needs a momentum above 0$"):
        begin(dt.sgd(nesterov=True), 0.1)
