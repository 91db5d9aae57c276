"""A system laid out as a table: one row a layer, with shape, parameters and multiply-adds, without any data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..recipe.build import fill, push, shape_text
from ..recipe.facts import Facts
from ..recipe.recipe import Recipe, load
from .machine import resolved
from .run import make_source
from .system import System


@dataclass(frozen=True)
class Row:
    """A layer: its place in the network, name, output shape, parameters and multiply-adds an example."""

    place: str
    layer: str
    output: str
    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class Table:
    """All layers, the totals, and an estimate of the memory of a training step in bytes."""

    input: str
    rows: list[Row]
    parameters: int
    multiply_adds: int
    memory: dict[str, int]

    def plain(self) -> dict[str, Any]:
        return {
            "input": self.input,
            "layers": [vars(row) for row in self.rows],
            "parameters": self.parameters,
            "multiply_adds": self.multiply_adds,
            "memory": self.memory,
        }

    def __str__(self) -> str:
        lines = [("", "layer", "output", "parameters", "multiply-adds"), ("", "input", self.input, "", "")]
        lines += [(r.place, r.layer, r.output, f"{r.parameters:,}", f"{r.multiply_adds:,}") for r in self.rows]
        lines.append(("", "total", "", f"{self.parameters:,}", f"{self.multiply_adds:,}"))
        widths = [max(len(row[i]) for row in lines) for i in range(5)]
        left = "{:<{}}  {:<{}}  {:<{}}  {:>{}}  {:>{}}"
        text = [left.format(*(x for pair in zip(row, widths, strict=True) for x in pair)).rstrip() for row in lines]
        text.insert(1, "  ".join("-" * width for width in widths))
        text.insert(-1, "  ".join("-" * width for width in widths))
        parts = ", ".join(f"{name} {_bytes(size)}" for name, size in self.memory.items() if name != "total")
        text.append(f"memory of a training step: about {_bytes(self.memory['total'])} ({parts})")
        return "\n".join(text)


def table(recipe: Recipe, facts: Facts) -> Table:
    """Lay a recipe's system out on the meta device: nothing is drawn, nothing is computed."""
    recipe = resolved(recipe)
    system = System(recipe, facts, device="meta")
    specs = fill(recipe.network, system.objective.width, recipe.init)
    x = torch.empty((2, *facts.input.shape), device="meta")
    counter = _Counter(system.network)
    rows, text = [], shape_text(x)
    for index, (spec, module) in enumerate(zip(specs, system.network, strict=True)):
        counter.reset()
        x = push(module, x)
        own = sum(p.numel() for p in module.parameters())
        rows.append(
            Row(str(index), repr(spec) if len(repr(spec)) <= 44 else spec.name, shape_text(x), own, counter.work)
        )
    counter.close()
    parameters = sum(p.numel() for p in system.parameters())
    memory = _memory(system, recipe, parameters, counter.activations)
    return Table(text, rows, parameters, sum(row.multiply_adds for row in rows), memory)


class _Counter:
    """Counts multiply-adds and outputs of leaf modules as specimens of two pass through them."""

    def __init__(self, network: nn.Module) -> None:
        self.work, self.activations = 0, 0
        leaves = [module for module in network.modules() if not list(module.children())]
        self.handles = [module.register_forward_hook(self.count) for module in leaves]

    def reset(self) -> None:
        self.work = 0

    def count(self, module: nn.Module, _: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            self.activations += math.prod(output.shape[1:])
            self.work += multiply_adds(module, output)

    def close(self) -> None:
        for handle in self.handles:
            handle.remove()


def multiply_adds(module: nn.Module, output: Tensor) -> int:
    """Multiply-adds of a module for one example: outputs times the weights that meet in each."""
    weight = getattr(module, "weight", None)
    if not isinstance(weight, Tensor) or weight.dim() < 2:
        return 0
    return math.prod(output.shape[1:]) * math.prod(weight.shape[1:])


def _memory(system: System, recipe: Recipe, parameters: int, activations: int) -> dict[str, int]:
    """Bytes: weights, gradients, what the rule keeps, and the activations that backpropagation needs."""
    size = 8 if recipe.precision == "float64" else 4
    kept = {"sgd": 1 if recipe.optimizer.rule.options.get("momentum") else 0, "adagrad": 1, "rmsprop": 1}
    wide = 2 if recipe.precision == "bfloat16" else size
    rows = -(-recipe.batch // recipe.accumulate)
    memory = {
        "weights": parameters * size,
        "gradients": parameters * size,
        "optimizer": parameters * size * kept.get(recipe.optimizer.rule.name, 2),
        "activations": activations * rows * wide,
    }
    return {**memory, "total": sum(memory.values())}


def _bytes(size: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.2f} GiB"


def show(recipe: str | Recipe, *overrides: str) -> Table:
    """The table of a recipe's system, by name, path or object; its data tell shapes and classes, nothing is trained.

    >>> import dovetail as dt
    >>> dt.show("lenet").parameters
    431080
    """
    described = load(recipe, list(overrides)) if isinstance(recipe, str) else recipe
    return table(described, make_source(described.data, Path.cwd()).facts)
