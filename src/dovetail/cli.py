"""The command line: verbs, each a few lines over the library. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from .recipe.errors import DovetailError, UsageError

app = typer.Typer(
    help="Train whole systems, described in one short recipe.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

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
    from .recipe.use import use_parts

    use_parts(modules or ())


@app.command()
def train(recipe: Recipe, overrides: Overrides = None, use: Use = None, as_json: Json = False) -> None:
    """Train a recipe's system: dovetail train lenet epochs=5 run=first"""
    from . import training

    use_parts(use)
    name, settings = _named(overrides)
    with training.Progress(quiet=as_json) as show:
        run = training.train(recipe, *settings, run=name, show=show, say=say)
    _report(run, as_json)


def _named(overrides: list[str] | None) -> tuple[str | None, list[str]]:
    """What `run=` names, and the other words."""
    words = overrides or []
    names = [text.removeprefix("run=") for text in words if text.startswith("run=")]
    return (names[-1] if names else None), [text for text in words if not text.startswith("run=")]


@app.command()
def resume(run: RunName, overrides: Overrides = None, use: Use = None, as_json: Json = False) -> None:
    """Go on with a run that stopped, exactly; epochs=N trains a finished one longer."""
    from . import training

    use_parts(use)
    with training.Progress(quiet=as_json) as show:
        resumed = training.resume(run, *overrides or [], show=show, say=say)
    _report(resumed, as_json)


def _report(run: Any, as_json: bool) -> None:
    from .training.progress import closing
    from .training.world import here

    if not here().first:
        return
    if as_json:
        print(json.dumps({"run": str(run.path), **run.result}))
        return
    test, seconds = run.result["test"], run.result["seconds"]
    print(f"{closing(test) if test else 'no test part'}, {seconds:.1f} s, in {run.path}")


@app.command()
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
    from . import training
    from .training.progress import closing

    use_parts(use)
    opened, overrides = _opened(words, vote)
    figures = opened.test(training.other_data(opened, overrides), part, best)
    print(json.dumps({"run": str(opened.path), "test": figures}) if as_json else closing(figures))


@app.command()
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
        from .report.lines import draw_line
        from .training.lines import look

        for file, line in zip(files, look(opened, files, best, invert, alternatives), strict=True):
            print(json.dumps(line.answer))
            say(f"wrote {draw_line(line, Path(file).with_name(f'{Path(file).stem}-read.png'))}")
        return
    for answer in opened.predict(files, best, invert, alternatives):
        print(json.dumps(answer))


def _opened(words: list[str], vote: bool) -> tuple[Any, list[str]]:
    """The run that words begin with, or the vote of several, and the words behind."""
    from . import training

    runs, rest = training.runs_among(words, vote)
    if vote and len(runs) < 2:
        raise UsageError("--vote takes two runs at least: dovetail test RUN1 RUN2 --vote")
    return training.Vote(runs) if vote else training.Run(runs[0]), rest


@app.command()
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
    from . import training

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


@app.command(name="time")
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
    from . import timing
    from .report.batches import draw_batches
    from .timing.batches import sizes_of

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


@app.command()
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
    from . import training, tuning
    from .report.curves import draw_comparison

    use_parts(use)
    name, settings = _named(overrides)
    with training.Progress(quiet=True) as show:
        comparison = tuning.compare(recipe, *settings, seeds=seeds, run=name, show=show, say=None if as_json else say)
    print(json.dumps(comparison.plain()) if as_json else comparison)
    try:
        say(f"wrote {draw_comparison(comparison)}")
    except UsageError as error:
        say(f"no picture: {error}")


@app.command()
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
    from . import training, tuning

    use_parts(use)
    if rate:
        rates = tuning.find_rate(recipe, *overrides or [])
        print(json.dumps(rates.plain()) if as_json else rates)
        return
    from .report.trials import draw_trials
    from .tuning.found import BEST
    from .tuning.tune import tune as search

    name, settings = _named(overrides)
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


@app.command()
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
    from .proofs import PROOFS, prove
    from .recipe.recipe import load

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


@app.command(name="list")
def list_parts(
    kind: Annotated[str | None, typer.Argument(help="recipes, settings, optimizer, layers, rules, ...")] = None,
    use: Use = None,
    as_json: Json = False,
) -> None:
    """List the recipes, and the settings and parts that recipes are made of, with their options."""
    from .recipe.listing import listing, listing_text

    use_parts(use)
    found = listing(kind)
    print(json.dumps(found) if as_json else listing_text(found))


@app.command()
def new(name: Annotated[str, typer.Argument(help="The file to write: NAME.yaml")], as_json: Json = False) -> None:
    """Write a commented starter recipe."""
    path = Path(name if name.endswith((".yaml", ".yml")) else f"{name}.yaml")
    if path.exists():
        raise UsageError(f"{path} exists; nothing was written")
    try:
        path.write_text((Path(__file__).parent / "recipes" / "starter.txt").read_text())
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
    print(json.dumps({"recipe": str(path)}) if as_json else f"wrote {path}; try: dovetail train {path}")


@app.command()
def schema(use: Use = None, as_json: Json = False) -> None:
    """Print the JSON Schema of a recipe, for editors."""
    from .recipe.schema import recipe_schema

    use_parts(use)
    print(json.dumps(recipe_schema(), indent=None if as_json else 2))


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="What to download: mnist.")],
    root: Annotated[Path | None, typer.Argument(help="The folder to put it in (default: data/NAME).")] = None,
    as_json: Json = False,
) -> None:
    """Download a data set and check its hashes; the one verb that uses the network."""
    from .data.fetch import fetch as fetch_data

    folder = root or Path("data") / name
    fetch_data(name, folder)
    print(json.dumps({"root": str(folder)}) if as_json else f"{name} is in {folder}: data.{name}.root={folder}")


@app.command()
def demo(as_json: Json = False) -> None:
    """Train LeNet on scanned digits that come with scikit-learn, and show what to do next."""
    from .training.demo import demonstrate

    demonstrate(as_json)


def main() -> None:
    """Run the command line; exit code 0, 1 (it failed), 2 (you asked wrongly) or 128 + signal."""
    code: Any = 0
    try:
        app()
    except DovetailError as error:
        if error.exit_code == 1 or os.environ.get("RANK", "0") == "0":  # what all are told, one says
            say(str(error))
        code = error.exit_code
        if code > 2 and int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", 0)):
            code = 0  # stopped and saved as asked: torchrun is not to start it anew
    except KeyboardInterrupt:
        code = 130
    except SystemExit as error:
        code = error.code
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        # gloo's threads may outlive the interpreter, whose end then aborts ("terminate called"), though all is done
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code or 0)
    sys.exit(code)
