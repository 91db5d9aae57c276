"""What there is: recipes and registered parts, with their options and first lines."""

from __future__ import annotations

import inspect
from typing import Any

from . import kinds
from .check import MISSING
from .errors import UsageError, nearest
from .language import plain
from .recipe import load, shipped
from .spec import Part, register_rooms


def listing(kind: str | None = None) -> dict[str, list[dict[str, str]]]:
    """Every recipe and part by kind: name, options with their defaults, and a line on what it is.

    Raises `UsageError` for a kind there is not.
    """
    register_rooms()
    found = {"recipes": [_recipe(name) for name in shipped()]}
    found |= {each.plural: [_part(part) for part in each] for each in kinds}
    found = {plural: items for plural, items in found.items() if items}
    if kind is None:
        return found
    plural = kind if kind.endswith("s") else f"{kind}s"
    if plural not in found:
        raise UsageError(f"there are no '{kind}'. {nearest(kind, found)}")
    return {plural: found[plural]}


def listing_text(found: dict[str, list[dict[str, str]]]) -> str:
    """The listing for people."""
    lines = []
    for plural, items in found.items():
        lines.append(plural)
        for item in items:
            lines.append(f"  {item['name']}{'  ' + item['options'] if item['options'] else ''}")
            lines.append(f"      {item['summary']}")
    return "\n".join(lines)


def _recipe(name: str) -> dict[str, str]:
    about = load(name).about
    return {"name": name, "options": "", "summary": str(about.get("title", ""))}


def _part(part: Part[Any]) -> dict[str, str]:
    words = []
    for parameter in part.parameters.values():
        required = parameter.default is inspect.Parameter.empty or parameter.default is MISSING
        words.append(parameter.name if required else f"{parameter.name}={_shown(parameter.default)}")
    return {"name": part.name, "options": ", ".join(words), "summary": part.summary}


def _shown(default: Any) -> str:
    value = plain(default)
    if value is None:
        return "nothing"
    return str(value).lower() if isinstance(value, bool) else str(value)
