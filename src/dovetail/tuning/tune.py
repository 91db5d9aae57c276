"""Tuning: trials of a recipe with other numbers, each chosen by what came of those before it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from ..recipe.errors import DovetailError, UsageError
from ..recipe.recipe import Recipe
from ..training import Stopped
from ..training.begin import describe_recipe, make_folder, new_folder, run_folder
from ..training.lock import held
from ..training.requests import STOPPING, Requests
from .found import Found, found_by
from .once import Show, folder_name
from .study import Study
from .trial import Trial, carry
from .worker import Worker


def tune(
    recipe: str | Recipe,
    *overrides: str,
    run: str | None = None,
    workers: int = 1,
    use: Sequence[str] = (),
    show: Show | None = None,
    on_trial: Callable[[Trial, list[Trial]], None] | None = None,
) -> Found:
    """Look for the numbers of a recipe that make its validation figure lowest, in the space that its `search` names.

    Trials lie under runs/NAME; what is finished there is not made again, so that a search that was stopped goes on, and
    one that asks for more `trials` goes further. `workers` processes make trials at a time, at most the search's
    `parallel`; the trials are the same however many there are. `use` names modules that register parts, for these
    processes; `on_trial(trial, trials so far)` is called after each. Writes `tuning.json`, and `best.yaml`: the recipe
    with the best settings. Raises `UsageError` where there is nothing to search or to judge by, `RecipeError` where a
    range does not fit its setting, `RunError` where every trial failed, or another process has the folder.

    >>> import dovetail as dt
    >>> search = "search={trials: 3, space: {batch: {integer: [16, 64]}}}"
    >>> found = dt.tune("softmax-regression", "data={digits: {validation: 0.2}}", "epochs=1", search, run="doctest")
    >>> len(found.trials)
    3
    """
    if workers < 1:
        raise UsageError(f"workers={workers}: at least one makes trials")
    stem = Path(recipe).stem if isinstance(recipe, str) else "run"
    folder = run_folder(run) if run else new_folder(None, f"{stem}-tuned")
    study = Study(describe_recipe(recipe, overrides, {}), folder)
    several = min(workers, study.search.parallel) > 1
    make_folder(folder)
    try:
        with held(folder):
            study.take_up()
            for trial in _by_processes(study, workers, use) if several else _one_by_one(study, show):
                study.add(trial)
                if on_trial:
                    on_trial(trial, study.done)
            return found_by(study)
    except Stopped as stopped:
        go_on = f"stopped; to go on, the same command and run={folder_name(folder)}"
        raise Stopped(go_on, stopped.exit_code - 128) from None


def _one_by_one(study: Study, show: Show | None) -> Iterator[Trial]:
    requests = Requests()
    with requests.heeded():  # between trials; within one its run heeds them
        while requests.asked not in STOPPING and (asked := study.ask()) is not None:
            yield carry(study.recipe, study.folder, asked, show)
    if requests.asked in STOPPING:
        raise Stopped("", requests.asked)


def _by_processes(study: Study, workers: int, use: Sequence[str]) -> Iterator[Trial]:
    """Trials as processes finish them. Asked to stop, or where one fails, all save what they have."""
    worker, requests = Worker(study.folder, use), Requests()
    under_way: set[Future[Trial | None]] = set()
    with ThreadPoolExecutor(min(workers, study.search.parallel)) as pool, requests.heeded():
        try:
            while True:
                while len(under_way) < workers and (asked := study.ask()) is not None:
                    under_way.add(pool.submit(worker, asked))
                if not under_way:
                    return
                ended, under_way = wait(under_way, timeout=0.2, return_when=FIRST_COMPLETED)
                if requests.asked in STOPPING:
                    raise Stopped("", requests.asked)
                for future in ended:
                    trial = future.result()
                    if trial is None:  # its process was asked to stop
                        raise Stopped("", signal.SIGTERM)
                    yield trial
        except (DovetailError, GeneratorExit):
            worker.stop()
            raise
