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
    if run.recipe != (wanted := resolved(recipe)):
        how = differences(run.recipe, wanted)
        raise UsageError(f"{folder} is a run of another recipe ({how}); name another folder: run=NAME")
    return run if run.finished and not run.damage() else resume(run, show=show, **hooks)


def differences(there: Recipe, here: Recipe) -> str:
    """Which settings two recipes have otherwise: `epochs 60, not 70`."""
    old, new = there.plain(complete=True), here.plain(complete=True)
    words = []
    for name in new:
        if old.get(name) != new[name]:
            both = old.get(name), new[name]
            plain = all(isinstance(value, str | int | float) for value in both)
            words.append(f"{name} {both[0]}, not {both[1]}" if plain else f"another {name}")
    return "; ".join(words)


def folder_name(folder: Path) -> str:
    """The folder as `run=` takes it, which puts a bare name under runs/."""
    return str(folder) if "/" in str(folder) else f"./{folder}"
