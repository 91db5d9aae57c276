"""Curvature layer by layer: worked numbers, exact diagonals where nothing is left out, and what is not known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import dovetail as dt
from dovetail.optim.second_order import diagonal_curvature, output_curvature, require_known, through
from dovetail.recipe.errors import RecipeError


def test_two_units_in_a_row() -> None:
    x = torch.full((1, 1), 2.0, dtype=torch.float64)
    network = dt.build([dt.linear(1, bias=False), dt.scaled_tanh(), dt.linear(1, bias=False)], x)
    with torch.no_grad():
        network[0].weight.fill_(0.5)
        network[2].weight.fill_(-0.3)
    h = diagonal_curvature(network, x, lambda z: 0.5 * (z - 1).square().sum())
    assert float(h["2.weight"]) == pytest.approx(0.9999945119)
    assert float(h["0.weight"]) == pytest.approx(0.2054332614)
    rates = [5e-4 / (0.02 + float(h[name])) for name in ("2.weight", "0.weight")]
    assert rates == pytest.approx([0.0004901987, 0.0022179513], abs=1e-10)


def test_a_weight_that_is_shared_adds_up() -> None:
    x = torch.tensor([[[1.0, 2.0, 3.0]]], dtype=torch.float64)
    network = nn.Sequential(nn.Conv1d(1, 1, 2, bias=False).double())
    bends = torch.tensor([0.5, 2.0])
    h = diagonal_curvature(network, x, lambda z: 0.5 * (bends * z.square()).sum())
    assert h["0.weight"].flatten().tolist() == pytest.approx([8.5, 20.0])


@pytest.mark.parametrize(
    "layer", [dt.linear(1), dt.conv(1, [4, 4]), dt.table_conv([[0, 1]], [4, 4]), dt.subsample(4)], ids=lambda s: s.name
)
def test_one_layer_of_one_unit_is_exact(layer: dt.Spec) -> None:
    """Of a single output that is linear in its parameters, nothing is left out."""
    torch.manual_seed(0)
    x = torch.randn(3, 2, 4, 4, dtype=torch.float64)
    chain = [dt.flatten(), layer] if layer.name == "linear" else [layer]
    network = dt.build(chain, x)

    def loss(z: Tensor) -> Tensor:
        return torch.cosh(z).sum()

    own = diagonal_curvature(network, x, loss)
    for name, parameter in network.named_parameters():
        expected = torch.zeros_like(parameter)
        for row in x.split(1):
            (slope,) = torch.autograd.grad(loss(network(row)), parameter, create_graph=True)
            for i, value in enumerate(slope.flatten()):
                (second,) = torch.autograd.grad(value, parameter, retain_graph=True)
                expected.view(-1)[i] += second.flatten()[i]
        torch.testing.assert_close(own[name], expected)


def test_outputs_that_curve_downwards_count_nothing() -> None:
    z = torch.tensor([[1.0, 2.0]])
    assert output_curvature(lambda z: (z[:, 0] ** 2 - z[:, 1] ** 2).sum(), z).tolist() == [[2.0, 0.0]]
    assert output_curvature(lambda z: z.sum(), z).tolist() == [[0.0, 0.0]]


def test_distances_to_codes_are_part_of_the_loss() -> None:
    """The nearest code's loss bends by 2 for every value of the input, less what the others take off."""
    x = torch.zeros(5, 84)
    network = dt.build([dt.linear(84), dt.rbf(10, codes="glyphs")], x)
    h = diagonal_curvature(network, x, lambda y: y[:, 3].sum())
    torch.testing.assert_close(h["0.bias"], torch.full((84,), 2.0 * 5))


