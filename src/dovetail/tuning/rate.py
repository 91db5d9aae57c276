"""The rate finder: one short run whose rate climbs from far too low to far too high, and what its loss says."""

from __future__ import annotations

import dataclasses
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..recipe.errors import RunError, UsageError
from ..recipe.recipe import Recipe
from ..recipe.span import Span
from ..training import Trainer
from ..training.begin import describe_recipe
from ..training.hooks import Hooks
from ..training.machine import resolved, settled
from ..training.run import make_source
from ..training.tables import chart

_WORSE = 4.0  # where the loss is so many times its lowest, the rate is too high for certain
_SMOOTH = 0.9


@dataclass(frozen=True)
class RateFound:
    """The rates that were tried with the smoothed loss at each, and three of them.

    `steepest` is where the loss falls fastest for a given factor of the rate, `lowest` where it is lowest, and
    `suggested` is their geometric mean, for the recipe's `setting`, which `replaces` a schedule of that name, if any.
    """

    rates: list[float]
    losses: list[float]
    steepest: float
    lowest: float
    suggested: float
    setting: str = "optimizer.rate"
    replaces: str = ""

    def plain(self) -> dict[str, Any]:
        return vars(self)

    def __str__(self) -> str:
        title = f"loss as the rate climbs from {self.rates[0]:.1g} to {self.rates[-1]:.2g}, in {len(self.rates)} steps"
        first, last = f"{self.rates[0]:.1g}", f"{self.rates[-1]:.2g}"
        lines = chart([min(loss, 1.5 * self.losses[0]) for loss in self.losses], first, last)
        words = [
            f"falls fastest at {self.steepest:.2g}",
            f"lowest at {self.lowest:.2g}",
            f"take {self.suggested:.2g}: {self.setting}={self.suggested:.2g}"
            + (f", in place of the schedule {self.replaces}" if self.replaces else ""),
        ]
        return "\n".join([title, *lines, "", "; ".join(words)])


def find_rate(
    recipe: str | Recipe, *overrides: str, lowest: float = 1e-6, highest: float = 10.0, steps: int = 200
) -> RateFound:
    """Find a rate for a recipe: train `steps` steps, the rate climbing by equal factors from `lowest` to `highest`.

    The recipe's schedule and warm-up are left out; all else is as it is. It ends where the loss is four times its
    lowest. Nothing is kept. Smith (2017), Cyclical learning rates for training neural networks, section 3.3.

    >>> import dovetail as dt
    >>> found = dt.find_rate("softmax-regression", "data=digits", steps=50)
    >>> found.steepest < found.lowest
    True
    """
    if steps < 20:
        raise UsageError(f"steps={steps}: a rate is found in 20 steps at least")
    if not 0 < lowest < highest < math.inf:
        raise UsageError(f"rates climb from above 0, not from lowest={lowest:g} to highest={highest:g}")
    described = resolved(describe_recipe(recipe, overrides, {}))
    source = make_source(described.data, Path.cwd())
    epoch = Span.of(-(-source.facts.sizes["train"] // described.batch), 1).total
    losses: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        optimizer = dataclasses.replace(described.optimizer, warmup=0)
        long_enough = dataclasses.replace(described, optimizer=optimizer, epochs=steps / epoch)
        hooks = Hooks(on_step=lambda _, loss: losses.append(loss))
        trainer = Trainer(long_enough, source, Path(folder), hooks)
        if trainer.descent.searches:
            raise UsageError(f"{described.optimizer.rule.name} searches for how far it goes; take rate: 1")
        trainer.descent.rate = lambda t: lowest * (highest / lowest) ** (t / (steps - 1))
        trainer.system.train()
        with settled(described):
            smooth = _followed(trainer, losses, steps)
    if len(smooth) < 10:
        raise RunError(f"the loss is lost from a rate of {lowest:.2g} on; begin lower")
    rates = [trainer.descent.rate(t) for t in range(len(smooth))]
    schedule = described.optimizer.rate
    found = judged(rates, smooth)
    if "start" in schedule.options:
        return dataclasses.replace(found, setting=f"optimizer.rate.{schedule.name}.start")
    return dataclasses.replace(found, replaces="" if schedule.name == "constant" else schedule.name)


def _followed(trainer: Trainer, losses: list[float], steps: int) -> list[float]:
    """The smoothed losses, until they are far above the lowest."""
    smooth: list[float] = []
    mean = 0.0
    for t in range(steps):
        try:
            trainer.step()
        except RunError:  # diverged for good
            break
        if not math.isfinite(losses[-1]):
            break
        mean = _SMOOTH * mean + (1 - _SMOOTH) * losses[-1]
        smooth.append(mean / (1 - _SMOOTH ** (t + 1)))
        if smooth[-1] > _WORSE * min(smooth) and t > 10:
            break
    return smooth


def judged(rates: list[float], losses: list[float]) -> RateFound:
    """What a curve of smoothed losses says; a rate is suggested halfway between the steepest and the lowest."""
    bottom = losses.index(min(losses))
    reach = 5  # a slope is taken over so many steps to each side
    slopes = {t: losses[t + reach] - losses[t - reach] for t in range(reach, max(bottom - reach, reach) + 1)}
    slopes = {t: slope for t, slope in slopes.items() if t + reach < len(losses)} or {bottom: 0.0}
    steepest = min(slopes, key=lambda t: slopes[t])
    suggested = math.sqrt(rates[steepest] * rates[bottom])
    return RateFound(rates, losses, rates[steepest], rates[bottom], suggested)
