"""The frame of our own rules: all parameters of a group move at once, and what is remembered is tensors."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

Groups = list[dict[str, Any]]
Tensors = list[Tensor]
CHUNK = 1 << 16  # entries that are worked on while they are in the processor's cache
FROM_ZERO, SHARES = ("lr", "weight_decay", "gradient", "average", "eps"), ("momentum", "beta1", "beta2", "again")
ABOVE_ZERO, PARTS = ("k", "mu", "damping"), ("fade", "share")
COUNTS = ("window", "history", "most", "every", "examples", "rounds")


def checked(options: dict[str, Any]) -> dict[str, Any]:
    """The options of a rule, which a recipe checks, but who takes the rule alone may mistake; raises `ValueError`."""
    for names, told, fits in (
        (FROM_ZERO, "a number from 0 on", lambda value: 0 <= value < math.inf),
        (ABOVE_ZERO, "a number above 0", lambda value: 0 < value < math.inf),
        (SHARES, "a number from 0 to below 1", lambda value: 0 <= value < 1),
        (PARTS, "a number above 0 and at most 1", lambda value: 0 < value <= 1),
        (("ramp",), "a whole number from 0 on", lambda value: isinstance(value, int) and value >= 0),
        (COUNTS, "a whole number from 1 on", lambda value: isinstance(value, int) and value >= 1),
    ):
        for name in options.keys() & names:
            if not isinstance(options[name], int | float) or not fits(options[name]):
                raise ValueError(f"{name}: expected {told}, not {options[name]!r}")
    return options


class Checked(Optimizer):
    """An optimizer that looks at options and parameters before it takes them, those of groups, too."""

    shared: tuple[str, ...] = ()
    """Options that are one for all groups."""

    def __init__(self, params: Any, **options: Any) -> None:
        super().__init__(params, checked(options))

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        super().add_param_group(checked(param_group))
        try:
            self._require_fitting(self.param_groups[-1])
        except ValueError:
            del self.param_groups[-1]
            raise

    def _require_fitting(self, group: dict[str, Any]) -> None:
        if any(parameter.is_complex() for parameter in group["params"]):
            raise ValueError(f"{type(self).__name__} moves real numbers; hand it torch.view_as_real of complex ones")
        for name in self.shared:
            if group[name] != (first := self.param_groups[0][name]):
                told = f"{type(self).__name__} has one for all groups, not {first!r} and {group[name]!r}"
                raise ValueError(f"{name}: {told}")

    def weighs(self) -> int:
        """Bytes of its parameters."""
        return sum(p.numel() * p.itemsize for group in self.param_groups for p in group["params"])

    def require_dense(self, parameters: Tensors) -> None:
        """Raise `RuntimeError` where a gradient is sparse."""
        if any(parameter.grad is not None and parameter.grad.is_sparse for parameter in parameters):
            raise RuntimeError(f"{type(self).__name__} cannot take sparse gradients; sgd and adagrad can")


class Foreach(Checked):
    """An ordinary optimizer whose rule moves a list of parameters by the list of their gradients.

    Parameters without a gradient stay as they are. `weight_decay` adds decay * w to the gradient, unless the rule says
    `decoupled`, which then shrinks by itself. `elementwise` says that each element moves by its own gradients alone.
    """

    elementwise = True
    decoupled = False
    counts = False  # whether it asks how often a parameter has been moved

    def __init__(self, params: Any, lr: float, weight_decay: float = 0.0, **options: Any) -> None:
        super().__init__(params, lr=lr, weight_decay=weight_decay, **options)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Move every parameter once; `closure`, where given, first takes the loss and its gradients anew."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            moved = [parameter for parameter in group["params"] if parameter.grad is not None]
            self.require_dense(moved)
            for t, parameters in self.counted(moved):
                gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
                if group["weight_decay"] and not self.decoupled:
                    gradients = list(torch._foreach_add(gradients, parameters, alpha=group["weight_decay"]))
                self.move(group, t, parameters, gradients)
        return loss

    @abstractmethod
    def move(self, group: dict[str, Any], t: int, parameters: Tensors, gradients: Tensors) -> None:
        """Move parameters of a group that have been moved t times; must not change the gradients."""

    def counted(self, parameters: Tensors) -> Iterable[tuple[int, Tensors]]:
        """The parameters by how often they have been moved (0 where the rule does not ask), and counts this one."""
        if not self.counts or not parameters:
            return [(0, parameters)] if parameters else []
        alike: dict[int, Tensors] = {}
        for parameter in parameters:
            self.state[parameter].setdefault("step", torch.zeros((), dtype=torch.float32))
        steps = [self.state[parameter]["step"] for parameter in parameters]
        for parameter, t in zip(parameters, torch.stack(steps).tolist() if steps else [], strict=True):
            alike.setdefault(int(t), []).append(parameter)
        torch._foreach_add_(steps, 1)
        return alike.items()

    def remembered(self, parameters: Tensors, entry: str, value: float = 0.0) -> Tensors:
        """A tensor of each parameter's shape, type and layout, filled with `value` at first."""
        for parameter in parameters:
            if entry not in self.state[parameter]:
                self.state[parameter][entry] = torch.full_like(parameter, value, memory_format=torch.preserve_format)
        return [self.state[parameter][entry] for parameter in parameters]


def chunks(*lists: Tensors) -> Any:
    """The tensors of several lists in step, each cut into pieces that stay in cache, as they lie in memory."""
    for tensors in zip(*lists, strict=True):
        first = tensors[0]
        if first.numel() <= CHUNK or any(tensor.stride() != first.stride() for tensor in tensors):
            yield tensors
            continue
        rows = [tensor.as_strided((tensor.numel(),), (1,)) for tensor in tensors] if dense(first) else None
        yield from zip(*(row.split(CHUNK) for row in rows), strict=True) if rows else [tensors]


def dense(tensor: torch.Tensor) -> bool:
    """Whether the entries fill one stretch of memory, in whatever order."""
    size = 1
    for length, stride in sorted(zip(tensor.shape, tensor.stride(), strict=True), key=lambda pair: pair[1]):
        if length > 1 and stride != size:
            return False
        size *= length
    return True
