"""Builds modules from specs by pushing a specimen through them, so that nobody writes an input size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from .errors import DovetailError, RecipeError, UsageError
from .place import Place
from .sequences import Sequences, rounded
from .spec import Spec


class BuildError(RecipeError):
    """A layer that cannot be built; its path in the network is gathered as the error rises."""

    def __init__(self, message: str, name: str, place: Place | None) -> None:
        super().__init__(message)
        self.message, self.name, self.place, self.path = message, name, place, ""

    def __str__(self) -> str:
        where = f"network{self.path} {self.name}: {self.message}"
        return f"{self.place}: {where}\n{self.place.picture()}" if self.place else where


spec_of: WeakKeyDictionary[nn.Module, Spec] = WeakKeyDictionary()
"""Which spec a module was built from, for whoever shows or measures a network layer by layer."""


def build(specs: Sequence[Spec] | Spec, example: Tensor) -> nn.Sequential:
    """Build a chain of layers for inputs like `example` and return an ordinary `nn.Sequential`.

    `example` is a batch (N, ...); only its shape and dtype count, and parameters have its dtype. They are drawn from
    PyTorch's global generator on its default device, so `torch.manual_seed` repeats them. Widths are numbers:
    `outputs` is known in a system alone. Raises `BuildError`, which names the place, and `UsageError` where the example
    is no tensor.

    >>> import dovetail as dt
    >>> network = dt.build([dt.conv(20, 5), dt.maxpool(2), dt.flatten(), dt.linear(10)], torch.zeros(1, 1, 28, 28))
    >>> network(torch.zeros(7, 1, 28, 28)).shape
    torch.Size([7, 10])
    """
    from .check import check
    from .node import Node
    from .spec import Layers

    if not isinstance(example, Tensor):
        raise UsageError(f"build: the example is a tensor (N, ...), not a {type(example).__name__}")
    chain = fill(check(Layers, Node.of(specs if isinstance(specs, Sequence) else [specs]), "network"), None, None)
    if not example.is_floating_point():
        return build_chain(chain, specimen_like(example))
    usual = specimen_like(example).to(torch.get_default_dtype())
    return build_chain(chain, usual).to(example.dtype)


def specimen_like(example: Tensor) -> Tensor:
    """A batch of 2 like the example on the meta device: shape and dtype, no data."""
    return torch.empty((2, *example.shape[1:]), dtype=example.dtype, device="meta")


class Chain(nn.Sequential):
    """Layers one after the other on sequences: one whose `sees_time` is true takes them as such, any other each place
    as an example."""

    sees_time = True

    def forward(self, x: Any) -> Any:
        for module in self:
            x = through(module, x)
        return x


def through(module: Callable[[Any], Any], x: Any) -> Any:
    """What a layer makes of a tensor, or of sequences."""
    if isinstance(x, Tensor):
        return module(x)
    if not getattr(module, "sees_time", False):
        return x.having(_at_places(module, x.values))
    if not x.values.is_meta or not hasattr(module, "specimen"):
        return module(x)
    vars(module)["forward"] = module.specimen  # called as usual, so that those who watch its calls hear of this one
    try:
        return module(x)
    finally:
        del vars(module)["forward"]


def _at_places(module: Callable[[Any], Any], values: Tensor) -> Tensor:
    """What a layer makes of each place as an example.

    Batches have as many places as it comes, and on the CPU products in half precision prepare themselves for every new
    size (2 of 6 ms for 1,400 rows of 900): they are given a rounded one.
    """
    few = rounded(len(values)) - len(values)
    if type(module) is not nn.Linear or not few or values.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        return module(values)  # type: ignore[no-any-return]
    beyond = values.new_zeros(few, *values.shape[1:])
    found: Tensor = module(torch.cat([values, beyond]))[: len(values)]
    return found


def chained(modules: Iterable[nn.Module], x: Any) -> nn.Sequential:
    """One layer after the other, for inputs like x."""
    return Chain(*modules) if isinstance(x, Sequences) else nn.Sequential(*modules)


def told_of(module: nn.Module, x: Any) -> nn.Module:
    """A module that holds chains, which sees time where they were built for sequences."""
    module.sees_time = isinstance(x, Sequences)  # type: ignore[assignment]
    return module


def build_chain(specs: Sequence[Spec], x: Any, at: str = "") -> nn.Sequential:
    """Build specs one after the other, each from the specimen that the one before leaves.

    Combinators call this on their inner chains; `at` is what they add to the path in an error (".branch[1]").
    """
    return build_and_push(specs, x, at)[0]


def build_and_push(specs: Sequence[Spec], x: Any, at: str = "") -> tuple[nn.Sequential, Any]:
    """`build_chain`, and the specimen that comes out at the end."""
    modules, first = [], x
    for index, spec in enumerate(specs):
        if not isinstance(x, Tensor | Sequences):
            wrong = BuildError(
                "the layer before it ends the network: put this one into its main chain", spec.name, spec.place
            )
            wrong.path = f"{at}[{index}]"
            raise wrong
        try:
            module = spec.make(_told(spec, x))
            x = push(module, x)
        except BuildError as error:
            error.path = f"{at}[{index}]{error.path}"
            error.place = error.place or spec.place  # a layer that another one made is where that was written
            raise
        except (RuntimeError, ValueError, TypeError, IndexError, ArithmeticError, DovetailError) as error:
            wrong = BuildError(f"{_reason(error)} (the input here is {shape_text(x)})", spec.name, spec.place)
            wrong.path = f"{at}[{index}]"
            raise wrong from error
        spec_of[module] = spec
        modules.append(module)
    return chained(modules, first), x


def _told(spec: Spec, x: Any) -> Any:
    """What a layer is told of its input: of sequences a batch of two places, unless it looks along time."""
    if isinstance(x, Tensor) or spec.part.sees_time:
        return x
    if x.fields:
        raise ValueError(f"takes numbers, not words: put indicators or an embedding before {spec.name}")
    return x.values[:2]


def push(module: nn.Module, x: Any) -> Any:
    """The module's output for a meta specimen, whatever device its parameters are on.

    A module whose forward cannot run on the meta device says its own `specimen(x)`.
    """
    if isinstance(x, Sequences) and not getattr(module, "sees_time", False):
        return x.having(push(module, x.values))
    own: Callable[[Any], Any] | None = getattr(module, "specimen", None)
    if own is not None:
        return own(x)
    with torch.no_grad():
        return call_with(module, x, lambda tensor: tensor.to("meta"))


def call_with(module: nn.Module, x: Any, substitute: Callable[[Tensor], Tensor]) -> Any:
    """The module's output where others stand in for its parameters and buffers, which stay as they are.

    Each inner module is visited once and each of its tensors named, for PyTorch's own search of what is tied together
    leaves the substitutes of a module that is used twice within it.
    """
    tensors = {
        f"{path}.{name}" if path else name: substitute(tensor)
        for path, inner in module.named_modules()
        for name, tensor in (*inner._parameters.items(), *inner._buffers.items())
        if tensor is not None
    }
    return torch.func.functional_call(module, tensors, (x,), tie_weights=False)


def shape_text(x: Any) -> str:
    """`(N, 20, 12, 12)`: a shape whose first axis is the batch; of sequences `(N, T, 20)`, T being various."""
    if isinstance(x, Sequences):
        return "(" + ", ".join(["N", "T", *map(str, x.values.shape[1:])]) + ")"
    if isinstance(x, Tensor):
        return "(" + ", ".join(["N", *map(str, x.shape[1:])]) + ")"
    return type(x).__name__


def _reason(error: Exception) -> str:
    return str(error).strip().split("\n")[0].rstrip(".")


def fill(specs: Sequence[Spec], outputs: int | None, init: Spec | None) -> list[Spec]:
    """Replace `outputs` by the width the objective asks for, and give every layer without an `init` the recipe's.

    Raises `RecipeError` where `outputs` is used and the objective asks for none.
    """

    def filled(value: Any) -> Any:
        if isinstance(value, Spec):
            options = {name: filled(option) for name, option in value.options.items()}
            if init is not None and value.kind == "layer" and "init" in options and options["init"] is None:
                options["init"] = init
            if "outputs" in options.values() and outputs is None:
                raise BuildError(
                    "outputs is the width that an objective asks for, and none asks here: give a number",
                    value.name,
                    value.place,
                )
            return Spec(value.kind, value.name, options, value.place)
        if isinstance(value, list):
            return [filled(item) for item in value]
        return outputs if isinstance(value, str) and value == "outputs" and outputs is not None else value

    return [filled(spec) for spec in specs]
