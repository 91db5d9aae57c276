"""Rules that look at a loss more than once: line searches, products with the matrix, and whole minimisations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from training.systems import small

import dovetail as dt
from dovetail.optim import LBFGS
from dovetail.optim.conjugate import conjugate_gradients
from dovetail.optim.linesearch import wolfe
from dovetail.optim.products import gauss_newton_product
from dovetail.recipe.spec import Spec
from dovetail.training import Trainer
from dovetail.training.machine import resolved
from dovetail.training.run import make_source

LINES: list[tuple[Callable[[float], tuple[float, float]], float]] = [  # functions with their slopes, and a first look
    (lambda t: ((t - 3) ** 2, 2 * (t - 3)), 0.01),
    (lambda t: ((t - 3) ** 2, 2 * (t - 3)), 100.0),
    (lambda t: (-t / (t * t + 2), (t * t - 2) / (t * t + 2) ** 2), 1e-3),  # Moré and Thuente's first
    (lambda t: (-t / (t * t + 2), (t * t - 2) / (t * t + 2) ** 2), 1e3),
    (lambda t: ((t + 0.004) ** 5 - 2 * (t + 0.004) ** 4, 5 * (t + 0.004) ** 4 - 8 * (t + 0.004) ** 3), 1e-3),
    (lambda t: (t**4 - 2 * t * t - t, 4 * t**3 - 4 * t - 1), 1e2),
]


@pytest.mark.parametrize("line", range(len(LINES)))
@pytest.mark.parametrize(("decrease", "curvature"), [(1e-4, 0.9), (1e-4, 0.1), (1e-2, 0.3)])
def test_a_line_search_ends_where_wolfe_says(line: int, decrease: float, curvature: float) -> None:
    function, first = LINES[line]
    value, slope = function(0.0)
    t, looks = wolfe(function, value, slope, first, decrease, curvature, most=40)
    there, slope_there = function(t)
    assert there <= value + decrease * t * slope
    assert abs(slope_there) <= curvature * abs(slope)
    assert looks < 20


def test_a_line_search_comes_back_from_nowhere() -> None:
    """Beyond 1 the function is not a number."""
    t, _ = wolfe(
        lambda t: ((t - 0.5) ** 2, 2 * (t - 0.5)) if t < 1 else (float("nan"), float("nan")), 0.25, -1.0, first=64.0
    )
    assert 0 < t < 1


def test_a_line_search_that_finds_nothing_lower_stays() -> None:
    assert wolfe(lambda t: (1.0 + t, 1.0), value=1.0, slope=-1.0)[0] == 0


def test_lbfgs_solves_a_logistic_regression() -> None:
    torch.manual_seed(0)
    x, w = torch.randn(200, 10, dtype=torch.float64) * torch.logspace(-1, 1, 10), torch.zeros(10, dtype=torch.float64)
    y = (x.sum(1) + torch.randn(200) > 0).double()
    w.requires_grad_()
    optimizer = LBFGS([w], weight_decay=1e-2)
    looks = 0

    def closure() -> float:
        nonlocal looks
        looks += 1
        optimizer.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(x @ w, y)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()

    for _ in range(60):
        optimizer.step(closure)
    closure()
    assert w.grad is not None
    assert float((w.grad + 1e-2 * w.detach()).norm()) < 1e-7
    assert looks < 2.5 * 60


def explicit(network: nn.Module, x: Tensor, loss: Callable[[Tensor], Tensor], vectors: dict[str, Tensor]) -> Tensor:
    """J^T H J v from whole matrices."""
    names = list(vectors)
    sizes = [vectors[name].numel() for name in names]
    parameters = dict(network.named_parameters())

    def output(row: Tensor) -> Tensor:
        pieces = [p.view_as(parameters[n]) for n, p in zip(names, row.split(sizes), strict=True)]
        answer: Tensor = torch.func.functional_call(network, dict(zip(names, pieces, strict=True)), (x,))
        return answer.flatten()

    row = torch.cat([parameters[name].detach().flatten() for name in names])
    j: Tensor = torch.autograd.functional.jacobian(output, row)  # type: ignore[no-untyped-call]
    z = network(x).detach()
    h: Tensor = torch.autograd.functional.hessian(  # type: ignore[no-untyped-call]
        lambda flat: loss(flat.view_as(z)), z.flatten()
    )
    return j.T @ (h @ (j @ torch.cat([vectors[name].flatten() for name in names])))


CHAINS = [
    [dt.flatten(), dt.linear(7), dt.tanh(), dt.linear(3)],
    [dt.conv(4, 3), dt.batchnorm(), dt.relu(), dt.maxpool(2), dt.flatten(), dt.linear(3)],
    [dt.conv(4, 3), dt.sigmoid(), dt.residual([dt.conv(4, 3, pad="same"), dt.relu()]), dt.globalpool(), dt.linear(3)],
    [dt.flatten(), dt.linear(10), dt.maxout(2), dt.linear(3)],
]


@pytest.mark.parametrize("chain", range(len(CHAINS)))
def test_a_product_is_that_of_the_whole_matrix(chain: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(6, 1, 8, 8, dtype=torch.float64)
    network = dt.build(CHAINS[chain], x)
    target = torch.randint(3, (6,))
    vectors = {name: torch.randn_like(p) for name, p in network.named_parameters()}

    def loss(z: Tensor) -> Tensor:
        return nn.functional.cross_entropy(z, target, reduction="sum")

    own = gauss_newton_product(network, x, loss, vectors)
    row = torch.cat([own[name].flatten() for name in vectors])
    torch.testing.assert_close(row, explicit(network, x, loss, vectors), rtol=1e-9, atol=1e-10)
    assert float(torch.cat([v.flatten() for v in vectors.values()]) @ row) > 0


def test_conjugate_gradients_solve() -> None:
    torch.manual_seed(0)
    half = torch.randn(30, 30, dtype=torch.float64)
    matrix, right = half @ half.T + 5 * torch.eye(30), torch.randn(30, dtype=torch.float64)
    start = [torch.ones(30, dtype=torch.float64)]
    iterates = conjugate_gradients(lambda v: [matrix @ v[0]], [right], start, most=200)
    error = [float((matrix @ place[0] - right).norm()) for place, _ in iterates]
    assert error[-1] < 0.01 * error[0]
    assert len(iterates) < 15
    for (x,), height in iterates:
        assert height == pytest.approx(float(0.5 * x @ matrix @ x - right @ x))


def test_an_inverse_makes_the_way_shorter() -> None:
    torch.manual_seed(0)
    scales = torch.logspace(0, 4, 30, dtype=torch.float64)
    half = torch.randn(30, 30, dtype=torch.float64)
    matrix = torch.diag(scales) + 0.1 * half @ half.T
    right, start = torch.randn(30, dtype=torch.float64), [torch.zeros(30, dtype=torch.float64)]
    ends = [
        conjugate_gradients(lambda v: [matrix @ v[0]], [right], start, most=8, inverse=inverse)[-1].height
        for inverse in (None, lambda v: [v[0] / matrix.diagonal()])
    ]
    lowest = -0.5 * float(right @ torch.linalg.solve(matrix, right))
    assert ends[1] - lowest < 0.01 * (ends[0] - lowest)


@pytest.mark.parametrize("rule", [dt.gauss_newton(), dt.gauss_newton(layers=False), dt.lbfgs(3)], ids=str)
def test_show_tells_what_a_rule_keeps_from_step_to_step(rule: Spec) -> None:
    network = [dt.flatten(), dt.linear(30), dt.tanh(), dt.linear("outputs")]
    recipe = resolved(small(network=network, optimizer={"rule": rule, "rate": 1.0}, synthetic=[], relevance=None))
    trainer = Trainer(recipe, make_source(recipe.data, Path()), Path("run"))
    for _ in range(5):
        trainer.step()
    kept = list(trainer.descent.state().values())
    for inverse in getattr(trainer.descent.optimizer, "inverses", []):
        kept += [inverse.inputs, inverse.outputs]
    told = dt.show(recipe).memory["optimizer"]
    assert told == pytest.approx(sum(tensor.numel() * tensor.itemsize for tensor in kept), rel=0.05)
