"""Judging a system on a part of the data."""

from __future__ import annotations

import torch
from torch import Tensor

from ..data.prepare import Prepare
from ..data.source import Examples, Source
from ..recipe.errors import RecipeError
from ..recipe.facts import Facts
from ..recipe.recipe import Recipe
from .machine import dtype_of
from .system import System
from .world import World

ALONE = World()


def evaluate(
    system: System, examples: Examples, prepare: Prepare, batch: int, world: World = ALONE
) -> dict[str, Tensor]:
    """The objective's statistics over a part of the data, summed, over all processes where there are several."""
    training = system.training
    system.eval()
    sums: dict[str, Tensor] = {}
    own = world.share(len(examples))
    most = max(1, -(-len(examples) // world.size))  # all processes take as many turns, with examples or without
    with torch.no_grad() if world.size > 1 else torch.inference_mode():
        for start in range(own.start, own.start + most, 2 * batch):
            raw, target, _ = examples.fetch(torch.arange(start, max(start, min(start + 2 * batch, own.stop))))
            output = system.answer(prepare(raw))
            for name, value in system.objective.measure(output, target.to(prepare.device)).items():
                value = value.to(output.device)
                sums[name] = sums[name] + value if name in sums else value
        world.add(list(sums.values()))
    system.train(training)
    return {name: value.cpu() for name, value in sums.items()}


def require_validation(recipe: Recipe, facts: Facts) -> None:
    """Refuse settings that validation examples decide about, where the data keep none of these."""
    for setting, what in (("stop", "when to stop"), ("reject", "from where on answers are sure")):
        if getattr(recipe, setting) is not None and not facts.sizes["validation"]:
            remedy = f"data.{recipe.data.name}.validation=0.2"
            raise RecipeError(f"{setting}: validation examples tell {what}, and the recipe keeps none: {remedy}")


def figures_told(recipe: Recipe, source: Source) -> dict[str, float]:
    """What a system that has learned nothing is told of two validation examples: every figure by its name."""
    system, examples = System(recipe, source.facts).eval(), source.part("validation")
    raw, target, _ = examples.fetch(torch.arange(min(2, len(examples))))
    with torch.inference_mode():
        output = system.answer(Prepare(source.facts.input, torch.device("cpu"), dtype_of(recipe))(raw))
        figures: dict[str, float] = system.objective.summary(system.objective.measure(output, target))
    return figures
