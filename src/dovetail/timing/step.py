"""The whole step, and what would make it faster: other settings of the same recipe, measured beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.source import Source
from ..recipe.recipe import Recipe
from ..training.machine import convolves, multiplies_bfloat16, resolve_device
from ..training.trainer import Trainer
from .clock import interleaved


@dataclass(frozen=True)
class StepTime:
    """A step's milliseconds in its parts, and examples a second."""

    fetch: float
    forward: float
    backward: float
    update: float
    whole: float
    examples: float


@dataclass(frozen=True)
class Alternative:
    """Other settings, what they give in examples a second, and that against the recipe as it is."""

    setting: str
    examples: float
    ratio: float


def trainer_of(recipe: Recipe, source: Source) -> Trainer:
    """A trainer that writes nothing: its steps are taken one by one."""
    trainer = Trainer(recipe, source, Path("."))
    trainer.system.train()
    return trainer


def time_step(trainer: Trainer, budget: float) -> StepTime:
    """The trainer's step, whole, and its parts by themselves, `budget` seconds each."""
    system, descent, device = trainer.system, trainer.descent, trainer.device
    batches = trainer.feed.at(trainer.t)

    def fetch() -> Any:
        trainer.t += 1
        return trainer.feed.at(trainer.t)

    def forward() -> Any:
        return [system(batch) for batch in batches]

    def both() -> None:
        descent.zero()
        for batch in batches:
            system(batch).backward()

    def update() -> None:
        descent.update(trainer.t)

    both()
    moving = descent.rate  # the parts are timed without training: the weights stay
    descent.rate = lambda t: 0.0
    fetched, ahead, through = interleaved([fetch, forward, both], device, budget)
    if descent.evaluates:  # its update looks at the loss again, which a step alone can show
        descent.rate = moving
        (whole,) = interleaved([trainer.step], device, budget)
        updated = max(whole - through - fetched, 0.0)
    else:
        updated, whole = interleaved([update, trainer.step], device, budget)
        descent.rate = moving
    return StepTime(
        fetch=1e3 * fetched,
        forward=1e3 * ahead,
        backward=1e3 * max(through - ahead, 0.0),
        update=1e3 * updated,
        whole=1e3 * whole,
        examples=trainer.feed.batches.batch / whole,
    )


def alternatives(trainer: Trainer, budget: float) -> list[Alternative]:
    """Other precisions, memory layouts and batch sizes; the fastest first.

    Each is timed in turn with the recipe's own step, `budget` seconds both, and forgotten before the next is made, so
    that two systems at most are in memory.
    """
    found = []
    for change in others(trainer.recipe, len(trainer.source.part("train"))):
        other = trainer_of(dataclasses.replace(trainer.recipe, **change), trainer.source)
        own, its = interleaved([trainer.step, other.step], trainer.device, budget)
        speed = other.recipe.batch / its
        setting = " ".join(f"{key}={value}" for key, value in change.items())
        found.append(Alternative(setting, speed, speed * own / trainer.recipe.batch))
    return sorted(found, key=lambda one: -one.ratio)


def others(recipe: Recipe, examples: int) -> Sequence[dict[str, Any]]:
    """Settings worth trying on this machine."""
    found: list[dict[str, Any]] = []
    if recipe.precision == "bfloat16":
        found.append({"precision": "float32"})
    elif recipe.precision == "float32" and multiplies_bfloat16(resolve_device(recipe.device)):
        found.append({"precision": "bfloat16"})
    if convolves(recipe.network):
        found.append({"layout": "contiguous" if recipe.layout == "channels_last" else "channels_last"})
    for factor in (0.25, 0.5, 2, 4):
        size = int(recipe.batch * factor)
        if size and size % recipe.accumulate == 0 and size == recipe.batch * factor and size <= examples:
            found.append({"batch": size})
    return found
