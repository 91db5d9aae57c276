"""The layers against worked numbers."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import dovetail as dt
from dovetail.recipe.draws import Draws


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def near(value: Tensor, *numbers: float) -> None:
    torch.testing.assert_close(value.detach().flatten(), tensor(*numbers), atol=1e-9, rtol=0)


def test_layer_algebra() -> None:
    network = dt.build([dt.linear(2, bias=False), dt.tanh(), dt.linear(1, bias=False)], torch.zeros(1, 2)).double()
    with torch.no_grad():
        network[0].weight.copy_(tensor(0.1, -0.2, 0.3, 0.4).view(2, 2))
        network[2].weight.copy_(tensor(0.5, -0.6).view(1, 2))
    x = tensor(1, 2).view(1, 2).requires_grad_()
    loss = (network(x) - 1).square().sum() / 2
    loss.backward()
    near(network[0](x), -0.3, 1.1)
    near(network[:2](x), -0.2913126125, 0.8004990218)
    near(network(x), -0.6259557193)
    near(loss, 1.3218660005)
    near(network[0].weight.grad, -0.7439860885, -1.4879721770, 0.3504272606, 0.7008545213)
    near(network[2].weight.grad, 0.4736614083, -1.3015759627)
    near(x.grad, 0.0307295693, 0.2889681220)


def test_the_derivative_of_relu_at_zero_is_zero() -> None:
    x = torch.zeros(1, 3, requires_grad=True)
    dt.build([dt.relu()], x)(x).sum().backward()
    assert x.grad.tolist() == [[0, 0, 0]]


def test_convolution_correlates_and_its_backward_convolves() -> None:
    conv = dt.build([dt.conv(1, 2, bias=False)], torch.zeros(1, 1, 3, 3)).double()
    kernel = tensor(1, 2, 3, 4).view(1, 1, 2, 2)
    x = torch.arange(9.0, dtype=torch.float64).view(1, 1, 3, 3).requires_grad_()
    with torch.no_grad():
        conv[0].weight.copy_(kernel)
    near(conv(x), 27, 37, 57, 67)
    with torch.no_grad():
        conv[0].weight.copy_(kernel.flip(2, 3))
    near(conv(x), 13, 23, 43, 53)
    with torch.no_grad():
        conv[0].weight.copy_(kernel)
    above = tensor(1, -2, 0.5, 3).view(1, 1, 2, 2)
    conv(x).backward(above)
    full = torch.zeros(3, 3, dtype=torch.float64)  # the full convolution of what comes from above with the kernel
    for i in range(2):
        for j in range(2):
            full[i : i + 2, j : j + 2] += above[0, 0, i, j] * kernel[0, 0]
    near(x.grad, *full.flatten().tolist())


def test_lenet_subsampling_and_squash() -> None:
    network = dt.build([dt.subsample(2), dt.scaled_tanh()], torch.zeros(1, 1, 2, 2)).double()
    with torch.no_grad():
        network[0].weight.fill_(0.5)
        network[0].bias.fill_(-0.1)
    near(network(tensor(0.1, 0.2, 0.3, 0.4).view(1, 1, 2, 2)), 0.4470270330)
    squash = dt.build([dt.scaled_tanh()], torch.zeros(1, 5))
    near(squash(tensor(-1, 0, 0.5, 1, 2)[None]), -0.9999972559, 0, 0.5516837063, 0.9999972559, 1.4929388054)
    x = tensor(0, 0.5, 1, 2)[None].requires_grad_()
    squash(x).sum().backward()
    near(x.grad, 1.1439333333, 1.0256844409, 0.7554124359, 0.2779674547)


class Fixed(Draws):
    """Draws a given mask."""

    def keep(self, x: Tensor, probability: float, purpose: str) -> Tensor:
        return tensor(1, 0, 1, 1)[None]


def test_dropout_scales_what_it_keeps() -> None:
    dropout = dt.build([dt.dropout(keep=0.8)], torch.zeros(1, 4))
    dropout[0].draws = Fixed(0)
    y = tensor(1, -2, 3, 0.5)[None]
    near(dropout(y), 1.25, 0, 3.75, 0.625)
    near(dropout.eval()(y), 1, -2, 3, 0.5)


@pytest.mark.parametrize("keep", [0.2, 0.5, 0.8])
def test_dropout_has_mean_one_and_its_variance(keep: float) -> None:
    dropout = dt.build([dt.dropout(keep)], torch.zeros(1, 1))
    dropout[0].draws, n = Draws(seed=5), 400_000
    xi = dropout(torch.ones(n, 1, dtype=torch.float64))
    variance = (1 - keep) / keep
    assert abs(float(xi.mean()) - 1) < 5 * math.sqrt(variance / n)
    assert float(xi.var()) == pytest.approx(variance, rel=0.02)


def test_maxout_takes_the_largest_of_neighbours() -> None:
    layer = dt.build([dt.maxout(3)], torch.zeros(1, 6, 2))
    x = torch.arange(12.0).view(1, 6, 2)
    assert layer(x).tolist() == [[[4, 5], [10, 11]]]


def test_softplus_is_exact_where_torch_goes_straight() -> None:
    layer = dt.build([dt.softplus()], torch.zeros(1, 1))
    value = layer(tensor(20.5)[None])
    assert float(value) - 20.5 == pytest.approx(math.log1p(math.exp(-20.5)), rel=1e-3)
    assert float(F.softplus(tensor(20.5))) - 20.5 == 0


@pytest.mark.parametrize(
    ("init", "deviation"),
    [
        ("he", math.sqrt(2 / 450)),
        ("glorot", math.sqrt(2 / (450 + 1800))),
        ("lecun", 2.4 / 450 / math.sqrt(3)),
        ({"normal": 0.03}, 0.03),
        ({"uniform": 0.06}, 0.06 / math.sqrt(3)),
    ],
)
def test_initial_weights_have_their_spread_and_biases_are_zero(init: object, deviation: float) -> None:
    torch.manual_seed(0)
    conv = dt.build([dt.conv(200, 3, init=init)], torch.zeros(1, 50, 5, 5))[0]
    assert float(conv.weight.detach().std()) == pytest.approx(
        deviation, rel=0.02
    )  # 90,000 weights: 0.24 % is one sigma
    assert not conv.bias.any()


def test_equal_layers_of_a_repeat_have_their_own_weights() -> None:
    network = dt.build([dt.repeat([dt.linear(4)], times=2)], torch.zeros(1, 4))
    first, second = network[0]
    assert not torch.equal(first[0].weight, second[0].weight)


def test_f18_noise_on_the_input_is_a_penalty_on_the_weights() -> None:
    """The mean loss of a linear unit grows by s^2 |w|^2 / 2: from 0.5 to 0.75."""
    torch.manual_seed(0)
    network = dt.build([dt.gaussian_noise(0.1**0.5), dt.linear(1, bias=False)], torch.zeros(1, 2))
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([[1.0, -2.0]]))
        x = torch.tensor([[0.5, 0.25]]).expand(400_000, -1)
        noisy, clean = ((y - 1).square().mean() / 2 for y in (network(x), network.eval()(x)))
    assert float(clean) == 0.5
    assert float(noisy) == pytest.approx(0.75, abs=0.006)  # five standard errors
