"""What there is: recipes, registered parts and the sections of a recipe, with their options and what they are."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from typing import Any, get_args

from . import kinds
from .check import MISSING, describe, section_fields, unwrap
from .errors import UsageError, nearest
from .language import plain
from .recipe import Recipe, load, shipped
from .spec import Of, Part, Spec, register_rooms


def listing(kind: str | None = None) -> dict[str, list[dict[str, str]]]:
    """Every recipe, section of a recipe and part by kind: name, options with their defaults, and what it is.

    `kind` may be a name, too: of a recipe or a setting (`after`, `stop.after`), or of a part, which is then told whole.
    Raises `UsageError` for what there is not.

    >>> listing("stop")["stop"][1]["name"], listing("stop")["stop"][1]["options"]
    ('after', '5 epochs')
    >>> [(plural, item["name"]) for plural, items in listing("dropout").items() for item in items]
    [('recipes', 'dropout'), ('layers', 'dropout')]
    """
    register_rooms()
    found = {"recipes": [_recipe(name) for name in shipped()]}
    found |= {name: _section(section) for name, section in sections(Recipe, "settings")}
    found |= {each.plural: [_part(part, whole=part.name == kind) for part in each] for each in kinds}
    found = {plural: items for plural, items in found.items() if items}
    if kind is None:
        return found
    plural = kind if kind in found else f"{kind}s"
    if plural in found:
        return {plural: found[plural]}
    section, _, setting = kind.rpartition(".")
    if section in found and (own := [item for item in found[section] if item["name"] == setting]):
        return {section: own}
    names = {item["name"] for items in found.values() for item in items} - {""}  # which a section's own words have
    if kind not in names:
        raise UsageError(f"nothing is named '{kind}'. {nearest(kind, found, names)}")
    named = {plural: [item for item in items if item["name"] == kind] for plural, items in found.items()}
    return {plural: items for plural, items in named.items() if items}


def sections(section: Any, name: str) -> Iterator[tuple[str, Any]]:
    """A section and all within it, each by the name of the setting that holds it."""
    yield name, section
    for inner, (annotation, _) in section_fields(section).items():
        for held in filter(_is_section, _inside(annotation)):
            yield from sections(held, inner)


def listing_text(found: dict[str, list[dict[str, str]]]) -> str:
    """The listing for people."""
    lines = []
    for plural, items in found.items():
        lines.append(plural)
        for item in items:
            if item["name"]:  # what a section is comes before its settings
                lines.append(f"  {item['name']}{'  ' + item['options'] if item['options'] else ''}")
            lines += [f"      {line}".rstrip() for line in item["summary"].split("\n")]
    return "\n".join(lines)


def _recipe(name: str) -> dict[str, str]:
    about = load(name).about
    return {"name": name, "options": "", "summary": str(about.get("title", ""))}


def _part(part: Part[Any], whole: bool = False) -> dict[str, str]:
    words = []
    for parameter in part.parameters.values():
        required = parameter.default is inspect.Parameter.empty or parameter.default is MISSING
        words.append(parameter.name if required else f"{parameter.name}={_shown(parameter.default)}")
    return {"name": part.name, "options": ", ".join(words), "summary": _told(part) if whole else part.summary}


def _told(part: Part[Any]) -> str:
    """What a part's docstring says, but for its example."""
    return (inspect.getdoc(part.function) or "").split(">>> ")[0].rstrip()


def _section(section: Any) -> list[dict[str, str]]:
    """What it is, and each of its settings."""
    fields = section_fields(section).items()
    settings = [
        {"name": name, "options": "" if default is MISSING else _shown(default), "summary": _takes(name, annotation)}
        for name, (annotation, default) in fields
    ]
    return [{"name": "", "options": "", "summary": inspect.getdoc(section) or ""}, *settings]


def _takes(name: str, annotation: Any) -> str:
    """What a setting may be; of parts and of sections where they are listed."""
    inside = list(_inside(annotation))
    kind = next((mark.kind for mark in inside if isinstance(mark, Of)), None)
    if kind:
        return f"dovetail list {next(each.plural for each in kinds if each.name == kind)}"
    return f"dovetail list {name}" if any(map(_is_section, inside)) else describe(annotation)


def _is_section(base: Any) -> bool:
    return isinstance(base, type) and dataclasses.is_dataclass(base) and base is not Spec


def _inside(annotation: Any) -> Iterator[Any]:
    """An annotation's base and marks, at any depth."""
    base, marks = unwrap(annotation)
    yield base
    yield from marks
    for inner in get_args(base):
        yield from _inside(inner)


def _shown(default: Any) -> str:
    if _is_section(type(default)):
        return ""  # listed by itself
    value = plain(default)
    if value is None:
        return "nothing"
    return str(value).lower() if isinstance(value, bool) else str(value)
