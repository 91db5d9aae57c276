"""Gauss and Newton without the matrix: a step that conjugate gradients find from products with vectors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any

import torch
from pydantic import Field
from torch.optim import Optimizer

from ..recipe import rule
from .conjugate import Iterate, conjugate_gradients
from .foreach import Groups, Tensors
from .kronecker import Inverse, Moments
from .whole import Evaluation, Whole, dot, loss_of, put, require_evaluation

Count = Annotated[int, Field(ge=1)]
Above = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Part = Annotated[float, Field(gt=0, le=1)]
_EVERY = 5  # steps after which the layers' moments are looked at again
_FADE = 0.8  # of what is known of them, at every look


class GaussNewton(Whole):
    """Steps of Gauss and Newton with Levenberg and Marquardt's damping; see `dovetail.gauss_newton`."""

    own_shapes = ("inputs", "outputs", "places")  # entries of its state that are not shaped as their parameter is

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        damping: float = 1.0,
        most: int = 50,
        again: float = 0.95,
        layers: bool = True,
        share: float = 1.0,
        weight_decay: float = 0.0,
    ) -> None:
        options = {"damping": damping, "most": most, "again": again, "layers": layers, "share": share}
        super().__init__(params, lr, weight_decay, **options)
        self.inverses: list[Inverse] = []

    def remembers(self) -> int:
        """With the layers' moments and inverses: of weights (out, in) both are (out, out) and (in + 1, in + 1)."""
        every: Tensors = [p for group in self.param_groups for p in group["params"] if self.option("layers")]
        squares = sum(p.itemsize * (len(p) ** 2 + (p[0].numel() + 1) ** 2) for p in every if p.dim() > 1)
        return super().remembers() + 2 * squares

    def step(self, closure: Evaluation) -> float:  # type: ignore[override]
        require_evaluation(closure, self)
        loss = loss_of(closure)
        parameters, share = self.moving(), self.option("share")
        if not parameters:
            return loss
        decays = self.decays(parameters)
        gradient = self.gradient(parameters, decays)
        places = [parameter.detach().clone() for parameter in parameters]

        def value(direction: Tensors, distance: float) -> float:
            put(parameters, places, direction, distance)
            return closure.value(share) + self.penalty(parameters, decays)

        moved = self.recall(parameters, "moved")
        before = loss + self.penalty(parameters, decays) if share == 1 else value(moved, 0.0)
        self.hear(parameters, lambda: before - value(moved, -1.0))
        put(parameters, places, moved, 0.0)
        damping = self.number(parameters, "damping", self.option("damping"))

        def damped(vector: Tensors) -> Tensors:
            product = closure.product(parameters, vector, share)
            for p, v, decay in zip(product, vector, decays, strict=True):
                p.add_(v, alpha=decay + damping)
            return product

        inverse = self.inverse(parameters, closure, damping) if self.option("layers") else None
        start = list(torch._foreach_mul(moved, self.option("again")))
        iterates = conjugate_gradients(damped, [-g for g in gradient], start, self.option("most"), inverse)
        (direction, height), after = self.best(iterates, value)
        slope, distance = dot(gradient, direction), self.option("lr")
        if distance != 1:
            after = value(direction, distance)
        full = distance
        while not after <= before + 0.01 * distance * min(slope, 0.0) and distance > 1e-8:
            distance *= 0.8
            after = value(direction, distance)
        if distance < full:
            self.damp(parameters, 1.5)
        if not after < before:
            distance = 0.0
        put(parameters, places, direction, distance)
        torch._foreach_copy_(moved, torch._foreach_mul(direction, distance))
        bend = 2 * (height - slope) - damping * dot(direction, direction)  # along the step, by the matrix alone
        promised = distance * slope + 0.5 * distance * distance * bend
        self.note(parameters, "promised", promised)
        return loss

    def best(self, iterates: list[Iterate], value: Callable[[Tensors, float], float]) -> tuple[Iterate, float]:
        """Going back from the last iterate, the first that the one before it does not better; and its loss."""
        chosen, lowest = iterates[-1], value(iterates[-1].place, 1.0)
        for candidate in reversed(iterates[:-1]):
            loss = value(candidate.place, 1.0)
            if not loss < lowest and math.isfinite(lowest):
                break
            chosen, lowest = candidate, loss
        return chosen, lowest

    def hear(self, parameters: Tensors, change: Callable[[], float]) -> None:
        """Less damping where the step before did half of what it promised to this step's examples, unseen until now.

        That it did less says nothing: with few examples no damping makes a step keep its promise to others.
        """
        promised = self.number(parameters, "promised", 0.0)
        if promised < 0 and change() / promised > 0.5:
            self.damp(parameters, 2 / 3)

    def damp(self, parameters: Tensors, factor: float) -> None:
        self.note(parameters, "damping", factor * self.number(parameters, "damping", self.option("damping")))

    def number(self, parameters: Tensors, entry: str, first: float) -> float:
        """A number that is kept with each parameter alike."""
        return float(self.state[parameters[0]].get(entry, first))

    def note(self, parameters: Tensors, entry: str, number: float) -> None:
        for parameter in parameters:
            self.state[parameter][entry] = torch.tensor(number, dtype=torch.float32)

    def inverse(self, parameters: Tensors, closure: Evaluation, damping: float) -> Callable[[Tensors], Tensors]:
        """About the damped matrix's inverse, layer by layer, taken anew every few steps."""
        t = int(self.number(parameters, "step", 0))
        known = [int(place) for p in parameters for place in self.state[p].get("places", ())]
        if t % _EVERY == 0 or (t < _EVERY and t & (t - 1) == 0) or sorted(known) != list(range(len(parameters))):
            self.look(parameters, closure.moments(parameters), damping)
        self.note(parameters, "step", t + 1)
        if not self.inverses:  # they were looked at again, or the run goes on from a checkpoint
            for state in (self.state[p] for p in parameters if "places" in self.state[p]):
                places = [int(place) for place in state["places"]]
                self.inverses.append(Inverse(places, state["inputs"], state.get("outputs"), float(state["damped"])))

        def solved(vector: Tensors) -> Tensors:
            vector = [v.clone() for v in vector]
            for inverse in self.inverses:
                inverse.apply(vector)
            return vector

        return solved

    def look(self, parameters: Tensors, found: list[Moments], damping: float) -> None:
        """Take a step's moments into the fading means of those before; what overflowed tells nothing."""
        self.inverses = []
        for parameter in parameters:
            self.state[parameter].pop("places", None)
        for one in found:
            state = self.state[parameters[one.places[0]]]
            looks = float(state.get("looks", 0))
            share = max(1 / (looks + 1), 1 - _FADE)
            for entry, new in (("inputs", one.inputs), ("outputs", one.outputs)):
                if new is not None and not new.isfinite().all():
                    state.setdefault(entry, torch.zeros_like(new))
                elif new is not None:
                    state[entry] = torch.lerp(state[entry], new, share) if looks else new
            state["places"] = torch.tensor(one.places, dtype=torch.float32)
            state["looks"], state["damped"] = torch.tensor(looks + 1), torch.tensor(damping)


