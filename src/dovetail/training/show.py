"""A system laid out as a table: one row a layer, with shape, parameters and multiply-adds, without any data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ..layers.heads import main_of
from ..optim.descent import Descent
from ..optim.levenberg import DiagonalLevenberg, require_layers
from ..optim.whole import Whole
from ..recipe.build import push, shape_text, spec_of
from ..recipe.check import has_specs
from ..recipe.facts import Facts
from ..recipe.recipe import Recipe
from ..recipe.sequences import values_of
from ..recipe.span import Span
from ..recipe.spec import Spec
from .begin import describe_recipe
from .evaluate import require_validation
from .machine import dtype_of, resolved
from .receptive import Fields
from .run import make_source
from .system import System, specimen
from .tables import aligned, bytes_text


@dataclass(frozen=True)
class Row:
    """A layer: where its parameters are, its name, output shape, how much of the input a unit sees, parameters and
    multiply-adds an example.

    Layers inside a combinator have rows of their own, one level deeper, which its row sums up.
    """

    place: str
    depth: int
    layer: str
    output: str
    sees: str
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
        return {**vars(self), "rows": [vars(row) for row in self.rows]}

    def __str__(self) -> str:
        lines = [("", "layer", "output", "sees", "parameters", "multiply-adds"), ("", "input", self.input, "", "", "")]
        for row in self.rows:
            name = "  " * row.depth + row.layer
            lines.append((row.place, name, row.output, row.sees, f"{row.parameters:,}", f"{row.multiply_adds:,}"))
        lines.append(("", "total", "", "", f"{self.parameters:,}", f"{self.multiply_adds:,}"))
        text = aligned(lines, left=4)
        parts = ", ".join(f"{name} {bytes_text(size)}" for name, size in self.memory.items() if name != "total")
        text.append(f"memory of a training step: about {bytes_text(self.memory['total'])} ({parts})")
        return "\n".join(text)


def table(recipe: Recipe, facts: Facts) -> Table:
    """Lay a recipe's system out on the meta device: nothing is drawn, nothing is computed."""
    recipe = resolved(recipe)
    system, descent = laid_out(recipe, facts, Span(1, 1))
    x = specimen(facts.input, dtype_of(recipe))
    with _Watch(system, x).running() as watch:
        push(system.network, x)
    parameters = sum(p.numel() for p in system.parameters())
    memory = _memory(system, descent, recipe, watch.activations)
    work = sum(row.multiply_adds for row in watch.rows if not row.depth)
    return Table(shape_text(x), watch.rows, parameters, work, memory)


class _Watch:
    """Notes what each layer answers and how many multiply-adds it takes, as a specimen of two goes through."""

    def __init__(self, system: System, x: Tensor) -> None:
        self.network, self.activations = system.network, 0
        self.fields = Fields(x)
        self.rows: list[Row] = []
        self._counter = FlopCounterMode(display=False)
        self._open: list[tuple[int, int]] = []  # of the layers around: their row, and the work before them

    @contextmanager
    def running(self) -> Iterator[_Watch]:
        handles = []
        for place, module in self.network.named_modules():
            handles.append(module.register_forward_pre_hook(lambda m, x, place=place: self._enter(m, place, x)))
            handles.append(module.register_forward_hook(lambda m, x, output: self._leave(m, x, output)))
        try:
            with self._counter:
                yield self
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, module: nn.Module, place: str, inputs: tuple[Any, ...]) -> None:
        self.fields.enter(*inputs[:1])
        if module not in spec_of:
            return
        parameters = sum(p.numel() for p in module.parameters())
        self.rows.append(Row(place, len(self._open), label(spec_of[module]), "", "", parameters, 0))
        self._open.append((len(self.rows) - 1, self._counter.get_total_flops()))

    def _leave(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        sees = self.fields.text(self.fields.leave(module, output, *inputs[:1]))
        if module not in spec_of:
            return
        output = main_of(output)
        index, before = self._open.pop()
        work = (self._counter.get_total_flops() - before) // 4  # two operations each, two examples
        figures = {"output": shape_text(output), "sees": sees, "multiply_adds": work}
        self.rows[index] = Row(**{**vars(self.rows[index]), **figures})
        values = values_of(output)
        if isinstance(values, Tensor) and index == len(self.rows) - 1:  # a combinator only hands on
            self.activations += values.numel() // 2


def label(spec: Spec) -> str:
    """A spec without the specs within it: inner layers have rows of their own, and init says nothing of shapes."""
    parameters = spec.part.parameters
    inner = {name: p.default for name, p in parameters.items() if has_specs(p.annotation)}
    label = repr(spec.replace(**inner))
    return label if len(label) <= 44 else spec.name


def laid_out(recipe: Recipe, facts: Facts, span: Span) -> tuple[System, Descent]:
    """A resolved recipe's system and what moves it, on the meta device; raises `RecipeError` for what can be told only
    there: shapes, patterns of names, rules' demands, settings that ask for validation examples."""
    require_validation(recipe, facts)
    system = System(recipe, facts, device="meta")
    system.freeze(recipe.freeze)
    descent = Descent(system.named_parameters(), recipe.optimizer, span, guard=False)
    require_layers(descent.optimizer, recipe.optimizer.rule, system.network, facts.input.form)
    return system, descent


def _memory(system: System, descent: Descent, recipe: Recipe, activations: int) -> dict[str, int]:
    """Bytes: weights, gradients, what the rule keeps, and the activations that backpropagation needs."""
    trained = [p for p in system.parameters() if p.requires_grad]
    for parameter in trained:
        parameter.grad = torch.empty_like(parameter)
    if isinstance(descent.optimizer, Whole | DiagonalLevenberg):
        kept = descent.optimizer.remembers()
    else:
        descent.optimizer.step()
        kept = _size(descent.state().values())
    wide = 2 if recipe.precision == "bfloat16" else dtype_of(recipe).itemsize
    memory = {
        "weights": _size(system.state_dict().values()),
        "gradients": _size(trained),
        "optimizer": kept,
        "activations": activations * -(-recipe.batch // recipe.accumulate) * wide,
    }
    return {**memory, "total": sum(memory.values())}


def _size(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.itemsize for tensor in tensors)


def show(recipe: str | Recipe, *overrides: str) -> Table:
    """The table of a recipe's system, by name, path or object; its data tell shapes and classes, nothing is trained.

    >>> import dovetail as dt
    >>> dt.show("lenet").parameters
    431080
    """
    described = describe_recipe(recipe, overrides, {})
    return table(described, make_source(described.data, Path.cwd()).facts)
