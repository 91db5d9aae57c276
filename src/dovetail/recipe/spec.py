"""Specs and the registry: every part a recipe can name is a plain function, curried.

A part is a function of *what the system already knows* (its first argument) and *what the user chooses* (the
rest). Its decorator registers it and hands back the curried form: calling that checks the options against the
function's signature and returns a `Spec`, a frozen and serializable description; `Spec.make(known)` calls the
function itself. The signature is the only schema there is.
"""

from __future__ import annotations

import importlib
import inspect
import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Annotated, Any, Concatenate, Generic, Literal, ParamSpec, TypeVar

from .errors import DovetailError, RecipeError, UsageError, nearest
from .place import Place, fail

P = ParamSpec("P")
K = TypeVar("K", contravariant=True)
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Spec:
    """A part by name with all its options, defaults included: `conv(20, kernel=5)`.

    Two specs are equal when kind, name and options are; where a spec was written does not count.

    >>> import dovetail as dt
    >>> dt.conv(20, kernel=5)
    conv(20, kernel=5)
    >>> dt.conv(20, 5) == dt.conv(filters=20, kernel=5, stride=1)
    True
    """

    kind: str
    name: str
    options: dict[str, Any]
    place: Place | None = field(default=None, compare=False)

    @property
    def part(self) -> Part[Any]:
        return find(self.kind, self.name)

    def make(self, *known: Any) -> Any:
        """Call the part's function: the standard object it describes."""
        return self.part.function(*known, **self.options)

    def make_at(self, path: str, *known: Any) -> Any:
        """`make`, and what the part refuses is told with its place in the recipe."""
        try:
            return self.make(*known)
        except ValueError as error:
            if isinstance(error, DovetailError):
                raise
            fail(str(error), f"{path} {self.name}", self.place)

    def chosen(self) -> dict[str, Any]:
        """The options that differ from their defaults, in the order of the signature."""
        parameters = self.part.parameters
        return {name: value for name, value in self.options.items() if not _same(value, parameters[name].default)}

    def replace(self, **options: Any) -> Spec:
        """The same spec with some options changed (unchecked: for values that the system fills in)."""
        return Spec(self.kind, self.name, {**self.options, **options}, self.place)

    def __repr__(self) -> str:
        words, positional = [], True
        chosen = self.chosen()
        for name in self.options:
            if name not in chosen:
                positional = False
            else:
                words.append(repr(chosen[name]) if positional else f"{name}={chosen[name]!r}")
                positional = False  # only the first option is customarily given without its name
        return f"{self.name}({', '.join(words)})"


def _same(value: Any, default: Any) -> bool:
    return type(value) is type(default) and bool(value == default)


class Part(Generic[P]):
    """The curried form of a registered function; calling it gives a checked `Spec`."""

    def __init__(self, kind: str, function: Callable[..., Any]) -> None:
        self.kind = kind
        self.name = function.__name__
        self.function = function
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__
        self.__module__ = function.__module__
        self.__wrapped__ = function  # doctest, inspect and editors follow this to the function

    @cached_property
    def parameters(self) -> dict[str, inspect.Parameter]:
        """What the user chooses: the signature without what the system gives, annotations resolved."""
        hints = typing.get_type_hints(self.function, include_extras=True)
        chosen = list(inspect.signature(self.function).parameters.values())[1:]
        return {p.name: p.replace(annotation=hints.get(p.name, Any)) for p in chosen}

    @property
    def first(self) -> str | None:
        """The option that `name: value` without a name sets."""
        return next(iter(self.parameters), None)

    @property
    def sees_time(self) -> bool:
        """Whether a layer or an objective takes `Sequences` as such, not each of their places as an example."""
        return getattr(self.function, "sees_time", False)

    @property
    def summary(self) -> str:
        """The first line of the docstring."""
        return (inspect.getdoc(self.function) or "").split("\n")[0]

    def __call__(self, *args: P.args, **options: P.kwargs) -> Spec:
        from .check import check_options
        from .node import Node

        names = list(self.parameters)
        if len(args) > len(names):
            raise RecipeError(f"{self.name}: takes {len(names)} options ({', '.join(names)}), not {len(args)}")
        given: dict[str, Any] = dict(zip(names, args, strict=False))
        for name, value in options.items():
            if name in given:
                raise RecipeError(f"{self.name}: option '{name}' is given twice")
            given[name] = value
        return Spec(self.kind, self.name, check_options(self, Node.of(given), self.name))

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}>"


def sees_time(function: F) -> F:
    """Marks a layer or an objective that takes `Sequences` as such; any other takes each place as an example."""
    function.sees_time = True  # type: ignore[attr-defined]
    return function


_parts: dict[str, dict[str, Part[Any]]] = {}


class Kind(Generic[K, R]):
    """A decorator that registers functions of one kind: `layer`, `objective`, `rule`, ...

    A second registration under a taken name is refused, so that a part never changes its meaning silently.
    """

    def __init__(self, name: str, plural: str) -> None:
        self.name, self.plural = name, plural
        _parts[name] = {}

    def __call__(self, function: Callable[Concatenate[K, P], R]) -> Part[P]:
        return self._register(function)

    def _register(self, function: Callable[..., Any]) -> Part[Any]:
        part: Part[Any] = Part(self.name, function)
        taken = _parts[self.name].get(part.name)
        if taken and taken.function.__qualname__ + taken.__module__ != function.__qualname__ + function.__module__:
            raise UsageError(f"{self.name} '{part.name}' is already registered by {taken.__module__}")
        _parts[self.name][part.name] = part
        return part

    def __iter__(self) -> Iterator[Part[Any]]:
        return iter(_parts[self.name].values())


@cache
def register_rooms() -> None:
    """Import the rooms whose parts recipes name. By name: nothing here depends on what they hold."""
    for room in ("layers", "objectives", "optim", "data", "synthetic", "search"):
        importlib.import_module(f"dovetail.{room}")


def find(kind: str, name: str) -> Part[Any]:
    """The registered part, or a `RecipeError` with the nearest known name."""
    try:
        return _parts[kind][name]
    except KeyError:
        raise RecipeError(f"unknown {kind} '{name}'. {nearest(name, _parts[kind])}") from None


def known(kind: str) -> Sequence[str]:
    """The names registered under a kind."""
    return list(_parts[kind])


@dataclass(frozen=True)
class Of:
    """Marks an annotation as "a spec of this kind"; `chain` as "a list of them"."""

    kind: str
    chain: bool = False


Size = Annotated[int | Literal["outputs"], "size"]
"""A width: a positive number, or `outputs`, the width that the objective asks for."""

Layers = Annotated[list[Spec], Of("layer", chain=True)]
"""A chain of layers; a nested list is a chain within it."""

InitSpec = Annotated[Spec, Of("init")]
ObjectiveSpec = Annotated[Spec, Of("objective")]
RuleSpec = Annotated[Spec, Of("rule")]
ScheduleSpec = Annotated[Spec, Of("schedule")]
Schedules = Annotated[list[Spec], Of("schedule", chain=True)]
AverageSpec = Annotated[Spec, Of("average")]
Ranges = dict[str, Annotated[Spec, Of("range")]]
"""Settings by their dotted paths, each with what it may be."""

SourceSpec = Annotated[Spec, Of("source")]
Transforms = Annotated[list[Spec], Of("transform", chain=True)]
