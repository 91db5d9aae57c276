"""L-BFGS: Newton's direction from the latest moves and how they turned the gradient."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any

import torch
from pydantic import Field
from torch.optim import Optimizer

from ..recipe import rule
from .foreach import Groups, Tensors
from .linesearch import wolfe
from .whole import Whole, dot, loss_of, put

Count = Annotated[int, Field(ge=1)]


class LBFGS(Whole):
    """One direction and one line search a step; see `dovetail.lbfgs`."""

    def __init__(
        self, params: Any, lr: float = 1.0, history: int = 10, most: int = 20, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, lr, weight_decay, history=history, most=most)

    def remembers(self) -> int:
        return 2 * int(self.option("history")) * super().remembers()

    def step(self, closure: Callable[[], float]) -> float:  # type: ignore[override]
        loss = loss_of(closure)
        parameters = self.moving()
        if not parameters:
            return loss
        decays = self.decays(parameters)
        gradient = self.gradient(parameters, decays)
        pairs = self.pairs(parameters)
        direction = newton(gradient, pairs)
        slope = dot(direction, gradient)
        if slope >= 0:  # what was learned elsewhere misleads here
            pairs, direction = [], [-g for g in gradient]
            slope = dot(direction, gradient)
        if not -math.inf < slope < 0 or not math.isfinite(loss):
            return loss
        places = [parameter.detach().clone() for parameter in parameters]
        looked: dict[float, tuple[float, Tensors]] = {}

        def look(t: float) -> tuple[float, float]:
            put(parameters, places, direction, t)
            value = loss_of(closure) + self.penalty(parameters, decays)
            looked.clear()
            looked[t] = value, self.gradient(parameters, decays)
            return value, dot(looked[t][1], direction)

        first = self.option("lr")
        if not pairs:  # nothing is known of the scale: go about one unit far
            first *= min(1.0, 1 / sum(float(g.abs().sum()) for g in gradient))
        start = loss + self.penalty(parameters, decays)
        distance, _ = wolfe(look, start, slope, first, most=self.option("most"))
        if distance == 0:
            put(parameters, places, direction, 0.0)
            self.forget(parameters)
            return loss
        if distance not in looked:
            look(distance)
        turned = torch._foreach_sub(looked[distance][1], gradient)
        moved = torch._foreach_mul(direction, distance)
        self.learn(parameters, list(moved), list(turned), forget=not pairs)
        return loss

    def pairs(self, parameters: Tensors) -> list[tuple[Tensors, Tensors]]:
        """What is known, newest first: moves and how they turned the gradient."""
        history = self.option("history")
        known = int(self.recorded(parameters))
        newest = [(known - 1 - back) % history for back in range(min(known, history))]
        return [(self.recall(parameters, f"moved{i}"), self.recall(parameters, f"turned{i}")) for i in newest]

    def recorded(self, parameters: Tensors) -> torch.Tensor:
        """How many pairs have been learned since the last forgetting, kept with each parameter alike."""
        for parameter in parameters:
            if "step" not in self.state[parameter]:
                self.state[parameter]["step"] = torch.zeros((), dtype=torch.float32)
        count: torch.Tensor = self.state[parameters[0]]["step"]
        return count

    def learn(self, parameters: Tensors, moved: Tensors, turned: Tensors, forget: bool) -> None:
        """Take up a pair, unless the function does not curve upwards along it."""
        if forget:
            self.forget(parameters)
        if dot(moved, turned) <= 1e-10 * (dot(moved, moved) * dot(turned, turned)) ** 0.5:
            return
        place = int(self.recorded(parameters)) % self.option("history")
        torch._foreach_copy_(self.recall(parameters, f"moved{place}"), moved)
        torch._foreach_copy_(self.recall(parameters, f"turned{place}"), turned)
        torch._foreach_add_([self.state[parameter]["step"] for parameter in parameters], 1)

    def forget(self, parameters: Tensors) -> None:
        """Nothing that was learned counts any more."""
        self.recorded(parameters)
        torch._foreach_zero_([self.state[parameter]["step"] for parameter in parameters])


def newton(gradient: Tensors, pairs: list[tuple[Tensors, Tensors]]) -> Tensors:
    """-H g, H the inverse Hessian that the pairs suggest: Nocedal's recursion over them, newest first."""
    q = [g.clone() for g in gradient]
    shares = []
    for moved, turned in pairs:
        share = dot(moved, q) / dot(moved, turned)
        torch._foreach_add_(q, turned, alpha=-share)
        shares.append(share)
    if pairs:
        moved, turned = pairs[0]
        torch._foreach_mul_(q, dot(moved, turned) / dot(turned, turned))
    for (moved, turned), share in zip(reversed(pairs), reversed(shares), strict=True):
        torch._foreach_add_(q, moved, alpha=share - dot(turned, q) / dot(moved, turned))
    torch._foreach_neg_(q)
    return q


@rule
def lbfgs(params: Groups, history: Count = 10, most: Count = 20) -> Optimizer:
    """Newton's direction by the latest `history` moves, and a line search of at most `most` looks at the loss.

        w <- w - t H g,   H the inverse Hessian by which the latest moves s turned the gradient by y = H^-1 s

    t satisfies Wolfe's strong conditions; the rate is the first that is tried: take `rate: 1`. For batches that are all
    the data, or much of it. g includes decay * w. Liu and Nocedal (1989), On the limited memory BFGS method.

    >>> import dovetail as dt
    >>> dt.lbfgs(history=20)
    lbfgs(20)
    """
    return LBFGS(params, 0.0, history, most)
