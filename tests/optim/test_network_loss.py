"""A network's loss in a loop of one's own: what `GaussNewton` and `DiagonalLevenberg` ask of it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from dovetail.optim import LBFGS, DiagonalLevenberg, GaussNewton, NetworkLoss
from dovetail.optim.second_order import diagonal_curvature


def examples(count: int = 60) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(count, 5, generator=draw, dtype=torch.float64)
    return x, (x @ torch.randn(5, 3, generator=draw, dtype=torch.float64)).argmax(1)


def network(*inner: nn.Module) -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(5, 8), *inner, nn.Tanh(), nn.Linear(8, 3)).double()


def test_the_product_is_with_the_matrix_of_the_mean_loss() -> None:
    """Against the matrix itself, J^T H J, written out by double differentiation."""
    model, (x, y) = network(), examples()
    parameters = list(model.parameters())
    names = [name for name, _ in model.named_parameters()]
    vectors = [torch.randn_like(p) for p in parameters]

    def output(*values: Tensor) -> Tensor:
        return torch.func.functional_call(model, dict(zip(names, values, strict=True)), (x,)).flatten()

    jacobian = torch.cat([j.flatten(1) for j in torch.autograd.functional.jacobian(output, tuple(parameters))], 1)
    bend = torch.autograd.functional.hessian(lambda z: cross_entropy(z.view(-1, 3), y), model(x).detach().flatten())
    expected = jacobian.T @ (bend @ (jacobian @ torch.cat([v.flatten() for v in vectors])))
    product = NetworkLoss(model, x, y, cross_entropy).product(parameters, vectors)
    torch.testing.assert_close(torch.cat([p.flatten() for p in product]), expected)


def test_gauss_newton_and_the_diagonal_rule_train_by_it() -> None:
    x, y = examples()
    reached = {}
    for kind, steps in ((GaussNewton, 15), (DiagonalLevenberg, 60), (LBFGS, 15)):
        model = network()
        rule = kind(model.parameters(), lr=0.05 if kind is DiagonalLevenberg else 1.0)
        losses = [float(rule.step(NetworkLoss(model, x, y, cross_entropy))) for _ in range(steps)]
        reached[kind.__name__] = losses[0] / losses[-1]
    assert min(reached.values()) > 5, reached


def test_a_share_is_of_the_first_examples() -> None:
    model, (x, y) = network(), examples()
    loss = NetworkLoss(model, x, y, cross_entropy)
    assert loss.value(0.25) == pytest.approx(cross_entropy(model(x[:15]), y[:15]).item())
    vectors = [torch.randn_like(p) for p in model.parameters()]
    part = NetworkLoss(model, x[:15], y[:15], cross_entropy)
    for one, other in zip(
        loss.product(list(model.parameters()), vectors, 0.25),
        part.product(list(model.parameters()), vectors),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_curvatures_and_moments_are_of_the_mean_loss_as_tested() -> None:
    model, (x, y) = network(nn.Dropout(0.5)), examples()
    parameters = list(model.parameters())
    found = NetworkLoss(model, x, y, cross_entropy).curvature(parameters, 20)
    assert model.training
    model.eval()
    expected = diagonal_curvature(model, x[:20], lambda z: cross_entropy(z, y[:20], reduction="sum"))
    for one, own in zip(found, expected.values(), strict=True):
        torch.testing.assert_close(one, own / 20)
    (first, _) = NetworkLoss(model, x, y, cross_entropy).moments(parameters)
    with_ones = torch.cat([x, torch.ones(len(x), 1)], 1)
    torch.testing.assert_close(first.inputs, with_ones.T @ with_ones / len(x))


def test_draws_are_the_same_at_every_call_and_others_for_the_next_batch() -> None:
    model, (x, y) = network(nn.Dropout(0.5)), examples()
    one, other = (NetworkLoss(model, x, y, cross_entropy) for _ in range(2))
    assert one() == one.value() == one.value()
    assert abs(one.value() - other.value()) > 1e-3


def test_running_statistics_count_the_batch_once() -> None:
    model, (x, y) = network(nn.BatchNorm1d(8)), examples()
    loss = NetworkLoss(model, x, y, cross_entropy)
    loss()
    once = [buffer.clone() for buffer in model.buffers()]
    loss.value()
    loss()
    for buffer, before in zip(model.buffers(), once, strict=True):
        torch.testing.assert_close(buffer, before, rtol=0, atol=0)
    assert float(once[0].abs().max()) > 1e-3


def test_a_layer_used_twice_and_shared_weights_are_one_parameter() -> None:
    x, y = examples()
    torch.manual_seed(2)
    twice = nn.Linear(8, 8)
    other = nn.Linear(8, 8)
    other.weight = twice.weight
    model = nn.Sequential(nn.Linear(5, 8), twice, nn.Tanh(), twice, nn.Tanh(), other, nn.Linear(8, 3)).double()
    before = list(model.parameters())
    rule = GaussNewton(model.parameters())
    losses = [rule.step(NetworkLoss(model, x, y, cross_entropy)) for _ in range(10)]
    assert losses[-1] < 0.2 * losses[0]
    assert all(one is own for one, own in zip(model.parameters(), before, strict=True))
    vectors = [torch.randn_like(p) for p in before]
    product = NetworkLoss(model, x, y, cross_entropy).product(before, vectors)
    step = 1e-6
    with torch.no_grad():  # J v by differences, to compare v^T G v = (J v)^T H (J v)
        ends = []
        for sign in (1, -1):
            for p, v in zip(before, vectors, strict=True):
                p.add_(v, alpha=sign * step)
            ends.append(model(x))
            for p, v in zip(before, vectors, strict=True):
                p.add_(v, alpha=-sign * step)
    along = ((ends[0] - ends[1]) / (2 * step)).flatten()
    bend = torch.autograd.functional.hessian(lambda z: cross_entropy(z.view(-1, 3), y), model(x).detach().flatten())
    expected = along @ bend @ along
    torch.testing.assert_close(
        sum((p * v).sum() for p, v in zip(product, vectors, strict=True)), expected, rtol=1e-5, atol=0
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"network": torch.tanh}, r"network: expected a torch\.nn\.modules\.module\.Module, not builtin_function"),
        ({"inputs": [[1.0]]}, r"inputs: expected a torch\.Tensor, not list"),
        ({"targets": [1]}, r"targets: expected a torch\.Tensor, not list"),
        ({"loss": "mse"}, r"loss: expected a function of outputs and targets, not 'mse'"),
        ({"loss": lambda z, y: 1.0}, r"the mean over the examples, not float"),
        ({"loss": lambda z, y: z}, r"the mean over the examples, not shape \(60, 3\)"),
        ({"loss": lambda z, y: z.detach().sum()}, r"one number with a gradient, .* not one without"),
    ],
)
def test_other_things_are_told(given: dict[str, Any], told: str) -> None:
    model, (x, y) = network(), examples()
    with pytest.raises(TypeError, match=told):
        NetworkLoss(**{"network": model, "inputs": x, "targets": y, "loss": cross_entropy, **given})()


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.memory, self.last = nn.LSTM(1, 4, batch_first=True), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.last(self.memory(x[:, :, None])[0][:, -1])
        return found


def test_networks_that_a_rule_cannot_look_into_are_told() -> None:
    x, y = examples()
    model = Recurrent()
    for kind, told in ((GaussNewton, "cannot differentiate this network"), (DiagonalLevenberg, "LSTM, memory")):
        with pytest.raises(ValueError, match=told):
            kind(model.parameters()).step(NetworkLoss(model, x.float(), y, cross_entropy))


def test_numbers_that_are_not_finite_move_nothing() -> None:
    x, y = examples()
    x[3, 1] = torch.inf
    for kind in (GaussNewton, LBFGS):
        model = network()
        before = [p.clone() for p in model.parameters()]
        kind(model.parameters()).step(NetworkLoss(model, x, y, cross_entropy))
        assert all(bool((p == own).all()) for p, own in zip(model.parameters(), before, strict=True)), kind


def test_what_does_not_fit_is_told() -> None:
    model, (x, y) = network(), examples()
    with pytest.raises(ValueError, match=r"one target for each example, and one at least, not 59 for 60"):
        NetworkLoss(model, x, y[1:], mse_loss)
    stray = nn.Parameter(torch.ones(2, dtype=torch.float64))
    stray.grad = torch.ones_like(stray)
    with pytest.raises(ValueError, match=r"parameters that are not this network's"):
        GaussNewton([stray]).step(NetworkLoss(model, x, y, cross_entropy))
