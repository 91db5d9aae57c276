"""Blocks of the Gauss-Newton matrix as Kronecker products: against the whole matrix, and what they are worth."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from optim.test_whole import explicit
from torch import Tensor, nn

import dovetail as dt
from dovetail.optim.conjugate import conjugate_gradients
from dovetail.optim.gauss_newton import GaussNewton
from dovetail.optim.kronecker import Inverse, Moments, kronecker_moments
from dovetail.optim.products import gauss_newton_product

LAYERS: list[tuple[list[dt.Spec], tuple[int, ...]]] = [
    ([dt.linear(3)], (5,)),
    ([dt.linear(3, bias=False)], (5,)),
    ([dt.conv(3, 3), dt.flatten()], (2, 3, 3)),  # one place
]


def signs(like: Tensor) -> Tensor:
    return torch.randint(2, like.shape).to(like.dtype) * 2 - 1


def squares(z: Tensor) -> Tensor:
    return 0.5 * z.square().sum()


@pytest.mark.parametrize(("chain", "shape"), LAYERS)
def test_one_layer_has_its_own_block(chain: list[dt.Spec], shape: tuple[int, ...]) -> None:
    """Where the moments of what is handed back are known: with 20,000 random signs, to within a few in a hundred."""
    torch.manual_seed(0)
    x = torch.randn(20_000, *shape, dtype=torch.float64) + 1
    network = dt.build(chain, x[:2])
    vectors = {name: torch.randn_like(p) for name, p in network.named_parameters()}
    whole = explicit_of(network, x, vectors)
    (found,) = kronecker_moments(network, x, squares, signs, list(network.parameters()))
    block = found.divided(len(x))
    assert block.outputs is not None
    own = [v.flatten(1) if v.dim() > 1 else v[:, None] for v in vectors.values()]
    product = block.outputs @ torch.cat(own, 1) @ block.inputs
    assert float((product - whole).norm()) < 0.04 * float(whole.norm())
    damped = Inverse(list(range(len(own))), block.inputs, block.outputs, 1e-10)
    back = [whole[:, :-1].reshape(own[0].shape), whole[:, -1]] if len(own) == 2 else [whole.reshape(own[0].shape)]
    shaped = [b.reshape(v.shape) for b, v in zip(back, vectors.values(), strict=True)]
    damped.apply(shaped)
    for a, b in zip(shaped, vectors.values(), strict=True):
        assert float((a - b).norm()) < 0.1 * float(b.norm())


def explicit_of(network: nn.Module, x: Tensor, vectors: dict[str, Tensor]) -> Tensor:
    product = gauss_newton_product(network, x, squares, vectors)
    parts = [p.flatten(1) if p.dim() > 1 else p[:, None] for p in product.values()]
    return torch.cat(parts, 1) / len(x)


def test_little_damping_of_few_examples_can_still_be_inverted() -> None:
    """A damping that fell below rounding, and moments that span 3 of 200 directions."""
    torch.manual_seed(0)
    x = 1 + torch.randn(3, 200)
    vectors = [torch.randn(200, 200)]
    Inverse([0], x.T @ x, x.T @ x, 1e-30).apply(vectors)
    assert bool(vectors[0].isfinite().all())


@pytest.mark.parametrize("before", [False, True])
def test_moments_that_overflow_tell_nothing(before: bool) -> None:
    weight = nn.Parameter(torch.ones(2, 3))
    optimizer = GaussNewton([weight])
    if before:
        optimizer.look([weight], [Moments((0,), torch.eye(3), torch.eye(2), 4)], 0.1)
    optimizer.look([weight], [Moments((0,), torch.full((3, 3), torch.inf), torch.eye(2), 4)], 0.1)
    state = optimizer.state[weight]
    assert torch.equal(state["inputs"], torch.eye(3) * before)
    vectors = [torch.ones(2, 3)]
    Inverse([0], state["inputs"], state["outputs"], 0.1).apply(vectors)
    assert bool(vectors[0].isfinite().all())


def test_the_diagonal_of_other_parameters() -> None:
    """Of a batch normalization, whose estimate is right in the mean over signs."""
    torch.manual_seed(0)
    x = torch.randn(64, 4, dtype=torch.float64)
    network = dt.build([dt.batchnorm(), dt.tanh()], x).train()
    parameters = list(network.parameters())
    seen = [kronecker_moments(network, x, squares, signs, parameters) for _ in range(3000)]
    mean = torch.cat([torch.stack([one[i].inputs.square() for one in seen]).mean(0) for i in range(2)])
    names = [name for name, _ in network.named_parameters()]
    exact = []
    for i, name in enumerate(names):
        for j in range(4):
            vectors = {n: torch.zeros_like(p) for n, p in network.named_parameters()}
            vectors[name][j] = 1.0
            exact.append(explicit(network, x, squares, vectors)[4 * i + j])
    assert [one.places for one in seen[0]] == [(0,), (1,)]
    assert float((mean - torch.stack(exact)).norm()) < 0.1 * float(torch.stack(exact).norm())


@pytest.mark.parametrize("loss", ["squares", "softmax"])
def test_conjugate_gradients_go_further_with_it(loss: str) -> None:
    """Four products, led by the layers' blocks, go further than six that are not."""
    torch.manual_seed(0)
    x = 0.5 + torch.randn(300, 1, 8, 8, dtype=torch.float64) * torch.linspace(0.1, 2, 8).double()
    chain = [dt.conv(4, 3), dt.sigmoid(), dt.flatten(), dt.linear(20), dt.tanh(), dt.linear(5)]
    network = dt.build(chain, x)
    names, parameters = zip(*network.named_parameters(), strict=True)
    target = torch.randint(5, (len(x),))

    def judged(z: Tensor) -> Tensor:
        if loss == "squares":
            return 0.5 * (z - nn.functional.one_hot(target, 5)).square().sum()
        return nn.functional.cross_entropy(z, target, reduction="sum")

    right = [-g / len(x) for g in torch.autograd.grad(judged(network(x)), parameters)]
    damping = 1e-3

    def matrix(vectors: list[Tensor]) -> list[Tensor]:
        product = gauss_newton_product(network, x, judged, dict(zip(names, vectors, strict=True)))
        return [product[n] / len(x) + damping * v for n, v in zip(names, vectors, strict=True)]

    found = [one.divided(len(x)) for one in kronecker_moments(network, x, judged, signs, list(parameters))]
    inverses = [Inverse(list(one.places), one.inputs, one.outputs, damping) for one in found]

    def solved(vectors: list[Tensor]) -> list[Tensor]:
        vectors = [v.clone() for v in vectors]
        for inverse in inverses:
            inverse.apply(vectors)
        return vectors

    start: Any = [torch.zeros_like(p) for p in parameters]
    led = conjugate_gradients(matrix, right, start, most=4, inverse=solved)[-1].height
    assert led < conjugate_gradients(matrix, right, start, most=6)[-1].height
