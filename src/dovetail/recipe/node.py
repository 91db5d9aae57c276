"""The tree a recipe is read into: plain values, each with the place where it was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .place import Place


@dataclass
class Node:
    """A value of a recipe (None, bool, number, text, list or mapping of nodes) and its place, if it has one.

    A value that came from Python stays what it is (a spec, an array) in a leaf.
    """

    value: Any
    place: Place | None = None
    keys: dict[str, Place | None] = field(default_factory=dict)  # where each key of a mapping stands

    @classmethod
    def of(cls, value: Any) -> Node:
        """Wrap Python data; tuples become lists, NumPy scalars numbers."""
        if isinstance(value, Node):
            return value
        if isinstance(value, Mapping):
            return cls({key: cls.of(item) for key, item in value.items()})
        if isinstance(value, list | tuple):
            return cls([cls.of(item) for item in value])
        if isinstance(value, np.generic):
            return cls(value.item())
        return cls(value)

    def plain(self) -> Any:
        """The value without places."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def key_place(self, key: str) -> Place | None:
        return self.keys.get(key) or self.place

    def shown(self) -> str:
        """The value as an error message quotes it."""
        value = self.plain()
        if value is None:
            return "nothing"
        if isinstance(value, bool):
            return "true" if value else "false"
        text = f"'{value}'" if isinstance(value, str) else str(value)
        return text if len(text) <= 60 else text[:57] + "..."
