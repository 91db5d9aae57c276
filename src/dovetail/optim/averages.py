"""Averages of the weights over steps: what is tested and kept may be steadier than what is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ..recipe import average
from ..recipe.span import Length, Span

Share = Callable[[int], float]
ENTRY = "average"


@average
def ema(span: Span, decay: Annotated[float, Field(ge=0, lt=1)] = 0.999) -> Share:
    """The exponential moving average, a <- decay * a + (1 - decay) * w after every step.

    At first, while 1 / (t + 1) is more than 1 - decay, it is the mean of all steps, so that it owes nothing to the
    initial weights. 1 / (1 - decay) is about how many steps it looks back.

    >>> import dovetail as dt
    >>> share = dt.ema(0.9).make(Span(epoch=10, total=100))
    >>> share(0), round(share(99), 9)
    (1.0, 0.1)
    """
    return lambda t: max(1 - decay, 1 / (t + 1))


@average
def polyak(span: Span, start: Length = "50 %") -> Share:
    """The mean of the weights after every step from `start` on, in steps, epochs or percent of the run.

    Polyak and Juditsky (1992), Acceleration of stochastic approximation by averaging.

    >>> import dovetail as dt
    >>> share = dt.polyak("50 %").make(Span(epoch=10, total=100))
    >>> share(0), share(50), share(51)
    (1.0, 1.0, 0.5)
    """
    first = span.steps(start)
    return lambda t: 1 / max(t - first + 1, 1)


class Averages:
    """Averages of named tensors, each a + share(t) * (w - a) after step t."""

    def __init__(self, named: Iterable[tuple[str, Tensor]], share: Share) -> None:
        self.tensors = {name: tensor for name, tensor in named if tensor.is_floating_point()}
        self.share = share
        self.averages = {name: tensor.detach().clone() for name, tensor in self.tensors.items()}
        self.same = False  # the averages would be the tensors themselves, and need not be kept beside them

    def update(self, t: int) -> None:
        """Take up the tensors as step t left them."""
        share = self.share(t)
        self.same = share == self.share(t + 1) == 1
        if self.same:
            return
        if share == 1:
            torch._foreach_copy_(list(self.averages.values()), self._now())
        else:
            torch._foreach_lerp_(list(self.averages.values()), self._now(), share)

    def _now(self) -> list[Tensor]:
        return [tensor.detach() for tensor in self.tensors.values()]

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The averages stand where the tensors stood, which come back at the end."""
        if self.same:
            yield
            return
        before = [tensor.clone() for tensor in self._now()]
        torch._foreach_copy_(self._now(), list(self.averages.values()))
        try:
            yield
        finally:
            torch._foreach_copy_(self._now(), before)

    def state(self) -> dict[str, Tensor]:
        """The averages by name: `network.0.weight/average`."""
        current = self.tensors if self.same else self.averages
        return {f"{name}/{ENTRY}": tensor.detach().clone() for name, tensor in current.items()}

    def load(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Take up what `state()` gave, and return the rest; raises `ValueError` where one is missing or of a size."""
        rest = dict(tensors)
        self.same = False
        for name, own in self.averages.items():
            key = f"{name}/{ENTRY}"
            value = rest.pop(key, None)
            if value is None or value.shape != own.shape:
                raise ValueError(f"{key} is missing" if value is None else f"{key} has the shape {list(value.shape)}")
            own.copy_(value)
        return rest
