"""Which examples matter: those that are wrong still, or nearly so, are seen more often, each time as a new version."""

from __future__ import annotations

import torch
from torch import Tensor

from ..recipe.draws import generator
from ..recipe.recipe import Relevance
from .tensors import require_alike
from .world import World


class Relevances:
    """How much each training example matters, and the order of an epoch that follows from it.

    An epoch has as many places as there are examples. Example i gets a place with probability
    (1 - share) / n + share * r[i] / sum(r), r what was heard of it in the epoch it was last seen in; all are alike at
    first. The places are dealt out evenly (systematic resampling), then shuffled, so that with a share
    of 0 each is seen once. What is drawn depends on the seed and on what was heard in earlier epochs, all of it in
    `tensors()`.
    """

    def __init__(self, count: int, settings: Relevance, seed: int, world: World) -> None:
        self.share, self.seed, self.world = settings.share, seed, world
        self.relevance = torch.ones(count, dtype=torch.float64)  # at the beginning of the present epoch
        self.heard = torch.zeros(2, count, dtype=torch.float64)  # in it: sums, and of how many
        self.epoch = 0

    def hear(self, indices: Tensor, values: Tensor) -> None:
        """Take up how relevant examples were when they were trained on."""
        values = values.double().cpu()
        good = values.isfinite()
        both = torch.stack([values[good], torch.ones_like(values[good])])
        self.heard.index_add_(1, indices[good], both)

    def order(self, epoch: int) -> Tensor:
        """The examples of an epoch in the order they are seen."""
        if epoch != self.epoch:
            sums, counts = self._all_heard()
            self.relevance = torch.where(counts > 0, sums / counts.clamp(min=1), self.relevance)
            self.heard, self.epoch = torch.zeros_like(self.heard), epoch
        count, draw = len(self.relevance), generator(self.seed, "order", epoch)
        total = float(self.relevance.sum())
        even = torch.full_like(self.relevance, 1 / count)
        chances = torch.lerp(even, self.relevance / total, self.share) if total > 0 else even
        ends = (chances.cumsum(0) * count).clamp_(max=count)
        places = torch.arange(count, dtype=torch.float64) + torch.rand(1, generator=draw, dtype=torch.float64)
        drawn = torch.searchsorted(ends, places).clamp_(max=count - 1)
        return drawn[torch.randperm(count, generator=draw)]

    def tensors(self) -> dict[str, Tensor]:
        """All that changes, from all processes."""
        return {"relevance": self.relevance, "heard": self._all_heard(), "epoch": torch.tensor(self.epoch)}

    def _all_heard(self) -> Tensor:
        heard = self.heard.clone()
        self.world.add([heard])
        return heard

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `tensors()` gave; raises `ValueError` where it is something else."""
        require_alike(self.tensors(), tensors)
        self.relevance, self.epoch = tensors["relevance"], int(tensors["epoch"])
        self.heard = tensors["heard"] if self.world.first else torch.zeros_like(self.heard)  # it is added up again
