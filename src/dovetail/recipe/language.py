"""The YAML form of recipes: text to nodes with places, overrides upon them, and back to text.

YAML's traps are taken out: `1e-3` is a number, `no` and `on` are words, `010` is ten, dates and base-60 numbers are
texts, keys may not repeat, and a file can neither name Python code nor grow beyond its own size by anchors.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from .errors import RecipeError
from .node import Node
from .place import Place, fail
from .spec import Spec

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MOST_NODES = 100_000
_DEEPEST = 100
_TAGS = {"null", "bool", "int", "float", "str", "seq", "map"}
_WORDS = {"null": None, "~": None, "": None, "true": True, "false": False}
_INTEGER = re.compile(r"[-+]?[0-9]+$")
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$|[-+]?\.(inf|Inf|INF)$|\.(nan|NaN|NAN)$")
_RESOLVERS = (
    ("tag:yaml.org,2002:null", re.compile(r"(null|~|)$"), ["n", "~", ""]),
    ("tag:yaml.org,2002:bool", re.compile(r"(true|false)$"), ["t", "f"]),
    ("tag:yaml.org,2002:int", _INTEGER, list("-+0123456789")),
    ("tag:yaml.org,2002:float", _NUMBER, list("-+.0123456789")),
)


class _Loader(_Base):  # type: ignore[misc]
    yaml_implicit_resolvers: dict[str, Any] = {}


class _Dumper(yaml.SafeDumper):
    yaml_implicit_resolvers: dict[str, Any] = {}

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _tag, _pattern, _first in _RESOLVERS:
    _Loader.add_implicit_resolver(_tag, _pattern, _first)
    _Dumper.add_implicit_resolver(_tag, _pattern, _first)


def read_nodes(text: str, file: str, line: bool = True) -> Node:
    """Read YAML text into nodes with places; `line=False` for the value of an override."""
    lines = text.splitlines() or [""]

    def place(mark: Any, end: Any = None) -> Place:
        index = min(mark.line, len(lines) - 1)
        length = end.column - mark.column if end is not None and end.line == mark.line else len(lines[index])
        return Place(file, mark.line + 1 if line else 0, mark.column + 1, max(length, 1), lines[index])

    try:
        _require_shallow(text, place)
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        problem = (error.problem or "cannot be read").strip()
        fail(f"not valid YAML: {problem}", "", place(error.problem_mark) if error.problem_mark else None)
    except (yaml.YAMLError, ValueError) as error:
        raise RecipeError(f"{file}: not valid YAML: {str(error).splitlines()[0]}") from None
    if root is None:
        return Node(None, Place(file, 1 if line else 0, 1, 1, lines[0]))
    return _Convert(place).node(root, ())


def _require_shallow(text: str, place: Any) -> None:
    """Refuse deep nesting by the events, which come one at a time: composing recurses in C, which can crash."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            fail(f"nesting deeper than {_DEEPEST}", "", place(event.start_mark, event.end_mark))


class _Convert:
    def __init__(self, place: Any) -> None:
        self.place, self.count = place, 0

    def node(self, item: yaml.Node, above: tuple[int, ...]) -> Node:
        here = self.place(item.start_mark, item.end_mark)
        self.count += 1
        if self.count > _MOST_NODES:
            fail(f"more than {_MOST_NODES} values, counting what anchors repeat", "", here)
        if id(item) in above or len(above) > _DEEPEST:
            fail(f"an anchor that contains itself, or nesting deeper than {_DEEPEST}", "", here)
        above = (*above, id(item))
        if item.tag.rsplit(":", 1)[-1] not in _TAGS or not item.tag.startswith("tag:yaml.org,2002:"):
            fail(f"the tag {item.tag} has no meaning in a recipe", "", here)
        if isinstance(item, yaml.ScalarNode):
            return Node(self.scalar(item, here), here)
        if isinstance(item, yaml.SequenceNode):
            return Node([self.node(child, above) for child in item.value], here)
        values: dict[str, Node] = {}
        keys: dict[str, Place | None] = {}
        for key, child in item.value:
            at = self.place(key.start_mark, key.end_mark)
            if not isinstance(key, yaml.ScalarNode):
                fail("a key must be a single word", "", at)
            if key.value in values:
                fail(f"'{key.value}' stands twice in one mapping", "", at)
            values[key.value], keys[key.value] = self.node(child, above), at
        return Node(values, here, keys)

    def scalar(self, item: yaml.ScalarNode, here: Place) -> Any:
        kind = item.tag.rsplit(":", 1)[-1]
        if kind in ("null", "bool"):
            return _WORDS[item.value]
        if kind == "int" and len(item.value) < 20:
            return int(item.value)
        if kind in ("int", "float"):
            return float(item.value.lower().replace(".inf", "inf").replace(".nan", "nan"))
        return item.value


def plain(value: Any, complete: bool = False) -> Any:
    """Specs as YAML data: short forms where they say the same, every option written out where `complete`."""
    if isinstance(value, Spec):
        chosen = value.options if complete else value.chosen()
        options = {name: plain(option, complete) for name, option in chosen.items()}
        if not options:
            return value.name
        short = list(options) == [value.part.first] and not isinstance(next(iter(options.values())), dict)
        return {value.name: next(iter(options.values())) if short and not complete else options}
    if isinstance(value, dict):
        return {key: plain(item, complete) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, complete) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def write(data: Any) -> str:
    """YAML text of plain data, leaves in one line: `- conv: {filters: 20, kernel: 5}`."""
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=110, allow_unicode=True)
    return text
