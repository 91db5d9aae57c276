"""Which proofs there are, and a recipe made short enough to prove."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..recipe.errors import UsageError, nearest
from ..recipe.recipe import Recipe
from ..recipe.spec import Spec
from ..training.machine import resolved, settled
from ..training.run import make_source
from ..training.trainer import Trainer
from .build import prove_build
from .exactness import prove_repeat, prove_resume
from .gradients import prove_gradients
from .verdict import Verdict

PROOFS = ("build", "gradients", "repeat", "resume")
SECONDS, LEAST, MOST = 2.0, 20, 500  # seconds and steps of a run that is repeated, or killed and resumed


def prove(recipe: Recipe, names: Sequence[str] = PROOFS, use: Sequence[str] = ()) -> Iterator[Verdict]:
    """Prove a recipe's promises one after the other, all of them unless named; a verdict each.

    Runs are cut to a few seconds, with checkpoints and evaluations at odd intervals. Raises `UsageError` for a proof
    there is not.

    >>> from dovetail.recipe.recipe import load
    >>> [verdict.holds for verdict in prove(load("softmax-regression"), ["build", "gradients"])]
    [True, True]
    """
    for name in names:
        if name not in PROOFS:
            raise UsageError(f"there is no proof '{name}'. {nearest(name, PROOFS)}")
    recipe = resolved(recipe)
    short = shortened(recipe) if {"repeat", "resume"} & set(names) else recipe
    for name in names:
        with tempfile.TemporaryDirectory(prefix="dovetail-") as folder:
            if name == "build":
                yield prove_build(recipe, Path(folder))
            elif name == "gradients":
                yield prove_gradients(recipe, Path(folder))
            elif name == "repeat":
                yield prove_repeat(short, Path(folder), list(use))
            else:
                yield prove_resume(short, Path(folder), list(use))


def shortened(recipe: Recipe) -> Recipe:
    """The recipe with a few seconds' steps, checkpoints and lines at odd intervals, its data found from any folder."""
    with tempfile.TemporaryDirectory(prefix="dovetail-") as folder, settled(recipe):
        trainer = Trainer(recipe, make_source(recipe.data, Path.cwd()), Path(folder))
        trainer.step()
        began = time.perf_counter()
        trainer.step()
        steps = min(max(SECONDS / (time.perf_counter() - began), LEAST), MOST, trainer.span.total)
    return dataclasses.replace(
        recipe,
        data=_absolute(recipe.data),
        start=str(Path(recipe.start).absolute()) if recipe.start else None,
        epochs=steps / trainer.span.epoch,
        evaluate="13 steps",
        checkpoint="7 steps",
    )


def _absolute(data: Spec) -> Spec:
    """Paths among a source's options made absolute: the proof runs in a folder of its own."""
    paths = {
        name: str(Path(value).absolute())
        for name, value in data.options.items()
        if isinstance(value, str) and Path(value.partition(".npz:")[0] + (".npz" if ".npz:" in value else "")).exists()
    }
    return data.replace(**paths)
