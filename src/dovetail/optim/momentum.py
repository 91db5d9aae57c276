"""Momentum as the lecture has it, at two rates, and Nesterov's with the weights where they are, not where they look."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import torch
from pydantic import Field
from torch.optim import Optimizer

from ..recipe import rule
from .foreach import Foreach, Groups, Tensors

Share = Annotated[float, Field(ge=0, lt=1)]
Rate = Annotated[float, Field(ge=0)]


class Momentum(Foreach):
    """Gradient and averaged gradient, each at its own rate; see `dovetail.momentum`."""

    def __init__(
        self,
        params: Any,
        lr: float = 0.01,
        momentum: float = 0.9,
        gradient: float = 1.0,
        average: float = 5.0,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr, weight_decay, momentum=momentum, gradient=gradient, average=average)

    def move(self, group: dict[str, Any], t: int, parameters: Tensors, gradients: Tensors) -> None:
        averages = self.remembered(parameters, "average")
        torch._foreach_lerp_(averages, gradients, 1 - group["momentum"])
        torch._foreach_add_(parameters, averages, alpha=-group["lr"] * group["average"])
        if group["gradient"]:
            torch._foreach_add_(parameters, gradients, alpha=-group["lr"] * group["gradient"])


@rule
def momentum(params: Groups, momentum: Share = 0.9, gradient: Rate = 1.0, average: Rate = 5.0) -> Optimizer:
    """The gradient at one rate and its running average at another.

        m <- momentum * m + (1 - momentum) * g;   w <- w - rate * (gradient * g + average * m)

    g includes decay * w. With `gradient: 0` it is `sgd` with this momentum at rate * average * (1 - momentum); in
    general it is the quasi-hyperbolic momentum of Ma and Yarats (2019), Quasi-hyperbolic momentum and Adam, at
    rate * (gradient + average) with nu = average / (gradient + average).

    >>> import dovetail as dt
    >>> dt.momentum(0.9, gradient=1.0, average=2.0)
    momentum(average=2.0)
    """
    return Momentum(params, 0.0, momentum, gradient, average)


class Nesterov(Foreach):
    """Nesterov's accelerated gradient; see `dovetail.nesterov`. In training, parameters are where it takes gradients.

    It remembers how far that is ahead of the weights, momentum * m, so that the weights are known whatever the momentum
    is set to afterwards; a momentum that is changed between two steps counts from the next look ahead on.
    """

    counts = True
    tested = False  # whether parameters are the weights for now

    def __init__(
        self, params: Any, lr: float = 0.01, momentum: float = 0.9, ramp: int = 0, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, lr, weight_decay, momentum=momentum, ramp=ramp)

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        if self.tested:
            raise RuntimeError("a step within `evaluated()`, where parameters are not where gradients are to be taken")
        return super().step(closure)

    def move(self, group: dict[str, Any], t: int, parameters: Tensors, gradients: Tensors) -> None:
        ahead, next_momentum = self.remembered(parameters, "ahead"), at(t + 1, group)
        torch._foreach_add_(parameters, ahead)
        torch._foreach_add_(ahead, gradients, alpha=group["lr"])  # m
        torch._foreach_add_(parameters, ahead, alpha=-1 - next_momentum)
        torch._foreach_mul_(ahead, next_momentum)

    @contextmanager
    def evaluated(self) -> Iterator[None]:
        """Within it, parameters are the weights w, to be tested and kept; afterwards w - momentum * m again.

        What training is to go on from is saved outside of it. Raises `RuntimeError` for a step within it.
        """
        if self.tested:
            yield
            return
        moved = [p for group in self.param_groups for p in group["params"] if "ahead" in self.state.get(p, ())]
        before = [parameter.detach().clone() for parameter in moved]
        with torch.no_grad():
            for parameter in moved:
                parameter.add_(self.state[parameter]["ahead"])
        self.tested = True
        try:
            yield
        finally:
            self.tested = False
            with torch.no_grad():
                for parameter, place in zip(moved, before, strict=True):
                    parameter.copy_(place)


def at(t: int, group: dict[str, Any]) -> float:
    """The momentum of step t: min(momentum, 1 - 1 / (2 (floor(t / ramp) + 1))), or momentum itself without a ramp."""
    cap: float = group["momentum"]
    return min(cap, 1 - 0.5 / (t // group["ramp"] + 1)) if group["ramp"] else cap


@rule
def nesterov(params: Groups, momentum: Share = 0.9, ramp: Annotated[int, Field(ge=0)] = 0) -> Optimizer:
    """Nesterov's momentum: the gradient is taken where the momentum is about to lead, and the weights stay behind it.

        m <- momentum * m + rate * g(w - momentum * m);   w <- w - m

    What is tested and kept is w; `sgd` with `nesterov: true` tests and keeps w - momentum * m. With `ramp` the
    momentum climbs, 1 - 1 / (2 (floor(t / ramp) + 1)) at step t until it is `momentum`; 250 is the paper's. g includes
    decay times where it is taken. Nesterov (1983); Sutskever et al. (2013), On the importance of initialization and
    momentum in deep learning, equations 3 to 5.

    >>> import dovetail as dt
    >>> dt.nesterov(0.99, ramp=250)
    nesterov(0.99, ramp=250)
    """
    return Nesterov(params, 0.0, momentum, ramp)
