"""Verbs that train a recipe many times: compare, tune."""

from __future__ import annotations

import json
import os
from typing import Annotated, Any

import typer

from ..recipe.errors import UsageError
from .words import Json, Overrides, Recipe, Use, named, say, use_parts


def compare(
    recipe: Recipe,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="Settings, several values between commas: batch=32,64", metavar="KEY=VALUE[,VALUE]..."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds each setting is trained with.")] = 1,
    use: Use = None,
    as_json: Json = False,
) -> None:
    """Compare settings side by side: dovetail compare lenet optimizer.rule=sgd,adam --seeds 5"""
    from .. import training, tuning
    from ..report.curves import draw_comparison

    use_parts(use)
    name, settings = named(overrides)
    with training.Progress(quiet=True) as show:
        comparison = tuning.compare(recipe, *settings, seeds=seeds, run=name, show=show, say=None if as_json else say)
    print(json.dumps(comparison.plain()) if as_json else comparison)
    try:
        say(f"wrote {draw_comparison(comparison)}")
    except UsageError as error:
        say(f"no picture: {error}")


def tune(
    recipe: Recipe,
    overrides: Overrides = None,
    rate: Annotated[bool, typer.Option("--rate", help="Find a rate, in one short run with a climbing one.")] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="How many trials at a time, of the search's parallel (all).")
    ] = None,
    use: Use = None,
    as_json: Json = False,
) -> None:
    """Find the numbers of a recipe that names what to search: dovetail tune mine.yaml; or its rate alone, --rate."""
    from .. import training, tuning

    use_parts(use)
    if rate:
        rates = tuning.find_rate(recipe, *overrides or [])
        print(json.dumps(rates.plain()) if as_json else rates)
        return
    from ..report.trials import draw_trials
    from ..tuning.found import BEST
    from ..tuning.tune import tune as search

    name, settings = named(overrides)
    with training.Progress(quiet=True) as show:
        found = search(
            recipe,
            *settings,
            run=name,
            workers=workers or os.cpu_count() or 1,
            use=use or (),
            show=show,
            on_trial=None if as_json else _say_trial,
        )
    print(json.dumps(found.plain()) if as_json else found)
    try:
        say(f"wrote {draw_trials(found)}")
    except UsageError as error:
        say(f"no picture: {error}")
    say(f"wrote {found.folder / BEST}; try: dovetail train {found.folder / BEST}")


def _say_trial(trial: Any, trials: list[Any]) -> None:
    """A line for a trial that was made, and the best so far."""
    figures = [one.figure for one in trials if one.figure is not None]
    words = "  ".join(f"{name}={value}" for name, value in trial.settings.items())
    figure = "failed" if trial.figure is None else f"{trial.figure:.5g}"
    best = f", best {min(figures):.5g}" if figures else ""
    ended = "" if trial.ended == "finished" else f" ({trial.ended})"
    say(f"trial {trial.number}: {words}  {figure}{ended}{best}")
