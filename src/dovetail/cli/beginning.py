"""Verbs to begin with: what there is, a first recipe, data, a demonstration: list, new, schema, fetch, demo."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..recipe.errors import UsageError
from .words import Json, Use, use_parts


def list_parts(
    kind: Annotated[str | None, typer.Argument(help="recipes, settings, optimizer, layers, rules, ...")] = None,
    use: Use = None,
    as_json: Json = False,
) -> None:
    """List the recipes, and the settings and parts that recipes are made of, with their options."""
    from ..recipe.listing import listing, listing_text

    use_parts(use)
    found = listing(kind)
    print(json.dumps(found) if as_json else listing_text(found))


def new(name: Annotated[str, typer.Argument(help="The file to write: NAME.yaml")], as_json: Json = False) -> None:
    """Write a commented starter recipe."""
    path = Path(name if name.endswith((".yaml", ".yml")) else f"{name}.yaml")
    if path.exists():
        raise UsageError(f"{path} exists; nothing was written")
    try:
        path.write_text((Path(__file__).parents[1] / "recipes" / "starter.txt").read_text())
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
    print(json.dumps({"recipe": str(path)}) if as_json else f"wrote {path}; try: dovetail train {path}")


def schema(use: Use = None, as_json: Json = False) -> None:
    """Print the JSON Schema of a recipe, for editors."""
    from ..recipe.schema import recipe_schema

    use_parts(use)
    print(json.dumps(recipe_schema(), indent=None if as_json else 2))


def fetch(
    name: Annotated[str, typer.Argument(help="What to download: mnist.")],
    root: Annotated[Path | None, typer.Argument(help="The folder to put it in (default: data/NAME).")] = None,
    as_json: Json = False,
) -> None:
    """Download a data set and check its hashes; the one verb that uses the network."""
    from ..data.fetch import fetch as fetch_data

    folder = root or Path("data") / name
    fetch_data(name, folder)
    print(json.dumps({"root": str(folder)}) if as_json else f"{name} is in {folder}: data.{name}.root={folder}")


def demo(as_json: Json = False) -> None:
    """Train LeNet on scanned digits that come with scikit-learn, and show what to do next."""
    from ..training.demo import demonstrate

    demonstrate(as_json)
