"""The frame of rules that look at all parameters at once, and at the loss of a step more than once."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch.optim import Optimizer

from .foreach import Checked, Tensors
from .kronecker import Moments


class Evaluation(Protocol):
    """A step's loss, wherever the parameters are: the same examples and the same random draws at every call."""

    def __call__(self) -> float:
        """The mean loss, its gradients in the parameters' `grad`."""
        ...

    def value(self, share: float = 1.0) -> float:
        """The mean loss alone, of so large a share of the examples."""
        ...

    def product(self, parameters: Tensors, vectors: Tensors, share: float = 1.0) -> Tensors:
        """The Gauss-Newton matrix of the mean loss by these parameters, times a vector: a tensor for each of them."""
        ...

    def moments(self, parameters: Tensors) -> list[Moments]:
        """What about the Gauss-Newton matrix is made of, layer by layer: see `kronecker_moments`."""
        ...

    def curvature(self, parameters: Tensors, examples: int) -> Tensors:
        """Estimates of each parameter's own second derivative of the mean loss over so many training examples."""
        ...


def require_evaluation(closure: Any, rule: Optimizer) -> None:
    """Raise `TypeError` for a closure that gives the loss alone, where a rule asks how it curves, too."""
    if not hasattr(closure, "curvature"):
        raise TypeError(
            f"{type(rule).__name__}.step takes a dovetail.optim.Evaluation (NetworkLoss is one): it asks how "
            "the loss curves"
        )


class Whole(Checked):
    """An ordinary optimizer that needs a closure, and whose parameters in all groups move together."""

    elementwise = False
    evaluates = True
    """Whether `step` needs its closure."""

    def __init__(self, params: Any, lr: float, weight_decay: float = 0.0, **options: Any) -> None:
        self.shared = ("lr", *options)
        super().__init__(params, lr=lr, weight_decay=weight_decay, **options)

    def remembers(self) -> int:
        """Bytes that it keeps from step to step, about."""
        return self.weighs()

    def moving(self) -> Tensors:
        """The parameters that have gradients, none of them sparse."""
        moving = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        self.require_dense(moving)
        return moving

    def decays(self, parameters: Tensors) -> list[float]:
        """Each parameter's weight decay."""
        decay = {id(p): group["weight_decay"] for group in self.param_groups for p in group["params"]}
        return [decay[id(parameter)] for parameter in parameters]

    def option(self, name: str) -> Any:
        """An option that is the same in all groups."""
        return self.param_groups[0][name]

    def gradient(self, parameters: Tensors, decays: list[float]) -> Tensors:
        """What the gradients are now, weight decay added."""
        return [
            parameter.grad.detach().add(parameter.detach(), alpha=decay)
            for parameter, decay in zip(parameters, decays, strict=True)
            if parameter.grad is not None
        ]

    def penalty(self, parameters: Tensors, decays: list[float]) -> float:
        """What weight decay adds to the loss, decay |w|^2 / 2."""
        return sum(0.5 * d * float(dot([p], [p])) for p, d in zip(parameters, decays, strict=True) if d)

    def recall(self, parameters: Tensors, entry: str) -> Tensors:
        """A tensor of each parameter's shape, 0 at first."""
        for parameter in parameters:
            if entry not in self.state[parameter]:
                self.state[parameter][entry] = torch.zeros_like(parameter)
        return [self.state[parameter][entry] for parameter in parameters]

    @abstractmethod
    def step(self, closure: Callable[[], float]) -> float:  # type: ignore[override]
        """Move the parameters; returns the loss before."""


def loss_of(closure: Callable[[], Any]) -> float:
    """The loss that a closure takes anew, a number or, as PyTorch's give it, a tensor; else `TypeError`."""
    if not callable(closure):
        raise TypeError(f"step takes a closure that computes the loss and its gradients, not {type(closure).__name__}")
    with torch.enable_grad():
        loss = closure()
    return float(loss.detach() if isinstance(loss, torch.Tensor) else loss)


def dot(a: Tensors, b: Tensors) -> float:
    """The inner product of two vectors that lie in several tensors."""
    return sum((x.detach() * y.detach()).sum(dtype=torch.float64).item() for x, y in zip(a, b, strict=True))


@torch.no_grad()
def put(parameters: Tensors, places: Tensors, direction: Tensors, distance: float) -> None:
    """Let the parameters be places + distance * direction."""
    torch._foreach_copy_(parameters, places)
    torch._foreach_add_(parameters, direction, alpha=distance)
