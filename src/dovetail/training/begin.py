"""Beginning and resuming runs: the functions behind `dovetail train` and `dovetail resume`."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ..data.source import Source
from ..optim.rates import Schedule, scheduled
from ..recipe.check import section_fields
from ..recipe.errors import RunError, UsageError, nearest
from ..recipe.node import Node
from ..recipe.override import override
from ..recipe.recipe import Recipe, recipe_of
from ..recipe.recipe import load as load_recipe
from ..recipe.span import Span
from ..recipe.spec import Spec
from .files import read_json, write_atomically
from .hooks import Hooks
from .journal import MODEL
from .lock import NAME as LOCK
from .lock import held
from .machine import describe, job, resolved, settled
from .run import ENVIRONMENT, FACTS, RECIPE, Run, make_source
from .trainer import Trainer
from .weights import begin_from
from .world import World, joined, restarts

Show = Callable[[Trainer, dict[str, Any] | None], None]


def train(
    recipe: str | Recipe | None = None,
    *overrides: str,
    run: str | None = None,
    on_step: Callable[[int, float], None] | None = None,
    on_evaluation: Callable[[dict[str, Any]], None] | None = None,
    show: Show | None = None,
    say: Callable[[str], None] | None = None,
    **settings: Any,
) -> Run:
    """Train a system and return its run.

    `recipe` is a name (`"lenet"`), a path or a `Recipe`; `overrides` are dotted (`"data.digits.test=0.1"`); `settings`
    are a recipe's own words with Python values, and describe the whole system where no recipe is named. The run folder
    is `runs/<run>`. Raises `RecipeError`, `DataError` or `RunError`.

    >>> import dovetail as dt
    >>> network = [dt.flatten(), dt.linear(16), dt.relu(), dt.linear("outputs")]
    >>> run = dt.train(network=network, objective=dt.softmax(), data=dt.digits(), epochs=1, run="doctest")
    >>> run.metrics[-1]["test"]["count"]
    360
    """
    stem = Path(recipe).stem if isinstance(recipe, str) else "run"
    watch = Watch(Hooks(on_step, on_evaluation), show, say)
    with joined() as world:
        described, here = resolved(describe_recipe(recipe, overrides, settings)), Path.cwd()
        begun = world.agree(lambda: begun_before(run, stem)) if restarts() else None
        if begun is not None:
            return _go_on(Run(begun), (), None, watch, world)
        folder = world.agree(lambda: new_folder(run, stem))
        source = make_source(described.data, here)
        trainer = Trainer(described, source, folder, watch.hooks, world)
        watch.remark(trainer, source.remark)
        _take_over(trainer, here, watch)
        with ExitStack() as stack:

            def begin() -> None:
                make_folder(folder)
                stack.enter_context(held(folder))
                write_beginning(folder, described, source, here)

            world.agree(begin)
            return _carry_out(trainer, watch)


@dataclass(frozen=True)
class Watch:
    """Who looks on: hooks, the display, and where remarks go. Of several processes the first alone is watched."""

    hooks: Hooks
    show: Show | None
    say: Callable[[str], None] | None

    def remark(self, trainer: Trainer, text: str) -> None:
        if text and self.say and trainer.world.first:
            self.say(text)


def _take_over(trainer: Trainer, here: Path, watch: Watch) -> None:
    """Begin from the weights that the recipe names, if it does; as everywhere, a run may be named under runs/."""
    start = trainer.recipe.start
    if start is not None:
        named = here / "runs" / start
        watch.remark(trainer, f"start: {begin_from(trainer.system, named if named.is_dir() else here / start)}")


def resume(
    run: str | Path | Run,
    *overrides: str,
    data: Spec | None = None,
    on_step: Callable[[int, float], None] | None = None,
    on_evaluation: Callable[[dict[str, Any]], None] | None = None,
    show: Show | None = None,
    say: Callable[[str], None] | None = None,
) -> Run:
    """Go on with a run from its newest checkpoint, to the same bytes as if it had never stopped.

    `"epochs=20"` is the one override: it trains longer, and `say` tells what that does to the rate. `data` gives arrays
    in memory again. Raises `RunError` where the run cannot go on or is at its end.
    """
    opened = run if isinstance(run, Run) else Run(run)
    with joined() as world:
        return _go_on(opened, overrides, data, Watch(Hooks(on_step, on_evaluation), show, say), world)


def _go_on(opened: Run, overrides: tuple[str, ...], data: Spec | None, watch: Watch, world: World) -> Run:
    with ExitStack() as stack:
        world.agree(lambda: stack.enter_context(held(opened.path)))
        recipe = _longer(opened.recipe, overrides)
        damage = opened.damage()
        if opened.finished and not damage and recipe.epochs == opened.recipe.epochs:
            if restarts():  # one of the world died when all was done
                return opened
            longer = f"dovetail resume {opened.path} epochs={2 * recipe.epochs}"
            raise UsageError(f"{opened.path} is at its end. To train longer: {longer}")
        source = make_source(data or recipe.data, opened.here, opened.facts)
        trainer = Trainer(recipe, source, opened.path, watch.hooks, world)
        before = rate_of(opened.recipe, trainer.feed.batches.epoch_steps)
        if not trainer.load():  # stopped before its first checkpoint
            _take_over(trainer, opened.here, watch)
        watch.remark(trainer, damage and f"{damage}; it is written anew")
        watch.remark(trainer, trainer.damaged and f"{trainer.damaged}; going on from step {trainer.t}")
        world.wait()  # all have read what the first may now write anew
        if recipe.epochs != opened.recipe.epochs:
            trainer.state.mark, trainer.state.ended = math.inf, 0.0  # what stopped it early is judged anew
            if world.first:
                # the model first: a longer recipe beside it would look like its end
                (opened.path / MODEL).unlink(missing_ok=True)
                write_atomically(opened.path / RECIPE, recipe.write(complete=True).encode())
            watch.remark(trainer, _effect(before, trainer, opened.recipe))
        return _carry_out(trainer, watch)


def begun_before(run: str | None, stem: str) -> Path | None:
    """The run that this job began before `torchrun` started it anew; by its name, else by the job's."""
    if run is not None:
        folder = run_folder(run)
        return folder if (folder / RECIPE).exists() else None
    for path in sorted(Path("runs").glob(f"{stem}-*/{RECIPE}")) if job() else ():
        if read_json(path.parent / ENVIRONMENT).get("job") == job():
            return path.parent
    return None


