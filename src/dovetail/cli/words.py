"""What verbs take, told once: recipes, runs, settings; and how remarks are made."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Annotated

import typer

Recipe = Annotated[
    str, typer.Argument(help="A shipped recipe's name (see list) or the path of a YAML file.", metavar="RECIPE")
]
RunName = Annotated[str, typer.Argument(help="A run folder, or its name under runs/.", metavar="RUN")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(help="Dotted settings: epochs=20 network.0.conv.filters=32", metavar="KEY=VALUE..."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, for machines.")]
Use = Annotated[list[str] | None, typer.Option("--use", help="A Python module that registers parts of your own.")]
AsOne = Annotated[bool, typer.Option("--vote", help="Several runs answer as one: their probabilities are averaged.")]
Best = Annotated[bool, typer.Option("--best", help="The best model on the validation part, not the last.")]


def say(text: str) -> None:
    """A remark: to stderr, so that stdout holds results alone."""
    print(text, file=sys.stderr, flush=True)


def use_parts(modules: Iterable[str] | None) -> None:
    """Import the user's own parts."""
    from ..recipe.use import use_parts

    use_parts(modules or ())


def named(overrides: list[str] | None) -> tuple[str | None, list[str]]:
    """What `run=` names, and the other words."""
    words = overrides or []
    names = [text.removeprefix("run=") for text in words if text.startswith("run=")]
    return (names[-1] if names else None), [text for text in words if not text.startswith("run=")]
