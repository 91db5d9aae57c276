"""The Gauss-Newton matrix times a vector, by one pass forward and one back: the matrix is nowhere."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from ..recipe.build import call_with
from ..recipe.errors import RecipeError


@contextmanager
def differentiated() -> Iterator[None]:
    """Within it, what PyTorch cannot differentiate as Gauss-Newton needs it is told as a `RecipeError`."""
    try:
        yield
    except (NotImplementedError, TypeError) as error:
        reason = str(error).split("\n")[0].split(" Please file")[0]
        raise RecipeError(f"the rule gauss_newton cannot differentiate this network: {reason}") from None


def gauss_newton_product(
    network: nn.Module, inputs: Tensor, loss: Callable[[Tensor], Tensor], vectors: dict[str, Tensor]
) -> dict[str, Tensor]:
    """J^T H J v: J the network's output by its parameters, H the second derivative of the loss by the output.

    One pass forward carries v along (forward-mode differentiation) and leaves what the pass back needs; the matrix is
    nowhere. `vectors` has a tensor for each parameter by name, `loss` takes the output and gives one number; H must be
    positive semidefinite, as it is for losses that are convex in the output. Schraudolph (2002), Fast curvature
    matrix-vector products for second-order gradient descent.

    >>> network = nn.Linear(2, 1, bias=False)
    >>> v = {"weight": torch.tensor([[1.0, 0.0]])}
    >>> gauss_newton_product(network, torch.tensor([[3.0, 4.0]]), lambda z: 0.5 * z.square().sum(), v)["weight"]
    tensor([[ 9., 12.]])
    """
    _prepare()
    parameters = {name: parameter for name, parameter in network.named_parameters() if name in vectors}
    with torch.enable_grad(), forward_ad.dual_level():
        duals = {
            id(p): forward_ad.make_dual(p, vectors[name])  # type: ignore[no-untyped-call]
            for name, p in parameters.items()
        }
        answer = call_with(network, inputs, lambda tensor: duals.get(id(tensor), tensor))
        if not isinstance(answer, Tensor):
            raise TypeError(f"the network gives {type(answer).__name__}, and one tensor is needed")
        output, along = forward_ad.unpack_dual(answer)  # type: ignore[no-untyped-call]
    if along is None:
        return {name: torch.zeros_like(p) for name, p in parameters.items()}
    bent = curvature_product(loss, output.detach(), along.detach())
    products = torch.autograd.grad(output, list(parameters.values()), bent, allow_unused=True)
    return {
        name: torch.zeros_like(p) if product is None else product
        for (name, p), product in zip(parameters.items(), products, strict=True)
    }


@cache
def _prepare() -> None:
    """Import what PyTorch's forward mode would, which warns of PyTorch's own use of old parts of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        importlib.import_module("torch._decomp.decompositions_for_jvp")


def curvature_product(loss: Callable[[Tensor], Tensor], output: Tensor, vector: Tensor) -> Tensor:
    """H v for the second derivative H of the loss by the output."""
    with torch.enable_grad():
        place = output.requires_grad_()
        (slope,) = torch.autograd.grad(loss(place), place, create_graph=True)
        if not slope.requires_grad:  # a loss that is linear here
            return torch.zeros_like(vector)
        (bent,) = torch.autograd.grad(slope, place, vector)
    return bent
