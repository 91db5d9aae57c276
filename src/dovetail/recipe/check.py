"""Checks what a user chose against a signature: signatures are the schema, of parts and of recipe sections alike.

Four forms of annotation have a meaning of their own: a spec of some kind, a chain of layers, a section (a
dataclass) and a mapping from names to specs or sections. Everything else is pydantic's, strictly: a number is not a
text.
"""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from functools import cache, lru_cache
from typing import Annotated, Any, Union, get_args, get_origin

import annotated_types
from pydantic import ConfigDict, TypeAdapter, ValidationError

from .errors import RecipeError, nearest
from .node import Node
from .place import fail
from .spec import Of, Part, Spec, find, known

MISSING = inspect.Parameter.empty


def check(annotation: Any, node: Node, path: str, what: str = "") -> Any:
    """Turn a node into the value that an annotation asks for, or fail at its place.

    `path` says where in the recipe, `what` names the value in a message ("option 'kernel'").
    """
    base, marks = unwrap(annotation)
    of = next((mark for mark in marks if isinstance(mark, Of)), None)
    if of and of.chain:
        return _chain(of.kind, node, path, what)
    if of:
        return _spec(of.kind, node, path, what)
    if "size" in marks:
        return _size(node, path, what)
    if is_union(base):
        members = [member for member in get_args(base) if member is not types.NoneType]
        if node.value is None and len(members) < len(get_args(base)):
            return None
        if len(members) == 1:
            return check(members[0], node, path, what)
    if dataclasses.is_dataclass(base):
        return check_section(base, node, path)
    if get_origin(base) is list and has_specs(annotation):
        if not isinstance(node.value, list):
            fail(f"{what or 'this'} takes a list, not {node.shown()}", path, node.place)
        item = get_args(base)[0]
        return [check(item, child, f"{path}[{index}]") for index, child in enumerate(node.value)]
    if get_origin(base) is dict and (has_specs(annotation) or is_section(annotation)):
        if not isinstance(node.value, dict):
            fail(f"{what or 'this'} takes names with their settings, not {node.shown()}", path, node.place)
        item = get_args(base)[1]
        return {key: check(item, child, f"{path}[{key!r}]") for key, child in node.value.items()}
    return _plain(annotation, node, path, what)


def check_options(part: Part[Any], node: Node, path: str) -> dict[str, Any]:
    """The options of a part, complete and checked. `path` already names the part."""
    return _fields(
        {name: (parameter.annotation, parameter.default) for name, parameter in part.parameters.items()},
        node,
        path,
        "option",
        nested=path.rsplit(" ", 1)[0] + "." + part.name if " " in path else part.name,
    )


def check_section(section: Any, node: Node, path: str) -> Any:
    """A section of a recipe: a dataclass whose fields are the options."""
    if isinstance(node.value, section):
        return node.value
    if node.value is None:
        node = Node({}, node.place)
    if not isinstance(node.value, dict):
        fail(f"takes settings ({', '.join(section_fields(section))}), not {node.shown()}", path, node.place)
    return section(**_fields(section_fields(section), node, path, "setting", nested=path))


@lru_cache
def section_fields(section: Any) -> dict[str, tuple[Any, Any]]:
    """Name to (annotation, default) of a section's fields, in order."""
    hints = typing.get_type_hints(section, include_extras=True)
    fields = {}
    for item in dataclasses.fields(section):
        default = item.default
        if item.default_factory is not dataclasses.MISSING:
            default = item.default_factory()
        fields[item.name] = (hints[item.name], MISSING if default is dataclasses.MISSING else default)
    return fields


def _fields(fields: dict[str, tuple[Any, Any]], node: Node, path: str, noun: str, nested: str) -> dict[str, Any]:
    for key in node.value:
        if key not in fields:
            known_words = nearest(str(key), fields) or "It takes none."
            fail(f"unknown {noun} '{key}'. {known_words}", path, node.key_place(key))
    values = {}
    for name, (annotation, default) in fields.items():
        child = node.value.get(name)
        if child is None and default is MISSING:
            fail(f"{noun} '{name}' is missing: {describe(annotation)}", path, node.place)
        if child is None:
            values[name] = default
            continue
        child.place = child.place or node.key_place(name)
        inner = f"{nested}.{name}" if nested else name
        if noun == "option" and has_specs(annotation):
            first = next(iter(fields)) == name
            values[name] = check(annotation, child, nested if first else inner, f"option '{name}'")
        elif has_specs(annotation) or is_section(annotation):
            values[name] = check(annotation, child, inner)
        else:
            values[name] = check(annotation, child, path, f"{noun} '{name}'")
    return values


def _chain(kind: str, node: Node, path: str, what: str) -> list[Spec]:
    if not isinstance(node.value, list):
        node = Node([node], node.place)
    specs = []
    for index, child in enumerate(node.value):
        inner = f"{path}[{index}]"
        if isinstance(child.value, list) and kind == "layer":
            layers = _chain(kind, child, inner, what)
            specs.append(Spec(kind, "chain", {"layers": layers}, child.place))
        else:
            specs.append(_spec(kind, child, inner, what))
    return specs


