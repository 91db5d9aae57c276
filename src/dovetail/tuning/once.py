"""A run that is made once: begun, or gone on with where it stopped, or taken as it is where it ended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..recipe.errors import UsageError
from ..recipe.recipe import Recipe
from ..training import Run, resume, train
from ..training.machine import resolved
from ..training.run import RECIPE

Show = Callable[..., None]


def carried_out(recipe: Recipe, folder: Path, show: Show | None = None, **hooks: Any) -> Run:
    """The finished run of a recipe in a folder. Raises `UsageError` where a run of another recipe lies there."""
    if not (folder / RECIPE).is_file():
        return train(recipe, run=folder_name(folder), show=show, **hooks)
    run = Run(folder)
    if run.recipe != resolved(recipe):
        raise UsageError(f"{folder} is a run of another recipe; name another folder: run=NAME")
    return run if run.finished and not run.damage() else resume(run, show=show, **hooks)


def folder_name(folder: Path) -> str:
    """The folder as `run=` takes it, which puts a bare name under runs/."""
    return str(folder) if "/" in str(folder) else f"./{folder}"
