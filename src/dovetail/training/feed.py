"""What each step trains on: its examples, as synthetic versions where the recipe asks for them, on the device."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..data.batches import Batches
from ..data.prepare import Prepare
from ..data.source import Source
from ..recipe.draws import Draws
from ..recipe.recipe import Recipe
from ..recipe.sequences import pieces
from ..synthetic.synthesis import Synthesis
from .machine import dtype_of
from .relevance import Relevances
from .system import Batch, Mixed
from .world import World


class Feed:
    """The batches of a run as this process trains on them, by step: in micro-batches, prepared.

    Raises `RecipeError` where transforms do not suit the data.
    """

    def __init__(self, recipe: Recipe, source: Source, device: torch.device, world: World) -> None:
        self.prepare = Prepare(source.facts.input, device, dtype_of(recipe))
        self.synthesis = Synthesis(recipe.synthetic, source.facts.input) if recipe.synthetic else None
        self.draws = Draws(recipe.seed)
        self.device = device
        undivided = recipe.accumulate == world.size == 1
        self.parts = None if undivided else partial(world.parts, recipe.batch // recipe.accumulate)
        self.whole = self.synthesis is not None and self.synthesis.mixes  # mixed before they are shared out
        examples = source.part("train")
        self.relevances: Relevances | None = None
        if recipe.relevance is not None:
            self.relevances = Relevances(len(examples), recipe.relevance, recipe.seed, world)
        order = None if self.relevances is None else self.relevances.order
        parts = None if self.whole else self.parts
        self.batches = Batches(examples, recipe.batch, recipe.seed, parts, order)

    def at(self, t: int) -> list[Batch]:
        """This process's examples of step t, in as many parts as the recipe says."""
        rows, (raw, target, weight) = self.batches.at(t)
        target = target.to(self.device, non_blocking=True)
        weight = weight if weight is None else weight.to(self.device, non_blocking=True)
        self.draws.step = t
        if self.whole and self.parts:
            batch = self._batch(raw, target, weight, 0)
            return [batch.rows(part) for part in self.parts(len(target))]
        if len(rows) == 1:
            return [self._batch(raw, target, weight, rows[0].start)]
        sizes = [len(row) for row in rows]
        inputs, targets = pieces(raw, sizes), pieces(target, sizes)
        weights = [None] * len(rows) if weight is None else torch.split(weight, sizes)
        parts = zip(rows, inputs, targets, weights, strict=True)
        return [self._batch(x, y, w, row.start) for row, x, y, w in parts]

    def hear(self, t: int, batches: list[Batch], heard: list[Tensor]) -> None:
        """Take up what the system said of how relevant the examples of step t are, a micro-batch each."""
        if self.relevances is not None:
            indices = self.batches.indices(t)
            for batch, values in zip(batches, heard, strict=True):
                self.relevances.hear(indices[batch.first : batch.first + len(values)], values)

    def _batch(self, raw: Any, target: Any, weight: Tensor | None, first: int) -> Batch:
        if self.synthesis is None:
            return Batch(self.prepare(raw), target, weight, first)
        self.draws.first = first
        x, mix = self.synthesis(self.prepare.values(raw), self.draws)
        mixed = None if mix is None else Mixed(target[mix.partner], mix.share)
        return Batch(self.prepare.normalized(x), target, weight, first, mixed)
