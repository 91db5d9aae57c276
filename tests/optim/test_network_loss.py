"""A network's loss in a loop of one's own: what `GaussNewton` and `DiagonalLevenberg` ask of it."""

from __future__ import annotations

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


def test_what_does_not_fit_is_told() -> None:
    model, (x, y) = network(), examples()
    with pytest.raises(ValueError, match=r"one target for each example, and one at least, not 59 for 60"):
        NetworkLoss(model, x, y[1:], mse_loss)
    stray = nn.Parameter(torch.ones(2, dtype=torch.float64))
    stray.grad = torch.ones_like(stray)
    with pytest.raises(ValueError, match=r"parameters that are not this network's"):
        GaussNewton([stray]).step(NetworkLoss(model, x, y, cross_entropy))
