"""What is drawn at random: initial weights from their fans, dropout's masks; and what normalizes."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor

import dovetail as dt
from dovetail.recipe.draws import Draws
from dovetail.recipe.spec import Spec


def first(spec: Spec, *shape: int) -> Any:
    torch.manual_seed(0)
    return dt.build([spec], torch.zeros(1, *shape))[0]


@pytest.mark.parametrize(
    ("make", "shape", "fans"),
    [
        (lambda init: dt.linear(400, init=init), (100,), (100, 400)),
        (lambda init: dt.conv(400, 3, init=init), (12, 4, 4), (108, 3600)),
        (lambda init: dt.conv(400, 3, groups=4, init=init), (40, 4, 4), (90, 900)),
        (lambda init: dt.subsample(2, init=init), (30_000, 2, 2), (4, 1)),
    ],
    ids=["linear", "conv", "groups", "subsample"],
)
def test_initial_weights_follow_the_fans(make: Any, shape: tuple[int, ...], fans: tuple[int, int]) -> None:
    for name, bound in (("glorot", math.sqrt(6 / sum(fans))), ("lecun", 2.4 / fans[0])):
        module = first(make(name), *shape)
        weight = module.weight.detach()
        assert float(weight.abs().max()) <= bound
        assert float(weight.abs().max()) > 0.99 * bound
        assert float(weight.std()) == pytest.approx(bound / math.sqrt(3), rel=0.03)
        assert float(weight.mean()) == pytest.approx(0, abs=0.03 * bound)
        assert not module.bias.any()
    assert float(first(make("he"), *shape).weight.detach().std()) == pytest.approx(math.sqrt(2 / fans[0]), rel=0.03)


def test_without_an_init_the_draw_is_torchs_own() -> None:
    ours = first(dt.conv(4, 3), 2, 5, 5)
    torch.manual_seed(0)
    assert torch.equal(ours.weight, torch.nn.Conv2d(2, 4, 3).weight)


def test_he_keeps_the_second_moment_through_rectified_layers() -> None:
    torch.manual_seed(0)
    layers = [dt.repeat([dt.linear(500, init="he"), dt.relu()], times=8)]
    x = torch.randn(200, 500)
    with torch.no_grad():
        y = dt.build(layers, x)(x)
    assert float(y.square().mean()) == pytest.approx(float(x.square().mean()), rel=0.4)  # twice off a layer: 2^8


@pytest.mark.parametrize("keep", [0.2, 0.5, 0.8])
def test_dropout_without_a_system_has_the_same_law(keep: float) -> None:
    layer, n = first(dt.dropout(keep), 1), 200_000
    torch.manual_seed(2)
    xi = layer(torch.ones(n, 1, dtype=torch.float64))
    assert xi.unique().tolist() == [0.0, pytest.approx(1 / keep)]
    assert float(xi.mean()) == pytest.approx(1, abs=5 * math.sqrt((1 - keep) / keep / n))
    assert torch.equal(layer.eval()(xi), xi)


@pytest.mark.parametrize("parts", [(8,), (4, 4), (3, 3, 2), (1,) * 8])
def test_a_network_in_micro_batches_drops_what_the_whole_batch_drops(parts: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x = torch.randn(8, 6)
    network = dt.build([dt.linear(10), dt.dropout(0.5), dt.linear(7), dt.dropout(0.7)], x)
    draws = Draws(seed=4)
    for name, module in network.named_modules():
        if hasattr(module, "draws"):
            module.draws, module.purpose = draws, name
    whole, pieces = network(x), []
    for piece in x.split(list(parts)):
        pieces.append(network(piece))
        draws.first += len(piece)
    torch.testing.assert_close(torch.cat(pieces), whole)
    draws.first, draws.step = 0, 1
    assert not torch.allclose(network(x), whole)


def test_the_layers_of_a_network_drop_different_units() -> None:
    layers = [first(dt.dropout(0.5), 100) for _ in range(2)]
    draws = Draws(seed=4)
    for name, layer in zip("ab", layers, strict=True):
        layer.draws, layer.purpose = draws, name
    x = torch.ones(20, 100)
    agreement = float((layers[0](x) == layers[1](x)).double().mean())
    assert agreement == pytest.approx(0.5, abs=0.1)


def normalized(x: Tensor, axes: tuple[int, ...], eps: float) -> Tensor:
    variance = x.var(axes, correction=0, keepdim=True)
    return (x - x.mean(axes, keepdim=True)) / (variance + eps).sqrt()


@pytest.mark.parametrize("shape", [(6, 3), (6, 3, 4), (6, 3, 4, 2), (6, 3, 2, 2, 2)])
def test_batch_normalization_is_its_formula_and_remembers(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, dtype=torch.float64) * 3 + 5
    layer = first(dt.batchnorm(momentum=0.25, eps=0.5), *shape[1:]).double()
    axes = (0, *range(2, len(shape)))
    torch.testing.assert_close(layer(x), normalized(x, axes, 0.5))
    view = (1, 3, *[1] * (len(shape) - 2))
    mean, variance = 0.25 * x.mean(axes), 0.75 + 0.25 * x.var(axes, correction=1)
    expected = (x - mean.view(view)) / (variance.view(view) + 0.5).sqrt()
    torch.testing.assert_close(copy.deepcopy(layer).eval()(x), expected)


@pytest.mark.parametrize(("axes", "over"), [(None, (1, 2, 3)), (1, (3,)), (2, (2, 3))])
def test_layer_normalization_is_its_formula(axes: int | None, over: tuple[int, ...]) -> None:
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64) * 3 + 5
    layer = first(dt.layernorm(axes, eps=0.5), 3, 4, 5).double()
    torch.testing.assert_close(layer(x), normalized(x, over, 0.5))
    assert layer.weight.shape == x.shape[over[0] :]


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_local_normalization_is_its_formula(size: int) -> None:
    x = torch.randn(2, 6, 3, 2, dtype=torch.float64)
    y = first(dt.localnorm(size, alpha=2.0, beta=0.6, k=1.5), 6, 3, 2)(x)
    for c in range(6):
        around = x[:, max(c - size // 2, 0) : c + (size - 1) // 2 + 1]
        expected = x[:, c] / (1.5 + 2.0 / size * around.square().sum(1)) ** 0.6
        torch.testing.assert_close(y[:, c], expected)


def test_a_network_is_built_in_the_type_of_its_example() -> None:
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        network = dt.build([dt.linear(3), dt.batchnorm()], torch.zeros(1, 5, dtype=dtype))
        assert network(torch.zeros(4, 5, dtype=dtype)).dtype == dtype
