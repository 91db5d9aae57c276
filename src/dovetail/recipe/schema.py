"""The JSON Schema of a recipe, for editors: made from the same signatures that check it."""

from __future__ import annotations

import dataclasses
import inspect
import types
from typing import Any, get_args, get_origin

from pydantic import TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError

from . import kinds
from .check import MISSING, has_specs, is_section, is_union, section_fields, unwrap
from .recipe import Recipe
from .spec import Of, Part, find, known, register_rooms


def recipe_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a recipe file, with every part that is registered now."""
    register_rooms()
    definitions = {kind.name: _kind(kind.name) for kind in kinds}
    root = _schema(Recipe)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "dovetail recipe"}
    return {**head, **root, "$defs": definitions}


def _kind(kind: str) -> dict[str, Any]:
    parts = [find(kind, name) for name in known(kind)]
    forms: list[dict[str, Any]] = [{"enum": [part.name for part in parts]}]
    if kind == "schedule":
        forms.append({"type": "number", "description": "a constant rate"})
    if kind == "layer":
        forms.append({"type": "array", "items": {"$ref": "#/$defs/layer"}, "description": "a chain"})
    return {"anyOf": forms + [_part(part) for part in parts]}


def _part(part: Part[Any]) -> dict[str, Any]:
    options = {name: (p.annotation, p.default) for name, p in part.parameters.items()}
    forms = [_object(options)]
    if part.first:
        forms.append(_schema(part.parameters[part.first].annotation))
    return {
        "type": "object",
        "properties": {part.name: {"anyOf": [*forms, {"type": "null"}], "description": part.summary}},
        "required": [part.name],
        "additionalProperties": False,
    }


def _object(fields: dict[str, tuple[Any, Any]]) -> dict[str, Any]:
    properties = {}
    for name, (annotation, default) in fields.items():
        properties[name] = _schema(annotation)
        if isinstance(default, int | float | str | bool | None):
            properties[name] = {**properties[name], "default": default}
    required = [name for name, (_, default) in fields.items() if default is MISSING]
    schema: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**schema, "required": required} if required else schema


def _schema(annotation: Any) -> dict[str, Any]:
    base, marks = unwrap(annotation)
    of = next((mark for mark in marks if isinstance(mark, Of)), None)
    if of:
        one = {"$ref": f"#/$defs/{of.kind}"}
        return {"anyOf": [{"type": "array", "items": one}, one]} if of.chain else one
    if "size" in marks:
        return {"anyOf": [{"type": "integer", "minimum": 1}, {"const": "outputs"}]}
    if dataclasses.is_dataclass(base):
        schema = _object(section_fields(base))  # type: ignore[arg-type]
        return {**schema, "description": (inspect.getdoc(base) or "").split("\n")[0]}
    if is_union(base) and (has_specs(annotation) or any(map(dataclasses.is_dataclass, get_args(base)))):
        members = [{"type": "null"} if m is types.NoneType else _schema(m) for m in get_args(base)]
        return {"anyOf": members}
    if get_origin(base) is list and has_specs(annotation):
        return {"type": "array", "items": _schema(get_args(base)[0])}
    if get_origin(base) is dict and (has_specs(annotation) or is_section(annotation)):
        return {"type": "object", "additionalProperties": _schema(get_args(base)[1])}
    try:
        return TypeAdapter(annotation).json_schema()
    except (PydanticInvalidForJsonSchema, PydanticSchemaGenerationError):
        return {"type": "string"}  # an array in Python, a path in a file
