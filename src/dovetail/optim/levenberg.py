"""LeNet's own rule: a rate for every parameter from its curvature."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field
from torch import nn
from torch.optim import Optimizer

from ..recipe import rule
from ..recipe.errors import RecipeError
from ..recipe.place import fail
from ..recipe.spec import Spec
from .foreach import Foreach, Groups, Tensors
from .second_order import require_known
from .whole import require_evaluation

Above = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class DiagonalLevenberg(Foreach):
    """Gradient descent whose rates are the inverse of curvatures; see `dovetail.diagonal_levenberg`."""

    elementwise = False  # curvatures come from all of a layer
    evaluates = True
    counts = True
    shared = ("every", "examples")

    def __init__(
        self,
        params: Any,
        lr: float = 5e-4,
        mu: float = 0.02,
        every: int = 1000,
        examples: int = 500,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr, weight_decay, mu=mu, every=every, examples=examples)

    def step(self, closure: Any) -> float | None:  # type: ignore[override]
        """Move every parameter once; `closure` is an `Evaluation`, which knows curvatures, too."""
        require_evaluation(closure, self)
        with torch.enable_grad():
            loss: float | None = closure()
        due = [parameter for parameter in self._parameters() if self._due(int(self._taken(parameter)))]
        if due:
            for parameter, bent in zip(due, closure.curvature(due, self._option("examples")), strict=True):
                self.state[parameter]["curvature"] = bent
        super().step()
        return loss

    def remembers(self) -> int:
        """Bytes that it keeps from step to step, about: curvatures."""
        return self.weighs()

    def move(self, group: dict[str, Any], t: int, parameters: Tensors, gradients: Tensors) -> None:
        for w, g in zip(parameters, gradients, strict=True):
            w.addcdiv_(g, self.state[w]["curvature"] + group["mu"], value=-group["lr"])

    def _parameters(self) -> Tensors:
        return [p for group in self.param_groups for p in group["params"] if p.grad is not None]

    def _due(self, t: int) -> bool:
        """At the beginning curvatures change fastest: they are taken at steps 0, 1, 2, 4, 8, ..., then regularly."""
        return t % self._option("every") == 0 or (t & (t - 1) == 0 and t < self._option("every"))

    def _taken(self, parameter: Any) -> Any:
        return self.state[parameter].get("step", 0)

    def _option(self, name: str) -> Any:
        return self.param_groups[0][name]


def require_layers(optimizer: Optimizer, rule: Spec, network: nn.Module, form: str) -> None:
    """Refuse, where this rule moves a network, inputs and layers of which it knows no curvature."""
    if isinstance(optimizer, DiagonalLevenberg):
        try:
            if form == "sequence":
                raise RecipeError("no curvature is known of sequences; take another rule, adam or rmsprop")
            require_known(network)
        except RecipeError as error:
            fail(str(error), f"optimizer.rule {rule.name}", rule.place)


@rule
def diagonal_levenberg(params: Groups, mu: Above = 0.02, every: Count = 1000, examples: Count = 500) -> Optimizer:
    """Every parameter at a rate of its own, rate / (mu + h); h estimates the loss's second derivative by it.

        w <- w - rate / (mu + h) * g

    h is the mean over `examples` training examples, as they are in testing, taken anew by `diagonal_curvature` after
    1, 2, 4, 8, ... steps and then every `every`. g includes decay * w. The stochastic diagonal Levenberg-Marquardt
    method that LeNet-5 was trained with: LeCun et al. (1998), Gradient-based learning applied to document recognition,
    appendix C.

    >>> import dovetail as dt
    >>> dt.diagonal_levenberg(0.02, every=60000)
    diagonal_levenberg(every=60000)
    """
    return DiagonalLevenberg(params, 0.0, mu, every, examples)
