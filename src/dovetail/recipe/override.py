"""Dotted overrides: `network.0.conv.filters=32`, `data.mnist.root=data`, `seed=3`, on the tree before it is checked.

An option of the objective may be named alone: `smoothing=0.1`.

The path walks the tree together with the annotations, so short forms need not be written out first, and a path
that names another part of the same kind replaces the part.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from typing import Any, get_args, get_origin

from .check import a, describe, expand, has_specs, section_fields, unwrap
from .errors import nearest
from .language import read_nodes
from .node import Node
from .place import Place, fail
from .spec import Of, find, known

COMMAND_LINE = "command line"


def override(root: Node, assignments: Iterable[str], schema: Any) -> Node:
    """Apply `path=value` texts to the tree of a recipe, in order."""
    for text in assignments:
        path, equals, value = text.partition("=")
        whole = Place(COMMAND_LINE, 0, 1, len(text), text)
        if not equals or not path.strip(". "):
            fail("an override is written path=value, like epochs=20", "", whole)
        node = read_nodes(value, COMMAND_LINE, line=False)
        _shift(node, text, len(path) + 1)
        words = [
            (match.group(0).strip("'\""), Place(COMMAND_LINE, 0, match.start() + 1, len(match.group(0)), text))
            for match in re.finditer(r"\"[^\"]*\"|'[^']*'|[^.]+", path)
        ]
        root = _set(schema, root, _whole_path(schema, root, words), node, "", whole)
    return root


def _whole_path(schema: Any, root: Node, words: list[tuple[str, Place]]) -> list[tuple[str, Place]]:
    """The path; of an option of the objective that is named alone, the way to it: `margin=2`."""
    (word, place), fields = words[0], section_fields(schema)
    if len(words) > 1 or word in fields or "objective" not in fields or word not in _options_alone(root):
        return words
    return [("objective", place), (_objective(root), place), *words]


def _objective(root: Node | None) -> str:
    """The name of the objective that a recipe has, "" where it has none."""
    written = root.value.get("objective") if root and isinstance(root.value, dict) else None
    if written is None:
        return ""
    return str(next(iter(written.value), "")) if isinstance(written.value, dict) else str(written.value)


def _options_alone(root: Node | None) -> list[str]:
    """The options of the objective, which may be named alone."""
    name = _objective(root)
    return list(find("objective", name).parameters) if name in known("objective") else []


def _shift(node: Node, text: str, offset: int) -> None:
    def move(place: Place | None) -> Place | None:
        return place and Place(COMMAND_LINE, 0, place.column + offset, place.length, text)

    node.place = move(node.place)
    node.keys = {key: move(place) for key, place in node.keys.items()}
    children = node.value.values() if isinstance(node.value, dict) else node.value
    for child in children if isinstance(node.value, dict | list) else ():
        _shift(child, text, offset)


def _set(annotation: Any, node: Node | None, words: list[tuple[str, Place]], value: Node, path: str, at: Place) -> Node:
    """The node with `value` put at the end of `words`, a walk that both the tree and the annotation allow."""
    if not words:
        return value
    base, marks = unwrap(annotation)
    members = [member for member in get_args(base) if member is not type(None)]
    if get_origin(base) not in (None, list, dict) and len(members) == 1:
        base, marks = unwrap(members[0])
    of = next((mark for mark in marks if isinstance(mark, Of)), None)
    (word, place), rest = words[0], words[1:]
    if of and not of.chain:
        return _set_part(of.kind, node, words, value, path, at)
    if of or get_origin(base) is list:
        inner = Of(of.kind) if of else None
        item = dataclasses.replace(inner) if inner else get_args(base)[0]
        items = list(node.value) if node and isinstance(node.value, list) else []
        if not word.isdigit() or int(word) >= len(items):
            fail(f"'{word}' is not a place in this list: 0 to {len(items) - 1}", path, place)
        child, index = items[int(word)], int(word)
        nested = isinstance(child.value, list) and of
        kind = annotation if nested else _as_annotation(item)
        items[index] = _set(kind, child, rest, value, f"{path}[{index}]", at)
        return Node(items, node.place if node else at)
    if dataclasses.is_dataclass(base):
        fields = section_fields(base)  # type: ignore[arg-type]
        if word not in fields:
            alone = [] if path else _options_alone(node)
            fail(f"unknown setting '{word}'. {nearest(word, fields, alone)}", path, place)
        return _put(node, word, place, fields[word][0], rest, value, f"{path}.{word}" if path else word, at)
    if get_origin(base) is dict:
        # the names of a mapping may hold dots ("*.bias"): all but the setting's own name belong to it
        whole = has_specs(base)
        names, last = (words[:-1], words[-1:]) if len(words) > 1 and not whole else (words, [])
        key = ".".join(name for name, _ in names)
        return _put(node, key, place, get_args(base)[1], last, value, f"{path}['{key}']", at)
    fail(f"has no parts to set ('{word}'): it is {describe(annotation)}", path, place)


def _as_annotation(item: Any) -> Any:
    from typing import Annotated

    return Annotated[Any, item] if isinstance(item, Of) else item


def _put(
    node: Node | None,
    key: str,
    place: Place,
    annotation: Any,
    rest: list[tuple[str, Place]],
    value: Node,
    path: str,
    at: Place,
) -> Node:
    values = dict(node.value) if node and isinstance(node.value, dict) else {}
    keys = dict(node.keys) if node else {}
    values[key] = _set(annotation, values.get(key), rest, value, path, at)
    keys[key] = place
    return Node(values, node.place if node else at, keys)


def _set_part(kind: str, node: Node | None, words: list[tuple[str, Place]], value: Node, path: str, at: Place) -> Node:
    (word, place), rest = words[0], words[1:]
    node = expand(kind, node) if node else Node({}, at)
    current = next(iter(node.value), None) if isinstance(node.value, dict) else None
    if word not in known(kind):
        options = find(kind, current).parameters if current and current in known(kind) else {}
        if current and (word in options or "Known" not in nearest(word, options)) and options:
            close = word if word in options else nearest(word, options).split("'")[1]
            fail(f"'{word}' is not {a(kind)}. Did you mean '{path_of(path)}.{current}.{close}'?", path, place)
        fail(f"unknown {kind} '{word}'. {nearest(word, known(kind))}", path, place)
    if not rest:
        return expand(kind, Node({word: value}, at, {word: place}))
    options_node = node.value[word] if word == current else Node({}, place)
    parameters = find(kind, word).parameters
    name, name_place = rest[0]
    if name not in parameters:
        fail(f"unknown option '{name}'. {nearest(name, parameters)}", f"{path} {word}".strip(), name_place)
    inner = f"{path}.{word}.{name}"
    changed = _put(options_node, name, name_place, parameters[name].annotation, rest[1:], value, inner, at)
    return Node({word: changed}, node.place, {word: place if word != current else node.key_place(word)})


def path_of(path: str) -> str:
    """`network[0]` as an override writes it: `network.0`."""
    return re.sub(r"\[(\d+)\]", r".\1", path)