def _carry_out(trainer: Trainer, watch: Watch) -> Run:
    started = time.perf_counter()
    with settled(trainer.recipe):
        figures = trainer.run(watch.show if trainer.world.first else None)
    run = Run(trainer.folder)
    run.result = {"test": figures, "seconds": round(time.perf_counter() - started, 3)}
    return run


def describe_recipe(recipe: str | Recipe | None, overrides: tuple[str, ...], settings: dict[str, Any]) -> Recipe:
    """A recipe from a name, path or object with settings put over it, or from settings alone."""
    for key in settings:
        if key not in section_fields(Recipe):
            raise UsageError(f"train() has no setting '{key}'. {nearest(key, section_fields(Recipe))}")
    if recipe is None:
        root = Node.of(settings)
    else:
        named = load_recipe(recipe, list(overrides)) if isinstance(recipe, str) else recipe
        if not settings and (isinstance(recipe, str) or not overrides):
            return named
        values = {item.name: getattr(named, item.name) for item in dataclasses.fields(named)}
        given = {key: recipe_of({**values, key: value}) for key, value in settings.items()}
        named = dataclasses.replace(named, **{key: getattr(value, key) for key, value in given.items()})
        if isinstance(recipe, str) or not overrides:
            return named
        root = Node.of(named.plain())
    return recipe_of(override(root, overrides, Recipe))


def new_folder(run: str | None, name: str) -> Path:
    """The folder of a new run; raises `UsageError` where it is taken, with the command that resumes it."""
    if run is None:
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
        folder = Path("runs") / f"{name}-{stamp}"
        for number in range(2, 1000):
            if not folder.exists():
                break
            folder = Path("runs") / f"{name}-{stamp}-{number}"
        return folder
    folder = run_folder(run)
    if not re.fullmatch(r"[\w.+-]+", folder.name):
        raise UsageError(f"run={run}: a run's name is made of letters, digits, '-', '_', '.' and '+'")
    if (folder / RECIPE).exists():
        raise UsageError(f"{folder} exists. Go on with it: dovetail resume {folder}; or name another: run=NAME")
    begun = {ENVIRONMENT, FACTS, RECIPE, LOCK}  # of a run stopped while its folder was made
    if folder.exists() and any(path.name.removesuffix(".tmp") not in begun for path in folder.iterdir()):
        raise UsageError(f"{folder} exists and is not a run; name another: run=NAME")
    return folder


def run_folder(run: str) -> Path:
    """Where a run of this name lies: under runs/, unless it names a folder itself."""
    return Path(run) if "/" in run else Path("runs") / run


def make_folder(folder: Path) -> None:
    """Create the folder of a run; raises `RunError` where the disk refuses."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot make the run folder {folder}: {error.strerror}") from None


def write_beginning(folder: Path, recipe: Recipe, source: Source, here: Path) -> None:
    """Write what a run begins with: environment, facts, and last the recipe, complete, which makes the folder a run."""
    if (folder / RECIPE).exists():
        raise UsageError(f"{folder} was begun by another process just now; name another: run=NAME")
    write_atomically(folder / ENVIRONMENT, (json.dumps(describe(here), indent=1) + "\n").encode())
    write_atomically(folder / FACTS, (json.dumps(source.facts.plain(), indent=1) + "\n").encode())
    write_atomically(folder / RECIPE, recipe.write(complete=True).encode())


def _longer(recipe: Recipe, overrides: tuple[str, ...]) -> Recipe:
    for text in overrides:
        if text.partition("=")[0] != "epochs":
            raise UsageError(
                f"resume changes nothing but epochs, not '{text}'; begin a new run with start=RUN for that"
            )
    longer = recipe_of(override(Node.of(recipe.plain()), overrides, Recipe))
    if longer.epochs < recipe.epochs:
        raise UsageError(f"epochs={longer.epochs}: the run already asks for {recipe.epochs}; resume only trains longer")
    return longer


def rate_of(recipe: Recipe, epoch_steps: int) -> Schedule:
    """The rate that a recipe's schedule gives each step."""
    return scheduled(recipe.optimizer, Span.of(epoch_steps, recipe.epochs))


def _effect(before: Callable[[int], float], trainer: Trainer, old: Recipe) -> str:
    t, rate = trainer.t, trainer.descent.rate
    text = f"training longer: {old.epochs} -> {trainer.recipe.epochs} epochs"
    if all(before(step) == rate(step) for step in range(0, t + 1, max(1, t // 100))):
        return f"{text}; the schedule {old.optimizer.rate.name} does not depend on the length and goes on as it was"
    return (
        f"{text}; the schedule {old.optimizer.rate.name} stretches with the length: at step {t} the rate was "
        f"{before(t):.4g} and is now {rate(t):.4g}"
    )
