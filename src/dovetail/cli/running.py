"""Verbs that train a system and use it: train, resume, test, predict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ..recipe.errors import UsageError
from .words import AsOne, Best, Json, Overrides, Recipe, RunName, Use, named, say, use_parts


def train(recipe: Recipe, overrides: Overrides = None, use: Use = None, as_json: Json = False) -> None:
    """Train a recipe's system: dovetail train lenet epochs=5 run=first"""
    from .. import training

    use_parts(use)
    name, settings = named(overrides)
    with training.Progress(quiet=as_json) as show:
        run = training.train(recipe, *settings, run=name, show=show, say=say)
    _report(run, as_json)


def resume(run: RunName, overrides: Overrides = None, use: Use = None, as_json: Json = False) -> None:
    """Go on with a run that stopped, exactly; epochs=N trains a finished one longer."""
    from .. import training

    use_parts(use)
    with training.Progress(quiet=as_json) as show:
        resumed = training.resume(run, *overrides or [], show=show, say=say)
    _report(resumed, as_json)


def _report(run: Any, as_json: bool) -> None:
    from ..training.progress import closing
    from ..training.world import here

    if not here().first:
        return
    if as_json:
        print(json.dumps({"run": str(run.path), **run.result}))
        return
    test, seconds = run.result["test"], run.result["seconds"]
    print(f"{closing(test) if test else 'no test part'}, {seconds:.1f} s, in {run.path}")


def test(
    words: Annotated[
        list[str], typer.Argument(help="A run, or several with --vote; other data.", metavar="RUN [DATA.KEY=VALUE...]")
    ],
    part: Annotated[str | None, typer.Option(help="train, validation, test or all.")] = None,
    best: Best = False,
    vote: AsOne = False,
    use: Use = None,
    as_json: Json = False,
) -> None:
    """Test a trained system, on its own test part or on other data (data.table.path=new.csv)."""
    from .. import training
    from ..training.progress import closing

    use_parts(use)
    opened, overrides = _opened(words, vote)
    figures = opened.test(training.other_data(opened, overrides), part, best)
    print(json.dumps({"run": str(opened.path), "test": figures}) if as_json else closing(figures))


def predict(
    words: Annotated[
        list[str],
        typer.Argument(
            help="A run (several with --vote); images, texts, tables or sentences in columns.", metavar="RUN FILE..."
        ),
    ],
    best: Best = False,
    invert: Annotated[bool, typer.Option("--invert", help="Swap light and dark of images first.")] = False,
    picture: Annotated[
        bool, typer.Option("--picture", help="Draw how each line was read, beside its image: NAME-read.png.")
    ] = False,
    alternatives: Annotated[int, typer.Option(min=0, help="How many of the most probable answers to tell.")] = 0,
    vote: AsOne = False,
    use: Use = None,
    as_json: Json = False,
) -> None:
    """Answer for new inputs: a JSON line each, with class and probability, value, tags or text."""
    use_parts(use)
    opened, files = _opened(words, vote)
    if not files:
        raise UsageError(f"predict {' '.join(words)}: which files? Images, CSV files, texts or sentences")
    if picture:
        from ..report.lines import draw_line
        from ..training.lines import look

        for file, line in zip(files, look(opened, files, best, invert, alternatives), strict=True):
            print(json.dumps(line.answer))
            say(f"wrote {draw_line(line, Path(file).with_name(f'{Path(file).stem}-read.png'))}")
        return
    for answer in opened.predict(files, best, invert, alternatives):
        print(json.dumps(answer))


def _opened(words: list[str], vote: bool) -> tuple[Any, list[str]]:
    """The run that words begin with, or the vote of several, and the words behind."""
    from .. import training

    runs, rest = training.runs_among(words, vote)
    if vote and len(runs) < 2:
        raise UsageError("--vote takes two runs at least: dovetail test RUN1 RUN2 --vote")
    return training.Vote(runs) if vote else training.Run(runs[0]), rest