def _spec(kind: str, node: Node, path: str, what: str) -> Spec:
    value = node.value
    if isinstance(value, Spec):
        if value.kind != kind:
            fail(f"{value.name} is {a(value.kind)}, expected {a(kind)}", path, node.place)
        return value
    if isinstance(value, Part):
        if value.kind != kind:
            fail(f"{value.name} is {a(value.kind)}, expected {a(kind)}", path, node.place)
        return value()
    node = expand(kind, node)
    if not isinstance(node.value, dict):
        subject = f"{what} takes" if what else "takes"
        fail(f"{subject} the name of {a(kind)} ({', '.join(known(kind))}), not {node.shown()}", path, node.place)
    if len(node.value) != 1:
        names = ", ".join(map(str, node.value))
        fail(f"{a(kind)} is one name with its options, not {len(node.value)} ({names or 'none'})", path, node.place)
    name, options = next(iter(node.value.items()))
    place = node.key_place(name)
    try:
        part = find(kind, name)
    except RecipeError as error:
        fail(str(error), path, place)
    if options.place is None:
        options.place = place
    return Spec(kind, name, check_options(part, options, f"{path} {name}".strip()), place)


def expand(kind: str, node: Node) -> Node:
    """Write a part's short forms out: `relu` as {relu: {}}, `maxpool: 2` as {maxpool: {size: 2}}.

    A bare number where a schedule is expected is a constant.
    """
    value = node.value
    if isinstance(value, str):
        return Node({value: Node({}, node.place)}, node.place, {value: node.place})
    if kind == "schedule" and isinstance(value, int | float) and not isinstance(value, bool):
        return Node({"constant": Node({"value": node}, node.place)}, node.place)
    if isinstance(value, dict) and len(value) == 1:
        name, options = next(iter(value.items()))
        if options.value is None:
            options = Node({}, options.place)
        elif not isinstance(options.value, dict):
            first = find(kind, name).first if name in known(kind) else None
            if name in known(kind) and first is None:
                fail(f"takes no options, not {options.shown()}", name, options.place)
            options = Node({first or "": options}, options.place)
        return Node({name: options}, node.place, node.keys)
    return node


def _size(node: Node, path: str, what: str) -> Any:
    value = node.value
    if value == "outputs" or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    hint = f". {nearest(value, ['outputs'])}" if isinstance(value, str) else ""
    fail(f"{what} takes a whole number above 0 or outputs, not {node.shown()}{hint}", path, node.place)


@cache
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True, allow_inf_nan=False))


def _plain(annotation: Any, node: Node, path: str, what: str) -> Any:
    try:
        return _adapter(annotation).validate_python(node.plain(), strict=True)
    except ValidationError:
        hint = ""
        if isinstance(node.value, str):
            words = [word for word in _literals(annotation) if isinstance(word, str)]
            hint = f". {nearest(node.value, words)}" if words else ""
        subject = f"{what} takes" if what else "takes"
        fail(f"{subject} {describe(annotation)}, not {node.shown()}{hint}", path, node.place)


def describe(annotation: Any) -> str:
    """What an annotation accepts, in words.

    >>> describe(int | None)
    'a whole number or nothing'
    """
    base, marks = unwrap(annotation)
    of = next((mark for mark in marks if isinstance(mark, Of)), None)
    if of:
        return f"a list of {of.kind}s" if of.chain else f"{a(of.kind)}: {', '.join(known(of.kind))}"
    if "size" in marks:
        return "a whole number above 0 or outputs"
    words = next((mark for mark in marks if isinstance(mark, str)), None)
    if words:
        return words
    if get_origin(base) is typing.Literal:
        *others, last = map(str, get_args(base))
        return f"{', '.join(others)} or {last}" if others else last
    if is_union(base):
        return " or ".join(describe(member) for member in get_args(base))
    if get_origin(base) is list:
        return f"a list ({describe(get_args(base)[0])} each)"
    if get_origin(base) is dict:
        return "a mapping"
    if base is Any:
        return "anything"
    names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
    text = names.get(base, "nothing" if base is types.NoneType else getattr(base, "__name__", str(base)))
    return text + _bounds(marks)


def a(kind: str) -> str:
    """The word with its article.

    >>> a("layer"), a("objective")
    ('a layer', 'an objective')
    """
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def _bounds(marks: tuple[Any, ...]) -> str:
    # pydantic's Field spreads its bounds over annotated_types marks in its metadata
    flat = [inner for mark in marks for inner in (getattr(mark, "metadata", None) or [mark])]
    words = []
    for mark in flat:
        if isinstance(mark, annotated_types.Gt):
            words.append(f"above {mark.gt}")
        elif isinstance(mark, annotated_types.Ge):
            words.append(f"at least {mark.ge}")
        elif isinstance(mark, annotated_types.Lt):
            words.append(f"below {mark.lt}")
        elif isinstance(mark, annotated_types.Le):
            words.append(f"at most {mark.le}")
    return " " + " and ".join(words) if words else ""


def unwrap(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """Split `Annotated[T, marks]` into T and its marks."""
    if get_origin(annotation) is Annotated:
        return get_args(annotation)[0], get_args(annotation)[1:]
    return annotation, ()


def has_specs(annotation: Any) -> bool:
    """Whether an annotation holds specs anywhere inside."""
    base, marks = unwrap(annotation)
    return any(isinstance(mark, Of) for mark in marks) or any(has_specs(inner) for inner in get_args(base))


def is_section(annotation: Any) -> bool:
    """Whether an annotation is a section of a recipe, or holds one."""
    base, _ = unwrap(annotation)
    return dataclasses.is_dataclass(base) or any(is_section(inner) for inner in get_args(base))


def is_union(base: Any) -> bool:
    """Whether an annotation is `A | B`, however it is spelt."""
    return get_origin(base) in (Union, types.UnionType)


def _literals(annotation: Any) -> list[Any]:
    base, _ = unwrap(annotation)
    if get_origin(base) is typing.Literal:
        return list(get_args(base))
    return [word for inner in get_args(base) for word in _literals(inner)]
