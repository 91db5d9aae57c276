"""Receptive fields: how much of the input one unit of each layer sees, followed through the modules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ..layers.heads import main_of


@dataclass(frozen=True)
class Field:
    """What a unit sees, and how far apart neighbours' fields are, in positions of the input, a number a spatial axis.

    Along an axis a patch of k positions, d apart, taken at every s-th place: size + (k - 1) d step, step s.
    """

    size: tuple[int, ...]
    step: tuple[int, ...]

    def through(self, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]) -> Field:
        """The field behind a layer that takes patches.

        >>> Field((5,), (2,)).through((3,), (2,), (1,))
        Field(size=(9,), step=(4,))
        """
        patches = zip(self.size, kernel, dilation, self.step, strict=True)
        size = tuple(size + (k - 1) * d * step for size, k, d, step in patches)
        return Field(size, tuple(step * s for step, s in zip(self.step, stride, strict=True)))

    def joined(self, other: Field) -> Field:
        """What sees all that either sees."""
        return Field(tuple(map(max, self.size, other.size)), tuple(map(max, self.step, other.step)))


class Fields:
    """Follows an input through modules, each told of as it begins and as it ends."""

    def __init__(self, x: Any) -> None:
        self.shape = tuple(x.shape[2:]) if isinstance(x, Tensor) else ()  # what of a sequence is seen is not told
        self.whole = Field(self.shape, self.shape)
        self.first = Field((1,) * len(self.shape), (1,) * len(self.shape)) if self.shape else self.whole
        self._of: dict[int, tuple[Any, Field]] = {id(x): (x, self.first)}  # the tensor is kept: its id stays its own
        self._open: list[Field] = []  # of the modules around, what was seen within

    def enter(self, x: Any = None) -> None:
        """A module begins, on an input where it has one without a name."""
        self._open.append(self.of(x))

    def leave(self, module: nn.Module, output: Any, x: Any = None) -> Field:
        """A module ends; returns what a unit of its output sees."""
        output, within = main_of(output), self._open.pop()
        before = self.of(x)
        if id(output) in self._of and output is not x:
            field = self.of(output)
        elif next(module.children(), None) is not None:
            field = within
        else:
            field = self._behind(module, before, x, output) if isinstance(x, Tensor) else self.whole
        if output is not x:
            self._of[id(output)] = (output, field)
        if self._open:
            self._open[-1] = self._open[-1].joined(field)
        return field

    def of(self, x: Any) -> Field:
        """What a unit of a tensor sees; of one that no module made, all that was seen so far around it."""
        known = self._of.get(id(x))
        return known[1] if known else self._open[-1] if self._open else self.whole

    def _behind(self, module: Any, before: Field, x: Tensor, output: Any) -> Field:
        if not isinstance(output, Tensor):  # of a module of a user's own: nothing is known of it
            return self.whole
        kernel = getattr(module, "kernel_size", None)
        axes = len(self.shape)
        if kernel is not None and x.dim() == axes + 2:
            sizes = (kernel, getattr(module, "stride", 1), getattr(module, "dilation", 1))
            return before.through(*(tuple(s) if isinstance(s, tuple | list) else (s,) * axes for s in sizes))
        if isinstance(module, nn.Flatten) or (output.shape == x.shape and not isinstance(module, nn.Linear)):
            return before
        return self.whole if x.dim() != axes + 2 or output.dim() < x.dim() else before

    def text(self, field: Field) -> str:
        """`5x5`, or `all`.

        >>> import torch
        >>> Fields(torch.empty(2, 1, 28, 28)).text(Field((5, 7), (1, 1)))
        '5x7'
        """
        if not self.shape:
            return ""
        if all(size >= there for size, there in zip(field.size, self.shape, strict=True)):
            return "all"
        return "x".join(str(min(size, there)) for size, there in zip(field.size, self.shape, strict=True))
