"""Rules against worked numbers, against PyTorch's, and against sums by hand; each alone, as an ordinary optimizer."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

import dovetail as dt
from dovetail.optim import AdaDec, Descent, Lamb, LocalAdagrad, Momentum, Muon, Nesterov
from dovetail.recipe.recipe import Optimizer as Settings
from dovetail.recipe.span import Span

GRADIENTS = torch.tensor([[1, 0.1], [-2, 0.1], [0.5, 0.1], [0, 0.1]], dtype=torch.float64)
ALONE: dict[str, Callable[[list[Tensor]], Optimizer]] = {
    "momentum": lambda p: Momentum(p, lr=0.1),
    "nesterov": lambda p: Nesterov(p, lr=0.05),
    "adadec": lambda p: AdaDec(p, lr=0.05),
    "local_adagrad": lambda p: LocalAdagrad(p, lr=0.05, window=3),
    "lamb": lambda p: Lamb(p, lr=0.01),
    "muon": lambda p: Muon(p, lr=0.05),
}


def ones() -> Tensor:
    return torch.ones(2, dtype=torch.float64, requires_grad=True)


def follow(optimizer: Optimizer, w: Tensor, steps: int, seen: Callable[[], Tensor] | None = None) -> list[list[float]]:
    """Where w is after each step down f = (w1^2 + 10 w2^2) / 2."""
    path = []
    for _ in range(steps):
        optimizer.zero_grad()
        (0.5 * (w[0] ** 2 + 10 * w[1] ** 2)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        path.append((w if seen is None else seen()).detach().tolist())
    return path


def pushed(optimizer: Optimizer, w: Tensor, rates: list[float] | None = None) -> list[list[float]]:
    """Where w is after each of the given gradients."""
    path = []
    for t, gradient in enumerate(GRADIENTS):
        if rates:
            optimizer.param_groups[0]["lr"] = rates[t]
        w.grad = gradient.clone()
        optimizer.step()
        path.append(w.detach().tolist())
    return path


def near(values: list[list[float]]) -> list[object]:
    return [pytest.approx(row, abs=2e-10) for row in values]


def test_momentum_at_two_rates() -> None:
    w = ones()
    optimizer = Momentum([w], lr=0.01, momentum=0.9, gradient=1.0, average=5.0)
    path = [
        [0.985, 0.85], [0.965725, 0.6775], [0.942756625, 0.497125], [0.9166352631, 0.32119375],
        [0.8878613181, 0.1594178125],
    ]  # fmt: skip
    assert follow(optimizer, w, 5) == near(path)
    assert optimizer.state[w]["average"].tolist() == pytest.approx([0.3921518476, 2.59313125])


def test_momentum_without_the_gradient_itself_is_sgd_with_momentum() -> None:
    w, v = ones(), ones()
    own = follow(Momentum([w], lr=0.01, momentum=0.9, gradient=0.0, average=5.0), w, 3)
    assert own == near([[0.995, 0.95], [0.985525, 0.8575], [0.972069875, 0.731375]])
    assert own == near(follow(torch.optim.SGD([v], lr=0.1 * 0.05, momentum=0.9), v, 3))


def test_nesterov_is_tested_at_w() -> None:
    w = ones()
    optimizer = Nesterov([w], lr=0.05, momentum=0.9)

    def tested() -> Tensor:
        with optimizer.evaluated():
            return w.detach().clone()

    path = [[0.95, 0.5], [0.85975, 0.025], [0.73959875, -0.20125], [0.5998894937, -0.2024375]]
    assert follow(optimizer, w, 4, tested) == near(path)
    assert w.tolist() == pytest.approx([0.4741511631, -0.20350625])  # where PyTorch's tests


def test_nesterov_in_a_run_keeps_w_and_averages_w() -> None:
    w = ones()
    settings = Settings(rule=dt.nesterov(0.9), rate=dt.constant(0.05), average=dt.polyak("0 %"))
    descent = Descent([("w", w)], settings, Span(10, 100))
    path = []
    for t in range(3):
        descent.zero()
        (0.5 * (w[0] ** 2 + 10 * w[1] ** 2)).backward()  # type: ignore[no-untyped-call]
        descent.update(t)
        with descent.evaluated():
            path.append(w.detach().tolist())
    assert path[2] == pytest.approx([(0.95 + 0.85975 + 0.73959875) / 3, (0.5 + 0.025 - 0.20125) / 3])


def test_the_ramp_of_nesterov() -> None:
    from dovetail.optim.momentum import at

    group = {"momentum": 0.99, "ramp": 250}
    values = [at(t, group) for t in (0, 250, 500, 1000, 2500, 12500)]
    assert values == pytest.approx([0.5, 0.75, 0.8333333333, 0.9, 0.9545454545, 0.99])


def test_adagrad_with_k_in_the_root() -> None:
    w = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    path = [
        [-0.0707106781, -0.0099503719], [0.0109389800, -0.0198518473], [-0.0090610200, -0.0297051401],
        [-0.0090610200, -0.0395109469],
    ]  # fmt: skip
    assert pushed(dt.adagrad(1.0).make([{"params": [w]}]), w, [0.1] * 4) == near(path)


def test_local_adagrad_numbers() -> None:
    w, v = (torch.zeros(2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    falling = [0.1 / (1 + t) ** 0.5 for t in range(4)]
    path = [
        [-0.0707106781, -0.0099503719], [-0.0129756512, -0.0169517723], [-0.0255744670, -0.0226683918],
        [-0.0255744670, -0.0276191295],
    ]  # fmt: skip
    assert pushed(LocalAdagrad([w], window=2, k=1.0), w, falling) == near(path)
    last = pushed(LocalAdagrad([v], lr=0.1, window=2, k=1.0), v)[-1]
    assert last == pytest.approx([-0.0108828090, -0.0396547982])


def test_adadec_numbers() -> None:
    w = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    assert pushed(AdaDec([w], lr=0.1, fade=0.5, k=1.0), w)[-1] == pytest.approx([-0.0121565158, -0.0396973853])


@pytest.mark.parametrize("window", [1, 2, 5])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("kernels", "dtype"), [("c", torch.float32), ("torch", torch.float32), ("c", torch.float64)])
def test_a_window_is_its_sum_by_hand(
    window: int, layout: torch.memory_format, kernels: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOVETAIL_KERNELS", kernels)
    torch.manual_seed(0)
    shape = (3, 4, 130, 130)  # more than one thread's
    gradients = torch.randn(13, *shape, dtype=torch.float64)
    w = torch.zeros(shape, dtype=dtype).to(memory_format=layout).requires_grad_()
    optimizer, expected = LocalAdagrad([w], lr=0.1, window=window, k=0.01), torch.zeros(shape, dtype=torch.float64)
    for t, gradient in enumerate(gradients):
        w.grad = gradient.to(dtype, memory_format=layout)
        optimizer.step()
        seen = gradients[max(0, t - window + 1) : t + 1]
        expected -= 0.1 * gradient / (0.01 + seen.square().sum(0)).sqrt()
    torch.testing.assert_close(
        w.detach(), expected.to(dtype), rtol=1e-12 if dtype == torch.float64 else 1e-4, atol=2e-6
    )


@pytest.mark.parametrize(("window", "exact", "tensors"), [(1, True, 1), (2, True, 2), (7, True, 7), (7, False, 2)])
def test_what_a_window_remembers_is_there_after_one_step(window: int, exact: bool, tensors: int) -> None:
    w = torch.ones(10, 10, requires_grad=True)
    optimizer = LocalAdagrad([w], window=window, exact=exact)
    for _ in range(2 * window + 1):
        w.grad = torch.ones_like(w)
        optimizer.step()
        assert sum(entry.shape == w.shape for entry in optimizer.state[w].values()) == tensors


def test_a_window_takes_gradients_that_lie_otherwise() -> None:
    torch.manual_seed(0)
    w, v = (torch.zeros(6, 5, requires_grad=True) for _ in range(2))
    optimizers = [LocalAdagrad([p], lr=0.1, window=3) for p in (w, v)]
    for _ in range(7):
        gradient = torch.randn(5, 6)
        w.grad, v.grad = gradient.T, gradient.T.contiguous()
        for optimizer in optimizers:
            optimizer.step()
    torch.testing.assert_close(w, v)


@pytest.mark.parametrize("exact", [True, False])
def test_parameters_of_a_group_may_be_of_several_kinds(exact: bool) -> None:
    torch.manual_seed(0)
    shapes = [(torch.float32, (7, 5)), (torch.float64, (3,)), (torch.float32, (6, 4))]
    together, alone = ([torch.zeros(s, dtype=t, requires_grad=True) for t, s in shapes] for _ in range(2))
    optimizers = [LocalAdagrad(together, lr=0.1, window=3, k=1, exact=exact)]  # k a whole number
    optimizers += [LocalAdagrad([p], lr=0.1, window=3, k=1, exact=exact) for p in alone]
    for _ in range(8):
        for w, v in zip(together, alone, strict=True):
            w.grad = torch.randn_like(w) if w.shape != (6, 4) else torch.randn(4, 6).T
            v.grad = w.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    for w, v in zip(together, alone, strict=True):
        assert torch.equal(w, v)


@pytest.mark.parametrize("kernels", ["c", "torch"])
def test_two_buckets_come_near_the_window(kernels: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOVETAIL_KERNELS", kernels)
    torch.manual_seed(0)
    gradients = torch.randn(1000, 50)
    w, v = (torch.zeros(50, requires_grad=True) for _ in range(2))
    exact, rough = LocalAdagrad([w], lr=0.1, window=50), LocalAdagrad([v], lr=0.1, window=50, exact=False)
    for gradient in gradients:
        w.grad, v.grad = gradient, gradient.clone()
        exact.step()
        rough.step()
    assert len(rough.state[v]) == 3  # two sums and a count
    assert float((w - v).detach().norm() / w.detach().norm()) < 0.05


def test_bottous_averaged_sgd() -> None:
    """sgd, a rate that falls with the power 3/4, and the mean of all iterates."""
    w = torch.ones(1, dtype=torch.float64, requires_grad=True)
    beta = 1 / (0.1 * 0.5)
    rate = dt.polynomial(0.5 * beta**0.75, beta=beta, gamma=0.75)
    settings = Settings(rule=dt.sgd(), rate=rate, decay=0.1, average=dt.polyak("0 %"))
    descent = Descent([("w", w)], settings, Span(10, 100))
    iterates, averages = [], []
    for t in range(5):
        descent.zero()
        (0.5 * w.square()).sum().backward()  # type: ignore[no-untyped-call]
        descent.update(t)
        iterates.append(w.item())
        with descent.evaluated():
            averages.append(w.item())
    assert iterates == pytest.approx([0.45, 0.2113929733, 0.1031477544, 0.0520620852, 0.0270874983])
    assert averages == pytest.approx([0.45, 0.3306964867, 0.2548469093, 0.2041507032, 0.1687380623])


def test_lamb_steps_are_as_long_as_the_weights() -> None:
    torch.manual_seed(0)
    w = torch.randn(20, 30, requires_grad=True)
    before, w.grad = w.detach().clone(), torch.randn(20, 30)
    Lamb([w], lr=0.01, weight_decay=0.1).step()
    step = w.detach() - before
    assert float(step.norm()) == pytest.approx(0.01 * float(before.norm()), rel=1e-4)
    direction = w.grad.sign() + 0.1 * before  # Adam's first step is the sign
    assert float(torch.cosine_similarity(step.flatten(), -direction.flatten(), dim=0)) > 0.9999


def test_lamb_moves_weights_of_zero() -> None:
    w = torch.zeros(4, requires_grad=True)
    w.grad = torch.ones(4)
    Lamb([w], lr=0.01).step()
    torch.testing.assert_close(w.detach(), torch.full((4,), -0.01))


@pytest.mark.parametrize("name", ALONE)
def test_each_works_alone_on_a_network(name: str) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 1))
    x = torch.randn(64, 8)
    y = x[:, :1] * x[:, 1:2]
    optimizer = ALONE[name](list(network.parameters()))

    def closure() -> float:
        optimizer.zero_grad()
        loss: Tensor = (network(x) - y).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()

    first = optimizer.step(closure)
    for _ in range(500):
        last = optimizer.step(closure)
    assert last < 0.5 * first  # type: ignore[operator]
    assert all(isinstance(value, Tensor) for state in optimizer.state.values() for value in state.values())


@pytest.mark.parametrize("name", ALONE)
def test_what_cannot_take_sparse_gradients_says_so(name: str) -> None:
    table = nn.Embedding(5, 3, sparse=True)
    optimizer = ALONE[name]([table.weight])
    table(torch.tensor([1, 2])).sum().backward()
    with pytest.raises(RuntimeError, match="cannot take sparse gradients; sgd and adagrad can"):
        optimizer.step()


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")  # PyTorch asks itself
@pytest.mark.parametrize("rule", [dt.sgd(), dt.adagrad()], ids=str)
def test_sparse_gradients_move_the_rows_that_were_asked_for(rule: dt.Spec) -> None:
    torch.manual_seed(0)
    table, dense = nn.Embedding(5, 3, sparse=True), nn.Embedding(5, 3)
    dense.load_state_dict(table.state_dict())
    settings = Settings(rule=rule, rate=dt.constant(0.1), clip=0.5)
    for embedding in (table, dense):
        descent = Descent([("w", embedding.weight)], settings, Span(10, 100))
        for t in range(3):
            descent.zero()
            embedding(torch.tensor([1, 1, 3])).square().sum().backward()
            assert descent.update(t)
    torch.testing.assert_close(table.weight, dense.weight)
