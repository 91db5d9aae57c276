"""dovetail in the benchmarks: its own trainer, as `dovetail train` runs it, on the work that the others do."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from contestants.common import BATCH, MOMENTUM, RATE, data_folder, step_batches

import dovetail as dt
from dovetail.recipe.recipe import recipe_of
from dovetail.training.machine import resolved
from dovetail.training.run import make_source
from dovetail.training.trainer import Trainer

LENET = [
    dt.conv(20, 5), dt.maxpool(2), dt.conv(50, 5), dt.maxpool(2), dt.flatten(), dt.linear(500), dt.relu(),
    dt.linear("outputs"),
]  # fmt: skip
MLP = [dt.linear(256), dt.relu(), dt.linear(128), dt.relu(), dt.linear("outputs")]


def trainer_of(**settings: Any) -> Trainer:
    """A trainer in a temporary run folder, with the rule and the rate of all contestants."""
    common = {"objective": dt.softmax(), "optimizer": {"rule": dt.sgd(MOMENTUM), "rate": RATE}}
    recipe = resolved(recipe_of({**common, **settings}))
    trainer = Trainer(recipe, make_source(recipe.data, Path.cwd()), Path(tempfile.mkdtemp()))
    trainer.system.train()
    return trainer


def epoch(precision: str = "float32") -> Callable[[], float]:
    """LeNet on MNIST: shuffled, gathered and normalized from bytes, every step guarded, losses summed."""
    trainer = trainer_of(
        network=LENET, data=dt.mnist(str(data_folder() / "mnist")), batch=BATCH, epochs=1000, precision=precision
    )

    def run() -> float:
        for _ in range(trainer.span.epoch):
            trainer.step()
        return trainer.state.mean_loss()

    return run


def epoch_auto() -> Callable[[], float]:
    """The same in the precision of the shipped recipe: bfloat16 where the processor multiplies it natively."""
    return epoch("auto")


def step(guard: bool = True) -> Callable[[int], float]:
    """The perceptron of `step.py`, whose batches dovetail shuffles and gathers, which the bare step has ready."""
    x, y = (torch.cat(parts) for parts in zip(*step_batches(), strict=True))
    data = dt.arrays(x, y, test=0, normalize="none")
    trainer = trainer_of(network=MLP, data=data, batch=128, epochs=1_000_000)
    trainer.descent.guard = guard

    def run(steps: int) -> float:
        started = time.perf_counter()
        for _ in range(steps):
            trainer.step()
        return time.perf_counter() - started

    return run


def step_unguarded() -> Callable[[int], float]:
    """The same without the check that the gradient is finite."""
    return step(guard=False)
