"""Gauss and Newton without the matrix: a step that conjugate gradients find from products with vectors."""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.optim import Optimizer

from ..recipe import rule
from .foreach import Groups, Tensors
from .whole import Evaluation, Whole, dot, put

Count = Annotated[int, Field(ge=1)]
Above = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
_SPACING = 1.3  # iterates of conjugate gradients that are kept to go back to: 1, 2, 3, 4, 6, 8, 10, ...


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
            name: forward_ad.make_dual(p, vectors[name])  # type: ignore[no-untyped-call]
            for name, p in parameters.items()
        }
        answer = torch.func.functional_call(network, duals, (inputs,))
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


class GaussNewton(Whole):
    """Steps of Gauss and Newton with Levenberg and Marquardt's damping; see `gauss_newton`."""

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        damping: float = 1.0,
        most: int = 50,
        again: float = 0.95,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr, weight_decay, damping=damping, most=most, again=again)

    def step(self, closure: Evaluation) -> float:  # type: ignore[override]
        with torch.enable_grad():
            loss = float(closure())
        parameters = self.moving()
        decays = self.decays(parameters)
        gradient = self.gradient(parameters, decays)
        damping = self.damping(parameters)

        def curved(vector: Tensors) -> Tensors:
            product = closure.product(parameters, vector)
            for p, v, decay in zip(product, vector, decays, strict=True):
                p.add_(v, alpha=decay)
            return product

        def damped(vector: Tensors) -> Tensors:
            product = curved(vector)
            torch._foreach_add_(product, vector, alpha=float(damping))
            return product

        start = self.recall(parameters, "direction")
        torch._foreach_mul_(start, self.option("again"))
        iterates = conjugate_gradients(damped, [-g for g in gradient], start, self.option("most"))
        places = [parameter.detach().clone() for parameter in parameters]

        def value(direction: Tensors, distance: float) -> float:
            put(parameters, places, direction, distance)
            return closure.value() + self.penalty(parameters, decays)

        before = loss + self.penalty(parameters, decays)
        direction, after = self.best(iterates, value)
        promised = dot(gradient, direction) + 0.5 * dot(direction, curved(direction))
        self.adapt(parameters, (after - before) / promised if promised < 0 else 0.0)
        slope, distance = dot(gradient, direction), self.option("lr")
        if distance != 1:
            after = value(direction, distance)
        while not after <= before + 0.01 * distance * min(slope, 0.0) and distance > 1e-8:
            distance *= 0.8
            after = value(direction, distance)
        put(parameters, places, direction, distance if after < before else 0.0)
        torch._foreach_copy_(start, direction)
        return loss

    def best(self, iterates: list[Tensors], value: Callable[[Tensors, float], float]) -> tuple[Tensors, float]:
        """Going back from the last iterate, the first that the one before it does not better; and its loss."""
        chosen, lowest = iterates[-1], value(iterates[-1], 1.0)
        for candidate in reversed(iterates[:-1]):
            loss = value(candidate, 1.0)
            if not loss < lowest and math.isfinite(lowest):
                break
            chosen, lowest = candidate, loss
        return chosen, lowest

    def damping(self, parameters: Tensors) -> Tensor:
        """How much of the identity is added to the matrix now, kept with each parameter alike."""
        for parameter in parameters:
            if "damping" not in self.state[parameter]:
                self.state[parameter]["damping"] = torch.tensor(self.option("damping"), dtype=torch.float32)
        damping: Tensor = self.state[parameters[0]]["damping"]
        return damping

    def adapt(self, parameters: Tensors, ratio: float) -> None:
        """Less damping where the loss fell nearly as the parabola promised, more where it did not."""
        factor = 2 / 3 if ratio > 0.75 else 1.5 if not ratio >= 0.25 else 1.0
        torch._foreach_mul_([self.state[parameter]["damping"] for parameter in parameters], factor)


def conjugate_gradients(
    matrix: Callable[[Tensors], Tensors], right: Tensors, start: Tensors, most: int
) -> list[Tensors]:
    """Iterates towards the solution of matrix x = right, ever wider apart; the last is the best.

    Ends after `most` products, or where the parabola x^T matrix x / 2 - right^T x has hardly fallen for a while:
    Martens (2010), Deep learning via Hessian-free optimization, section 4.4.

    >>> matrix = torch.tensor([[2.0, 1.0], [1.0, 3.0]])
    >>> conjugate_gradients(lambda v: [matrix @ v[0]], [torch.tensor([3.0, 5.0])], [torch.zeros(2)], most=9)[-1]
    [tensor([0.8000, 1.4000])]
    """
    x = [s.clone() for s in start]
    rest = [b - a for b, a in zip(right, matrix(x), strict=True)] if dot(x, x) else [b.clone() for b in right]
    way = [r.clone() for r in rest]
    square = dot(rest, rest)
    kept: list[Tensors] = []
    falls: list[float] = []
    keep = 1
    for i in range(1, most + 1):
        if square == 0:
            break
        product = matrix(way)
        bend = dot(way, product)
        if not bend > 0:
            break
        torch._foreach_add_(x, way, alpha=square / bend)
        torch._foreach_sub_(rest, torch._foreach_mul(product, square / bend))
        falls.append(-0.5 * (dot(x, rest) + dot(x, right)))
        back = max(10, i // 10)
        done = i > back and falls[-1] < 0 and (falls[-1] - falls[-1 - back]) / falls[-1] < 5e-4 * back
        if done or i in (keep, most):
            kept.append([value.clone() for value in x])
            keep = math.ceil(keep * _SPACING)
        if done:
            break
        new = dot(rest, rest)
        torch._foreach_mul_(way, new / square)
        torch._foreach_add_(way, rest)
        square = new
    return [*kept, x] if not kept or dot(x, x) != dot(kept[-1], kept[-1]) else kept


@rule
def gauss_newton(params: Groups, damping: Above = 1.0, most: Count = 50, again: Share = 0.95) -> Optimizer:
    """Gauss-Newton steps by conjugate gradients, at most `most` products with the matrix each; Hessian-free.

        w <- w - t d,   (G + damping * I) d = g,   G the Gauss-Newton matrix of the loss plus decay

    `damping` is where the damping begins: it falls by 2/3 where the loss fell nearly as the parabola promised, and
    rises by 3/2 where it did not (Levenberg and Marquardt). Conjugate gradients begin at `again` times the step before
    and go back to the best of their iterates; t is the rate, shortened until the loss falls: take `rate: 1`. For large
    batches. Martens (2010), Deep learning via Hessian-free optimization.

    >>> import dovetail as dt
    >>> dt.gauss_newton(most=100)
    gauss_newton(most=100)
    """
    return GaussNewton(params, 0.0, damping, most, again)
