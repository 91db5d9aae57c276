"""One update: from the gradients that are there to moved parameters. Hold, guard, clip, rate, rule, constraints."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from ..recipe.recipe import Optimizer
from ..recipe.span import Span
from .averages import Averages
from .clipping import Clipping, norm
from .constraints import constrain, shrink
from .groups import grouped, require_momentum, require_whole
from .rates import scheduled
from .whole import Evaluation, Whole


class Descent:
    """A recipe's optimizer over named parameters.

    `update(t)` leaves the step out where the gradient is not finite or too long, clips, sets each group's rate, lets
    the rule move the parameters and brings them back within their constraints. Whatever it remembers is tensors, in
    `state()`. Where the parameters are parts of others, `total` makes of sums over these parts sums over all. Where the
    weights are averaged, `buffers` (running statistics) are, too.
    """

    def __init__(
        self,
        named: Iterable[tuple[str, Tensor]],
        settings: Optimizer,
        span: Span,
        guard: bool = True,
        total: Callable[[list[float]], list[float]] | None = None,
        buffers: Iterable[tuple[str, Tensor]] = (),
    ) -> None:
        every = list(named)
        trained = [(name, parameter) for name, parameter in every if parameter.requires_grad]
        groups = grouped(every, settings, span)
        self.optimizer: torch.optim.Optimizer = settings.rule.make_at("optimizer.rule", groups)
        require_momentum(settings, self.optimizer.defaults)
        self.rate = scheduled(settings, span)
        self.clip, self.guard, self.total = settings.clip, guard, total
        self.clipping = Clipping(settings.clip_layers, settings.clip_values, total)
        self.clips = self.clipping.bounded or any(group["clip"] for group in self.groups)
        self.frozen = max((group["frozen"] for group in self.groups), default=0)  # the last step that holds one still
        self.names = [name for name, _ in trained]
        self.parameters = [parameter for _, parameter in trained]
        self.evaluates = getattr(self.optimizer, "evaluates", False)
        self.searches = isinstance(self.optimizer, Whole)  # by the loss, for how far it goes
        if self.searches:
            require_whole(settings)
        self.begun = False
        self.norm = 0.0  # of the latest gradient, before clipping
        self.averages: Averages | None = None
        if settings.average is not None:
            share = settings.average.make_at("optimizer.average", span)
            self.averages = Averages([*trained, *buffers], share)

    @property
    def groups(self) -> list[dict[str, Any]]:
        """PyTorch's groups, which loading replaces."""
        return self.optimizer.param_groups

    def update(self, t: int, longest: float = math.inf, evaluation: Evaluation | None = None) -> bool:
        """Move the parameters by the gradients of step t.

        False, and nothing moved, where a gradient is not finite or all of them together are longer than `longest`.
        `evaluation` is the step's loss for rules that look at it more than once.
        """
        if t < self.frozen:
            self._hold(t)
        if not self.begun:
            self._choose_form()
        if self.guard or self.clip is not None:
            gradients = [p.grad for p in self.parameters if p.grad is not None]
            self.norm = norm(gradients)
            if self.total is not None:
                self.norm = math.sqrt(self.total([self.norm * self.norm])[0])
            if not math.isfinite(self.norm) or self.norm > longest:
                return False
            if self.clip is not None and self.norm > self.clip:
                torch._foreach_mul_(gradients, self.clip / self.norm)
        if self.clips:
            self.clipping(self.groups)
        rate = self.rate(t)
        for group in self.groups:
            group["lr"] = rate * group["scale"]
            if group["shrink"]:
                shrink(group)
        if self.evaluates:
            self.optimizer.step(evaluation)
        else:
            self.optimizer.step()
        for group in self.groups:
            constrain(group)
        if self.averages is not None:
            with self._as_rule_means():
                self.averages.update(t)
        return True

    def _choose_form(self) -> None:
        """Fused rules take no sparse gradients, which show only when there are some."""
        self.begun = True
        if any(parameter.grad is not None and parameter.grad.is_sparse for parameter in self.parameters):
            for group in self.groups:
                group |= {"fused": False, "foreach": False}

    def _hold(self, t: int) -> None:
        """Groups that stay as they are for now get no gradient."""
        for group in self.groups:
            if t < group["frozen"]:
                for parameter in group["params"]:
                    parameter.grad = None

    def evaluated(self) -> AbstractContextManager[None]:
        """Within it, the parameters are what is to be tested and kept: their averages, where there are such."""
        return self._as_rule_means() if self.averages is None else self.averages.in_place()

    def _as_rule_means(self) -> AbstractContextManager[None]:
        """Within it, the parameters are what the rule would have tested, which may not be where it takes gradients."""
        own: Callable[[], AbstractContextManager[None]] = getattr(self.optimizer, "evaluated", nullcontext)
        return own()

    def gradients(self) -> list[Tensor]:
        """Every parameter's gradient; zeros where this process's examples gave it none."""
        for parameter in self.parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        return [parameter.grad for parameter in self.parameters if parameter.grad is not None]

    def zero(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    def state(self) -> dict[str, Tensor]:
        """What is remembered, as tensors by parameter name: `network.0.weight/momentum_buffer`."""
        kept = {} if self.averages is None else self.averages.state()
        for group in self.groups:
            for name, parameter in zip(group["names"], group["params"], strict=True):
                for key, value in self.optimizer.state.get(parameter, {}).items():
                    if isinstance(value, Tensor):
                        kept[f"{name}/{key}"] = value
        return kept

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `state()` gave; PyTorch moves each tensor to where its rule wants it, and types stay.

        Raises `ValueError` for what no parameter could remember, and for averages that are missing.
        """
        if self.averages is not None:
            tensors = self.averages.load(tensors)
        saved = self.optimizer.state_dict()
        by_name: dict[str, dict[str, Tensor]] = {}
        own_shapes = getattr(self.optimizer, "own_shapes", ())
        shapes = {name: p.shape for name, p in zip(self.names, self.parameters, strict=True)}
        for key, value in tensors.items():
            name, _, entry = key.rpartition("/")
            free = not value.dim() or entry in own_shapes
            if name not in shapes or not (free or value.shape[value.dim() - len(shapes[name]) :] == shapes[name]):
                raise ValueError(f"{key} of {list(value.shape)} belongs to no parameter of the recipe")
            by_name.setdefault(name, {})[entry] = value
        for group in self.groups:
            for name, parameter in zip(group["names"], group["params"], strict=True):
                for entry, value in by_name.get(name, {}).items():
                    # files hold the usual layout, fused rules want the parameter's
                    like = parameter if value.shape == parameter.shape else value
                    by_name[name][entry] = torch.empty_like(like, dtype=value.dtype).copy_(value)
        names: list[str] = [name for group in self.optimizer.param_groups for name in group["names"]]
        numbers = [number for group in saved["param_groups"] for number in group["params"]]
        state: dict[int, Any] = {n: by_name[name] for n, name in zip(numbers, names, strict=True) if name in by_name}
        self.optimizer.load_state_dict({**saved, "state": state})
        for group in self.optimizer.param_groups:
            for name, parameter in zip(group["names"], group["params"], strict=True):
                for entry, value in by_name.get(name, {}).items():
                    held = self.optimizer.state[parameter]
                    if held[entry].dtype != value.dtype:  # PyTorch gives all the parameter's
                        held[entry] = value.to(held[entry].device)
