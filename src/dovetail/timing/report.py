"""`dovetail time`: all that was measured of a recipe's step, as a table or as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..recipe.recipe import Recipe
from ..training.begin import describe_recipe
from ..training.machine import device_name, resolved, settled
from ..training.run import make_source
from ..training.tables import aligned, bytes_text
from .layers import LayerTime, time_layers
from .peaks import Peaks, measure_peaks
from .step import Alternative, StepTime, alternatives, time_step, trainer_of


@dataclass(frozen=True)
class Timing:
    """What was measured, in milliseconds, GFLOP/s, GB/s and shares of what the machine does at most."""

    settings: dict[str, Any]
    peaks: Peaks
    layers: list[LayerTime]
    step: StepTime
    alternatives: list[Alternative]

    def plain(self) -> dict[str, Any]:
        return {
            "settings": self.settings,
            "peaks": vars(self.peaks),
            "layers": [vars(layer) for layer in self.layers],
            "step": vars(self.step),
            "alternatives": [vars(one) for one in self.alternatives],
        }

    def __str__(self) -> str:
        peaks, step, chosen = self.peaks, self.step, self.settings
        matrix = ", ".join(f"{name} {value:,.0f}" for name, value in peaks.matrix.items())
        head = ("", "layer", "output", "forward ms", "backward ms", "GFLOP/s", "of peak", "of copy", "memory")
        rows = [head, *(self._row(layer) for layer in self.layers)]
        ahead, back = sum(one.forward for one in self.layers), sum(one.backward for one in self.layers)
        memory = sum(one.memory for one in self.layers)
        rows.append(("", "layers", "", f"{ahead:.3f}", f"{back:.3f}", "", "", "", bytes_text(memory)))
        words = ", ".join(f"{name} {value}" for name, value in chosen.items() if name != "machine")
        lines = [
            f"{chosen['machine']}: matrix products {matrix} GFLOP/s, copies {peaks.copy:.1f} GB/s",
            words,
            "",
            *aligned(rows, left=3),
            "",
            f"step {step.whole:.3f} ms = {step.examples:,.0f} examples/s: fetch and prepare {step.fetch:.3f}, "
            f"forward {step.forward:.3f}, backward {step.backward:.3f}, update {step.update:.3f}",
            "",
        ]
        lines += [f"{one.setting}: {one.examples:,.0f} examples/s, x {one.ratio:.2f}" for one in self.alternatives]
        return "\n".join(lines)

    @staticmethod
    def _row(layer: LayerTime) -> tuple[str, ...]:
        counted = layer.gflops > 0
        return (
            layer.place,
            layer.layer,
            layer.output,
            f"{layer.forward:.3f}",
            f"{layer.backward:.3f}",
            f"{layer.gflops:,.0f}" if counted else "",
            f"{layer.matrix:.0%}" if counted else "",
            f"{layer.bandwidth:.0%}",
            bytes_text(layer.memory),
        )


def time(recipe: str | Recipe, *overrides: str, budget: float = 0.5) -> Timing:
    """Time a recipe's training step on its data, layer by layer, and against other settings; nothing is written.

    `budget` is how many seconds each thing is measured for, each direction of a layer a third of it; three calls at
    least.

    >>> import dovetail as dt
    >>> timing = dt.time("logistic", budget=0.0)
    >>> [layer.place for layer in timing.layers], timing.step.examples > 0
    (['0'], True)
    """
    described = resolved(describe_recipe(recipe, overrides, {}))
    trainer = trainer_of(described, make_source(described.data, Path.cwd()))
    with settled(described):
        peaks = measure_peaks(trainer.device, budget)
        (batch, *_) = trainer.feed.at(0)
        layers = time_layers(trainer.system, batch, described.precision, peaks, budget / 3)
        step = time_step(trainer, budget)
        others = alternatives(trainer, budget)
    names = ("batch", "accumulate", "precision", "layout", "threads", "device")
    settings = {"machine": device_name(trainer.device), **{name: getattr(described, name) for name in names}}
    return Timing(settings, peaks, layers, step, others)
