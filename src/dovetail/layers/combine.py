"""Combinators: layers whose options are lists of layers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ..recipe import layer
from ..recipe.build import build_and_push, build_chain, chained, shape_text, told_of
from ..recipe.sequences import Sequences, values_of
from ..recipe.spec import Layers, sees_time


@layer
@sees_time
def chain(x: Tensor, layers: Layers) -> nn.Module:
    """One layer after the other; in a recipe a nested list says the same.

    >>> import dovetail as dt, torch
    >>> dt.build([dt.chain([dt.linear(4), dt.relu()]), dt.linear(2)], torch.zeros(1, 3))(torch.zeros(5, 3)).shape
    torch.Size([5, 2])
    """
    return build_chain(layers, x)


class Residual(nn.Module):
    """x + f(x), or s(x) + f(x)."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, x: Any) -> Any:
        own, past = self.body(x), x if self.shortcut is None else self.shortcut(x)
        return own.having(own.values + past.values) if isinstance(own, Sequences) else own + past


@layer
@sees_time
def residual(x: Tensor, layers: Layers, shortcut: Layers | None = None) -> nn.Module:
    """Add what the layers make of the input to the input, y = x + f(x), or to a shortcut of it, y = s(x) + f(x).

    Shapes: those of f, which must be those of x (of s(x)); raises `ValueError` where they are not. He et al. (2016),
    Deep residual learning for image recognition.

    >>> import dovetail as dt, torch
    >>> dt.build([dt.residual([dt.linear(3), dt.relu()])], torch.zeros(1, 3))(torch.zeros(5, 3)).shape
    torch.Size([5, 3])
    """
    body, out = build_and_push(layers, x, ".residual")
    other, past = (None, x) if shortcut is None else build_and_push(shortcut, x, ".residual.shortcut")
    if values_of(out).shape != values_of(past).shape:
        remedy = "give a shortcut, e.g. a conv with kernel 1" if shortcut is None else "make both alike"
        raise ValueError(f"cannot add {shape_text(out)} to {shape_text(past)}: {remedy}")
    return told_of(Residual(body, other), x)


class Branch(nn.Module):
    """Several networks on one input, their outputs joined."""

    def __init__(self, branches: list[nn.Sequential], join: str) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.join = join

    def forward(self, x: Any) -> Any:
        outputs = [branch(x) for branch in self.branches]
        first = outputs[0]
        if isinstance(first, Sequences):
            return first.having(self._joined([output.values for output in outputs]))
        return self._joined(outputs)

    def _joined(self, outputs: list[Tensor]) -> Tensor:
        return torch.cat(outputs, 1) if self.join == "concatenate" else torch.stack(outputs).sum(0)


@layer
@sees_time
def branch(
    x: Tensor,
    branches: Annotated[list[Layers], Field(min_length=1)],
    join: Literal["concatenate", "add"] = "concatenate",
) -> nn.Module:
    """Send the input through several chains and join what they make of it, one big vector or a sum.

    Shapes: (N, C, *S) -> (N, sum of the C', *S') concatenated along the channels, or (N, C', *S') added. Raises
    `ValueError` where the shapes do not go together. Szegedy et al. (2015), Going deeper with convolutions.

    >>> import dovetail as dt, torch
    >>> both = dt.branch([[dt.conv(8, 1)], [dt.conv(4, 3, pad="same")]])
    >>> dt.build([both], torch.zeros(1, 3, 6, 6))(torch.zeros(2, 3, 6, 6)).shape
    torch.Size([2, 12, 6, 6])
    """
    if not branches:
        raise ValueError("needs one branch at least")
    built = [build_and_push(specs, x, f".branch[{index}]") for index, specs in enumerate(branches)]
    shapes = [values_of(out).shape for _, out in built]
    alike = {(shape[0], *shape[2:]) if join == "concatenate" else tuple(shape) for shape in shapes}
    if len(alike) > 1:
        texts = ", ".join(shape_text(out) for _, out in built)
        axes = "sizes beside the channels" if join == "concatenate" else "shapes"
        raise ValueError(f"cannot {join} branches that end in {texts}: their {axes} must agree")
    return told_of(Branch([module for module, _ in built], join), x)


@layer
@sees_time
def repeat(x: Tensor, layers: Layers, times: Annotated[int, Field(gt=0)]) -> nn.Module:
    """The same chain several times over, each time with parameters of its own and sized for what the one before leaves.

    >>> import dovetail as dt, torch
    >>> network = dt.build([dt.repeat([dt.linear(8), dt.relu()], times=3)], torch.zeros(1, 3))
    >>> sum(p.numel() for p in network.parameters())
    176
    """
    modules, first = [], x
    for _ in range(times):
        module, x = build_and_push(layers, x, ".repeat")
        modules.append(module)
    return chained(modules, first)
