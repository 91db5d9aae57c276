"""Verbs that look into a recipe without a run: show, time, check."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from ..recipe.errors import UsageError
from .words import Json, Overrides, Recipe, Use, say, use_parts


def show(
    recipe: Recipe,
    overrides: Overrides = None,
    data: Annotated[bool, typer.Option("--data", help="Draw training images and their synthetic versions.")] = False,
    rates: Annotated[bool, typer.Option("--rates", help="The rate over the run, and each parameter's group.")] = False,
    to: Annotated[str | None, typer.Option(help="The picture's file (default: RECIPE-data.png).")] = None,
    use: Use = None,
    as_json: Json = False,
) -> None:
    """Show a system's layers: shapes, what they see, parameters, multiply-adds, memory; nothing is trained."""
    from .. import training

    use_parts(use)
    if to and not data:
        raise UsageError("--to names the file of the picture that --data draws; give both")
    if data and rates:
        raise UsageError("--data and --rates show different things; give one")
    if data:
        path = training.show_data(recipe, *overrides or [], to=to)
        print(json.dumps({"picture": str(path)}) if as_json else f"wrote {path}")
        return
    shown = (training.show_rates if rates else training.show)(recipe, *overrides or [])
    print(json.dumps(shown.plain()) if as_json else shown)


def time_step(
    recipe: Recipe,
    overrides: Overrides = None,
    batch: Annotated[str | None, typer.Option(help="Batch sizes instead of layers: 1..4096, or 32,100.")] = None,
    to: Annotated[float | None, typer.Option(help="With --batch: also train until this error is reached.")] = None,
    picture: Annotated[Path | None, typer.Option(help="With --batch: draw it all.", metavar="FILE.png")] = None,
    use: Use = None,
    as_json: Json = False,
) -> None:
    """Time a training step, layer by layer, against what the machine can do and against other settings."""
    from .. import timing
    from ..report.batches import draw_batches
    from ..timing.batches import sizes_of

    use_parts(use)
    if batch is None and (to is not None or picture is not None):
        raise UsageError("--to and --picture go by batch size; give --batch 16..256, too")
    if batch is None:
        measured = timing.time(recipe, *overrides or [])
        print(json.dumps(measured.plain()) if as_json else measured)
        return
    if picture is not None and (picture.suffix != ".png" or not picture.parent.is_dir()):
        raise UsageError(f"--picture {picture}: expected a file NAME.png in a folder that exists")
    sizes = timing.time_batches(recipe, *overrides or [], sizes=sizes_of(batch), to=to, say=None if as_json else say)
    print(json.dumps(sizes.plain()) if as_json else sizes)
    if picture is not None:
        say(f"wrote {draw_batches(sizes, picture)}")


def check(
    recipe: Recipe,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            help="build, gradients, repeat, resume: all unless named; settings.", metavar="PROOF|KEY=VALUE..."
        ),
    ] = None,
    use: Use = None,
    as_json: Json = False,
) -> None:
    """Prove what is promised: it builds, its gradients are right, its runs repeat and resume to the same bytes."""
    from ..proofs import PROOFS, prove
    from ..recipe.recipe import load

    use_parts(use)
    names = [word for word in words or [] if "=" not in word] or list(PROOFS)
    described = load(recipe, [word for word in words or [] if "=" in word])
    verdicts = []
    for verdict in prove(described, names, use or ()):
        verdicts.append(verdict)
        if not as_json:
            print(verdict, flush=True)
    if as_json:
        print(json.dumps({"holds": all(v.holds for v in verdicts), "proofs": [v.plain() for v in verdicts]}))
    sys.exit(0 if all(verdict.holds for verdict in verdicts) else 1)
