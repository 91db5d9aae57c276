"""DropConnect: its masks, the kernel beside the form in PyTorch, and what tests answer by."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad

import dovetail as dt
from dovetail.kernels import library
from dovetail.layers import masked_sums
from dovetail.layers.dropconnect import ACTIVATIONS, expected
from dovetail.layers.masked import draw_mask, masked_product, spread
from dovetail.recipe.draws import Draws

WORKED = torch.tensor([[1.0, -2.0], [0.5, 0.5]], dtype=torch.float64), torch.tensor([[2.0, 1.0]], dtype=torch.float64)


def made(*shape: int, **options: Any) -> Any:
    torch.manual_seed(0)
    return dt.build([dt.dropconnect(**options)], torch.zeros(1, *shape))[0]


def worked(**options: Any) -> Any:
    layer = made(2, units=2, bias=False, **options).double()
    layer.weight.data = WORKED[0]
    return layer.eval()


@pytest.fixture
def in_torch(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("DOVETAIL_KERNELS", "torch")
    return monkeypatch


@pytest.mark.parametrize("keep", [0.5, 0.25, 0.3, 0.8, 1e-9, 1.0])
@pytest.mark.parametrize("first", [0, 3])
def test_both_forms_draw_the_same_masks(keep: float, first: int, in_torch: pytest.MonkeyPatch) -> None:
    plain = draw_mask(12, keep, first, 50, 13, 3)
    in_torch.setenv("DOVETAIL_KERNELS", "c")
    assert torch.equal(draw_mask(12, keep, first, 50, 13, 3), plain)
    share = float(spread(plain, torch.float64).mean())
    assert share == pytest.approx(keep, abs=5 * math.sqrt(keep * (1 - keep) / (plain.numel() * 64)) + 2**-16)
    assert torch.equal(draw_mask(12, keep, first + 10, 5, 13, 3), plain[:, 10:15])
    assert keep == 1 or not torch.equal(draw_mask(13, keep, first, 50, 13, 3), plain) or keep < 0.01


@pytest.mark.parametrize(("examples", "outputs", "words"), [(1, 1, 1), (4, 4, 2), (7, 19, 3), (130, 8, 1)])
@pytest.mark.parametrize("zeros", [0.0, 0.6])
def test_the_kernel_computes_what_pytorch_does(
    examples: int, outputs: int, words: int, zeros: float, in_torch: pytest.MonkeyPatch
) -> None:
    assert library("dropconnect") is None
    torch.manual_seed(0)
    x, w = torch.randn(examples, words * 64), torch.randn(outputs, words * 64)
    mask, gradient = draw_mask(3, 0.5, 0, examples, outputs, words), torch.randn(outputs, examples).T
    if zeros:  # single ones, half a word and a whole word of every other example, all of some outputs' gradients
        gradient = gradient * (torch.rand(examples, outputs) > zeros)
        x = x * (torch.rand_like(x) > zeros)
        x[::2, :32], x[1::2, :64], gradient[:, ::3] = 0.0, 0.0, 0.0
    results = []
    for choice, dtype in (("torch", torch.float64), ("torch", torch.float32), ("c", torch.float32)):
        in_torch.setenv("DOVETAIL_KERNELS", choice)
        rows = [tensor.to(dtype).requires_grad_() for tensor in (x, w)]
        y = masked_product(*rows, mask)
        results.append((y, *torch.autograd.grad(y, rows, gradient.to(dtype))))
        expanded = torch.autograd.grad(masked_product(*rows, mask).sum(), rows)  # a gradient without memory of its own
        torch.testing.assert_close(expanded[1], torch.einsum("noi,ni->oi", spread(mask, dtype), rows[0].detach()))
    exact, *others = results
    for other in others:
        for ours, right in zip(other, exact, strict=True):
            torch.testing.assert_close(ours.double(), right, atol=1e-4, rtol=1e-5)


def test_gradients_in_double_precision_are_those_of_the_loss() -> None:
    mask = draw_mask(3, 0.5, 0, 3, 2, 1)
    rows = [torch.randn(n, 64, dtype=torch.float64, requires_grad=True) for n in (3, 2)]
    assert torch.autograd.gradcheck(lambda x, w: masked_product(x, w, mask), rows)


@pytest.mark.parametrize("shape", [(2000, 4), (3, 6), (20, 1), (3,), (2, 5, 5)])
@pytest.mark.parametrize("batchnorm", [False, True])
def test_inputs_of_another_width_are_refused(shape: tuple[int, ...], batchnorm: bool) -> None:
    layer = made(5, units=3, batchnorm=batchnorm)
    with pytest.raises(RuntimeError, match=r"expected rows of 5 features, not an input of \["):
        layer(torch.ones(shape))
    with pytest.raises(ValueError, match="do not fit a mask"):
        masked_product(torch.ones(2, 64), torch.ones(3, 64), draw_mask(1, 0.5, 0, 2, 3, 2))


def test_every_example_has_its_own_connections_and_its_bias_too() -> None:
    layer = made(300, units=40, activation="none", keep=0.5)
    layer.weight.data.fill_(1.0)
    layer.bias.data.fill_(1000.0)
    sums = layer(torch.ones(64, 300)).detach() * 0.5
    biased = (sums >= 1000).float()
    kept = sums - 1000 * biased
    assert float(biased.mean()) == pytest.approx(0.5, abs=5 * 0.5 / math.sqrt(sums.numel()))
    assert float(kept.mean()) == pytest.approx(150, abs=5 * math.sqrt(75 / kept.numel()))
    assert float(kept.var(0).mean()) == pytest.approx(75, rel=0.1)  # between examples, which one mask would not give


@pytest.mark.parametrize("parts", [(8,), (3, 3, 2), (1,) * 8])
def test_micro_batches_leave_out_what_the_whole_batch_does(parts: tuple[int, ...]) -> None:
    layer, draws, x = made(6, units=10), Draws(seed=4), torch.randn(8, 6)
    layer.draws, layer.purpose = draws, "here"
    whole, pieces = layer(x), []
    for piece in x.split(list(parts)):
        pieces.append(layer(piece))
        draws.first += len(piece)
    torch.testing.assert_close(torch.cat(pieces), whole)
    draws.first, draws.step = 0, 1
    assert not torch.allclose(layer(x), whole)


def over_all_masks(act: Any, keep: float) -> Tensor:
    """E[act((M . W) v / keep)] by every mask of the worked example."""
    weight, v = WORKED
    total = torch.zeros(1, 2, dtype=torch.float64)
    for kept in product([0.0, 1.0], repeat=2):
        mask = torch.tensor(kept, dtype=torch.float64)
        chance = math.prod(keep if k else 1 - keep for k in kept)
        total += chance * act((v * mask) @ weight.T / keep)
    return total


def test_inference_is_the_worked_example() -> None:
    v, layer = WORKED[1], worked()
    mean, deviation = layer.moments(v)
    torch.testing.assert_close(mean, torch.tensor([[0.0, 1.5]], dtype=torch.float64))
    torch.testing.assert_close(deviation.square(), torch.tensor([[8.0, 1.25]], dtype=torch.float64))
    near = torch.tensor([[1.1283791671, 1.5465583126]], dtype=torch.float64)
    torch.testing.assert_close(layer(v), near, atol=1e-9, rtol=0)
    torch.testing.assert_close(over_all_masks(torch.relu, 0.5), torch.tensor([[1.0, 1.5]], dtype=torch.float64))
    torch.testing.assert_close(worked(inference="mean")(v), torch.tensor([[0.0, 1.5]], dtype=torch.float64))
    unscaled = torch.tensor([[2.0, 0.3125]], dtype=torch.float64)  # the paper's form, without the division by keep
    torch.testing.assert_close((0.5 * deviation).square(), unscaled)


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_inference_is_the_mean_of_many_masks(activation: str) -> None:
    layer = made(400, units=30, activation=activation, keep=0.6, init=dt.normal(0.1))
    torch.manual_seed(1)
    x = torch.randn(1, 400)
    with torch.no_grad():
        trained = layer(x.expand(20_000, -1)).mean(0)
        tested, plain = layer.eval()(x)[0], ACTIVATIONS[activation](torch.nn.functional.linear(x, *layer.parameters()))
    noise = 5 * float(trained.std()) / math.sqrt(20_000) + 3e-3
    assert float((tested - trained).abs().max()) < noise
    assert float((plain[0] - trained).abs().max()) > 2 * noise


def normalized(examples: int) -> tuple[Any, Tensor]:
    """A layer that normalizes, with factors of either sign, and its examples."""
    layer, g = made(400, units=30, keep=0.6, batchnorm=True, init=dt.normal(0.1)), torch.Generator().manual_seed(1)
    layer.norm.weight.data.normal_(generator=g)
    layer.norm.bias.data.normal_(generator=g)
    return layer, torch.randn(examples, 400, generator=g)


@torch.no_grad()
def test_inference_normalizes_as_training_did() -> None:
    layer, x = normalized(50)
    assert layer.bias is None
    for _ in range(200):
        layer(x)
    sums = layer.norm.eval()(layer.masked(x[:1].expand(20_000, -1)))
    trained, tested = sums.relu().mean(0), layer.eval()(x[:1])[0]
    noise = 5 * float(trained.std()) / math.sqrt(20_000) + 3e-3
    assert float((tested - trained).abs().max()) < noise
    behind = layer.norm(torch.nn.functional.linear(x[:1], layer.weight))[0].relu()  # by a layer of its own
    assert float((behind - trained).abs().max()) > 2 * noise


@torch.no_grad()
def test_statistics_taken_anew_are_those_of_all_masks() -> None:
    layer, x = normalized(50)
    sums = torch.cat([layer.masked(x) for _ in range(400)])
    layer.norm.momentum = 1.0
    layer.eval().norm.train()
    layer(x)
    torch.testing.assert_close(layer.norm.running_mean, sums.mean(0), atol=0.1, rtol=0)
    torch.testing.assert_close(layer.norm.running_var, sums.var(0), atol=0, rtol=0.1)
    assert bool((torch.nn.functional.linear(x, layer.weight).var(0) < 0.8 * sums.var(0)).all())


def test_the_quadrature_is_that_of_a_fine_sum() -> None:
    mean, deviation = torch.tensor([0.3, -2.0, 4.0]).double(), torch.tensor([0.5, 1.5, 2.0]).double()
    grid = torch.linspace(-9, 9, 200_001, dtype=torch.float64)
    density = torch.exp(-0.5 * grid.square()) / math.sqrt(2 * math.pi)
    for name in ("relu", "tanh", "sigmoid"):
        act = ACTIVATIONS[name]
        fine = torch.trapezoid(act(mean[:, None] + deviation[:, None] * grid) * density, grid)
        torch.testing.assert_close(expected(act, mean, deviation), fine, atol=2e-3, rtol=0)


def test_without_variance_inference_is_the_activation() -> None:
    layer = made(3, units=2, bias=False).eval()
    x = torch.zeros(1, 3, requires_grad=True)
    layer(x).sum().backward()
    torch.testing.assert_close(layer(x), torch.zeros(1, 2))
    assert x.grad is not None
    assert bool(x.grad.isfinite().all())


def test_a_network_learns_with_it_under_every_precision() -> None:
    network = [dt.flatten(), dt.dropconnect(60), dt.linear("outputs")]
    for precision in ("float32", "float64", "bfloat16"):
        run = dt.train(
            dt.Recipe(network, dt.softmax(), dt.digits(), epochs=3, precision=precision)  # type: ignore[arg-type]
        )
        assert run.result["test"]["error"] < 0.15


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize("kernels", ["c", "torch"])
def test_changes_are_carried_forward(kernels: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The product is linear in rows and in weights: d(M.W v) = (M.dW) v + (M.W) dv, exactly."""
    monkeypatch.setenv("DOVETAIL_KERNELS", kernels)
    g = torch.Generator().manual_seed(0)
    x, w, dx, dw = (torch.randn(rows, 128, generator=g) for rows in (5, 7, 5, 7))
    mask = draw_mask(3, 0.5, 0, 5, 7, 2)
    bits = spread(mask, torch.float32)
    by_w, by_x = (torch.einsum("noi,oi,ni->no", bits, *pair) for pair in ((dw, x), (w, dx)))
    with forward_ad.dual_level():
        rows, weights = forward_ad.make_dual(x, dx), forward_ad.make_dual(w, dw)
        for pair, change in (((rows, weights), by_w + by_x), ((x, weights), by_w), ((rows, w), by_x)):
            along = forward_ad.unpack_dual(masked_product(*pair, mask)).tangent
            torch.testing.assert_close(along, change, atol=1e-4, rtol=1e-4)


def test_gauss_newton_trains_it(tmp_path: Any) -> None:
    network = [dt.flatten(), dt.dropconnect(30, keep=0.8), dt.linear("outputs")]
    optimizer = {"rule": dt.gauss_newton(), "rate": 1.0}
    words: dict[str, Any] = {"network": network, "optimizer": optimizer, "batch": 500, "epochs": 4}
    run = dt.train("softmax-regression", "data=digits", run=str(tmp_path / "r"), **words)
    assert run.result["test"]["error"] < 0.2


def test_sums_for_a_compiler_are_the_same() -> None:
    """What a GPU computes, here without compiling it."""
    mask, g = draw_mask(3, 0.5, 0, 3, 5, 2), torch.randn(3, 5, dtype=torch.float64)
    x, w = (torch.randn(n, 128, dtype=torch.float64, requires_grad=True) for n in (3, 5))
    y = masked_product(x, w, mask)
    slopes = torch.autograd.grad((g * y).sum(), (x, w))
    torch.testing.assert_close(masked_sums.sums(x, w, mask), y)
    torch.testing.assert_close(masked_sums.slopes_of_rows(g, w, mask), slopes[0])
    torch.testing.assert_close(masked_sums.slopes_of_weights(g, x, mask), slopes[1])