@rule
def gauss_newton(
    params: Groups,
    damping: Above = 1.0,
    most: Count = 50,
    again: Share = 0.95,
    layers: bool = True,
    share: Part = 1.0,
) -> Optimizer:
    """Gauss-Newton steps by conjugate gradients, at most `most` products with the matrix each; Hessian-free.

        w <- w - t d,   (G + damping * I) d = g,   G the Gauss-Newton matrix of the loss plus decay

    `damping` is where the damping begins. It rises by 3/2 where a step had to be shortened, and falls by 2/3 where the
    loss of the next step's examples fell by half of what the parabola promised. Conjugate gradients begin at `again`
    times the step before and go back to the best of their iterates; with `layers` they are led by the inverse of G's
    blocks, a layer each, as Kronecker products: one product does the work of many. The first `share` of the step's
    examples tell G and how far to go, all of them g. t is the rate, shortened until the loss falls: 1 where each step
    sees all examples, less where it sees some, say 0.5 and falling. Large batches suit it.

    Martens (2010), Deep learning via Hessian-free optimization; Martens and Grosse (2015), Optimizing neural networks
    with Kronecker-factored approximate curvature.

    >>> import dovetail as dt
    >>> dt.gauss_newton(most=100)
    gauss_newton(most=100)
    """
    return GaussNewton(params, 0.0, damping, most, again, layers, share)
