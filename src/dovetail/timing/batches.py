"""Batch sizes: how many examples a second each makes, and how soon it comes to an error."""

from __future__ import annotations

import dataclasses
import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

from ..data.source import Source
from ..recipe.errors import RunError, UsageError
from ..recipe.recipe import Recipe
from ..training.begin import describe_recipe
from ..training.evaluate import evaluate
from ..training.machine import resolved, settled
from ..training.run import make_source
from ..training.tables import aligned
from ..training.trainer import Trainer
from .clock import interleaved
from .step import trainer_of

_MOST = 1 << 20


@dataclass(frozen=True)
class BatchTime:
    """A batch size: milliseconds a step, examples a second and, where asked, what it took to come to the error.

    `seconds`, `epochs` and `error` are those at which it came there, or with which it ended without.
    """

    batch: int
    step: float
    examples: float
    reached: bool | None = None
    seconds: float = math.nan
    epochs: float = math.nan
    error: float = math.nan

    def __str__(self) -> str:
        there = "" if self.reached is None else f", {self.way()}"
        return f"batch {self.batch:,}: {self.examples:,.0f} examples/s{there}"

    def way(self) -> str:
        """How long it took to the error, or what there was without."""
        return f"{self.seconds:.1f} s" if self.reached else f"not in {self.seconds:.1f} s: {100 * self.error:.2f} %"


@dataclass(frozen=True)
class BatchTimes:
    """All sizes; `target` is the error to come to, on the part that is judged."""

    sizes: list[BatchTime]
    target: float | None
    part: str

    def plain(self) -> dict[str, Any]:
        rows = [vars(size) for size in self.sizes]  # None for what JSON cannot say: not a number
        sizes = [{name: None if value != value else value for name, value in row.items()} for row in rows]
        return {"target": self.target, "part": self.part, "sizes": sizes}

    def __str__(self) -> str:
        most = max(size.examples for size in self.sizes)
        head = ["batch", "step ms", "examples/s", "of the most"]
        head += [] if self.target is None else [f"to {self.part} error {100 * self.target:g} %", "epochs"]
        rows = [head]
        for size in self.sizes:
            row = [f"{size.batch:,}", f"{size.step:.3f}", f"{size.examples:,.0f}", f"{size.examples / most:.0%}"]
            if size.reached is not None:
                row += [size.way(), f"{size.epochs:.3g}" if size.reached else ""]
            rows.append(row)
        soonest = min((size for size in self.sizes if size.reached), key=lambda size: size.seconds, default=None)
        fastest = max(self.sizes, key=lambda size: size.examples)
        foot = f"soonest: {soonest.batch}" if soonest else f"fastest: {fastest.batch}"
        return "\n".join(aligned([*rows, [foot, *[""] * (len(head) - 1)]], left=0))


def sizes_of(text: str) -> list[int]:
    """The batch sizes that a word names: powers of two within `1..4096`, or `32,100` one by one.

    >>> sizes_of("3..20"), sizes_of("32,100")
    ([4, 8, 16], [32, 100])
    """
    span = re.fullmatch(r"(\d+)\.\.(\d+)", text)
    if span:
        first, last = int(span[1]), min(int(span[2]), _MOST)
        if first > last:
            raise UsageError(f"--batch {text}: sizes go up, to {_MOST:,} at most: {span[2]}..{span[1]}")
        sizes = [1 << k for k in range(21) if first <= 1 << k <= last]
    else:
        sizes = [int(word) for word in text.split(",")] if re.fullmatch(r"\d+(,\d+)*", text) else []
    if not sizes or min(sizes) < 1 or (span and int(span[1]) < 1):
        raise UsageError(f"--batch {text}: batch sizes are written 1..4096 (powers of two) or 32,100")
    return list(dict.fromkeys(sizes))


def time_batches(
    recipe: str | Recipe,
    *overrides: str,
    sizes: Sequence[int],
    to: float | None = None,
    budget: float = 0.5,
    say: Callable[[str], None] | None = None,
) -> BatchTimes:
    """Time a recipe's step at several batch sizes and, with `to`, the training it takes to come to an error.

    The rate goes with the batch: rate * batch / the recipe's batch; so does nothing else. The error is judged after
    every `evaluate` of the recipe, on the validation part where there is one, and judging takes no time. `budget` is
    how many seconds each step is measured for, without moving the weights, which other rates would lead astray; with
    `to`, `say` hears of each size when it is done. Raises `UsageError` for sizes below 1, for those of which none is as
    small as the data, and for an error below 0.

    >>> import dovetail as dt
    >>> times = dt.time_batches("softmax-regression", "data=digits", sizes=[8, 64], budget=0.05)
    >>> times.sizes[1].examples > times.sizes[0].examples
    True
    """
    if not sizes or any(not isinstance(size, Integral) or size < 1 for size in sizes):
        raise UsageError(f"batch sizes are whole numbers from 1 on, not {list(sizes)}")
    if to is not None and not to >= 0:
        raise UsageError(f"an error to come to is a number from 0 on, not {to:g}")
    described = resolved(describe_recipe(recipe, overrides, {}))
    source = make_source(described.data, Path.cwd())
    there = source.facts.sizes["train"]
    fitting = [int(size) for size in sizes if size <= there]
    if not fitting:
        raise UsageError(f"batches of {min(sizes):,}: there are only {there:,} training examples")
    part = "validation" if len(source.part("validation")) else "test"
    found = []
    with settled(described):
        for size in fitting:
            one = dataclasses.replace(described, batch=size, accumulate=1)
            trainer = trainer_of(one, source)
            if not trainer.descent.evaluates:
                trainer.descent.rate = lambda t: 0.0
            (seconds,) = interleaved([trainer.step], trainer.device, budget)
            timed = BatchTime(size, 1e3 * seconds, size / seconds)
            found.append(timed if to is None else _trained(timed, one, source, to, part, size / described.batch))
            if say and to is not None:  # training takes its time
                say(str(found[-1]))
    return BatchTimes(found, to, part)


def _trained(timed: BatchTime, recipe: Recipe, source: Source, to: float, part: str, factor: float) -> BatchTime:
    """A run from the beginning until the error is there, or to its end."""
    trainer = Trainer(recipe, source, Path("."))
    usual = trainer.descent.rate
    trainer.descent.rate = lambda t: factor * usual(t)
    trainer.system.train()
    seconds, error = 0.0, math.nan
    while trainer.t < trainer.span.total:
        begun = time.perf_counter()
        try:
            trainer.step()
        except RunError:  # diverged
            break
        seconds += time.perf_counter() - begun
        if trainer.t % trainer.evaluate_every == 0 or trainer.t == trainer.span.total:
            with trainer.as_tested():
                statistics = evaluate(trainer.system, source.part(part), trainer.feed.prepare, recipe.batch)
            error = next(iter(trainer.system.objective.summary(statistics).values()))
            if error <= to:
                break
    epochs = trainer.t / trainer.span.epoch
    return dataclasses.replace(timed, reached=error <= to, seconds=seconds, epochs=epochs, error=error)