def test_residuals_add_their_curvatures() -> None:
    x = torch.ones(1, 1, dtype=torch.float64)
    network = dt.build([dt.linear(1, bias=False), dt.residual([dt.linear(1, bias=False)])], x)
    with torch.no_grad():
        network[0].weight.fill_(1.0)
        next(network[1].parameters()).fill_(3.0)
    h = diagonal_curvature(network, x, lambda z: 0.5 * z.square().sum())
    assert float(h["0.weight"]) == pytest.approx(1 + 9)  # the ways' own squares, not the square of their sum


def test_a_layer_that_says_nothing_is_named() -> None:
    x = torch.zeros(2, 3, 4, 4)
    network = dt.build([dt.conv(3, kernel=1), dt.localnorm()], x)
    with pytest.raises(RecipeError, match=r"^the curvature behind a layer is not known \(\w+, 1\)$"):
        diagonal_curvature(network, x, lambda z: z.square().sum())


@pytest.mark.parametrize("shape", [(20, 4), (6, 4, 5, 5)], ids=str)
def test_normalization_as_tested_is_exact(shape: tuple[int, ...]) -> None:
    """Each of the parameters before and in it moves outputs by a constant, so that nothing is left out."""
    torch.manual_seed(0)
    x = torch.randn(shape, dtype=torch.float64)
    before: nn.Module = nn.Linear(4, 3) if len(shape) == 2 else nn.Conv2d(4, 3, 1)
    normal: nn.Module = nn.BatchNorm1d(3) if len(shape) == 2 else nn.BatchNorm2d(3)
    network = nn.Sequential(before, normal).double()
    with torch.no_grad():
        network(3 * x + 1)
        for parameter in normal.parameters():
            parameter.uniform_(0.5, 2)
    network.eval()
    h = diagonal_curvature(network, x, lambda z: 0.5 * z.square().sum())
    for name, parameter in network.named_parameters():
        (slope,) = torch.autograd.grad(0.5 * network(x).square().sum(), parameter, create_graph=True)
        exact = [
            torch.autograd.grad(one, parameter, retain_graph=True)[0].flatten()[i]
            for i, one in enumerate(slope.flatten())
        ]
        torch.testing.assert_close(h[name].flatten(), torch.stack(exact))


@pytest.mark.parametrize("layer", [dt.softplus(), dt.maxout(2), dt.dropout(0.5), dt.gaussian_noise(0.3)], ids=repr)
def test_layers_of_our_own_are_exact_as_tested(layer: dt.Spec) -> None:
    torch.manual_seed(0)
    x = torch.randn(20, 4, dtype=torch.float64)
    network = dt.build([dt.linear(6), layer], x).eval()
    h = diagonal_curvature(network, x, lambda z: 0.5 * z.square().sum())
    slopes = torch.func.jacrev(lambda w: torch.func.functional_call(network, {"0.weight": w}, (x,)))(network[0].weight)
    torch.testing.assert_close(h["0.weight"], slopes.square().sum((0, 1)))


@pytest.mark.parametrize("kind", ["average", "max"])
def test_global_pooling_hands_back_a_share_or_all_to_one(kind: str) -> None:
    x, h = torch.randn(2, 3, 4, 5), torch.rand(2, 3)
    bent, _ = through(dt.build([dt.globalpool(kind)], x)[0], x, h)
    largest = (x == x.amax((2, 3), keepdim=True)).float()
    expected = torch.full_like(x, 1 / 20**2) if kind == "average" else largest
    torch.testing.assert_close(bent, expected * h[:, :, None, None])


def test_sums_that_count_by_their_masks_are_not_known() -> None:
    network = dt.build([dt.dropconnect(5)], torch.zeros(2, 3))
    with pytest.raises(RecipeError, match=r"DropConnect, 0"):
        require_known(network)


def test_words_are_told() -> None:
    network = nn.Sequential(nn.Linear(3, 2))
    with pytest.raises(RecipeError, match=r"curvatures are known behind tensors of numbers, not torch\.int64"):
        diagonal_curvature(network, torch.ones(2, 3, dtype=torch.int64), lambda z: z.sum())
