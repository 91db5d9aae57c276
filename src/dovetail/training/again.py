"""A step's loss again: at other weights, without gradients, and how it curves, for rules that ask more than once."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..layers.noise import dropout_mask
from ..optim.kronecker import Moments, kronecker_moments
from ..optim.products import differentiated, gauss_newton_product
from ..optim.second_order import diagonal_curvature
from ..recipe.draws import generator
from ..recipe.errors import RunError
from .system import Batch

if TYPE_CHECKING:
    from .trainer import Trainer


class Again:
    """The mean loss of one step's examples, with the random draws of that step at every call; an `Evaluation`.

    The first call answers with the loss and the gradients that are there.
    """

    def __init__(self, trainer: Trainer, batches: list[Batch], count: float, loss: float) -> None:
        self.trainer, self.batches, self.count = trainer, batches, count
        self.known: float | None = loss
        self.counts = {1.0: count}  # by share

    def __call__(self) -> float:
        loss, self.known = self.known, None
        if loss is None:
            self._take_back_statistics()
            loss = self.trainer.gradients(self.batches, self.count)
        return loss / self.count

    def value(self, share: float = 1.0) -> float:
        """The mean loss alone."""
        with torch.no_grad():
            total = sum(float(self.trainer.system(batch)) for batch in self._batches(share))
        return self.trainer.world.sum([total])[0] / self._count(share)

    def product(self, parameters: list[Tensor], vectors: list[Tensor], share: float = 1.0) -> list[Tensor]:
        """The Gauss-Newton matrix of the mean loss by these parameters, times a vector."""
        system = self.trainer.system
        names = {id(parameter): name for name, parameter in system.network.named_parameters()}
        if any(id(parameter) not in names for parameter in parameters):
            raise RunError("the rule gauss_newton moves a network's parameters, and the objective has some of its own")
        order = [names[id(parameter)] for parameter in parameters]
        named = dict(zip(order, vectors, strict=True))
        sums = [torch.zeros_like(vector) for vector in vectors]
        count = self._count(share)
        for batch in self._batches(share):
            inputs, loss = system.laid_out(batch.input), partial(self._judged, batch)
            with differentiated(), system.precision:
                products = gauss_newton_product(system.network, inputs, loss, named)
            torch._foreach_add_(sums, [products[name] for name in order], alpha=1 / count)
        self.trainer.world.add(sums)
        return sums

    def moments(self, parameters: list[Tensor]) -> list[Moments]:
        """What the layers' blocks of that matrix are about: see `kronecker_moments`."""
        system, found = self.trainer.system, None
        for batch in self._batches():
            inputs, loss = system.laid_out(batch.input), partial(self._judged, batch)
            with differentiated(), system.precision:
                parts = kronecker_moments(system.network, inputs, loss, self._signs, parameters)
            if found is None:
                found = parts
            else:
                for one, part in zip(found, parts, strict=True):
                    one.add(part)
        assert found is not None
        tensors = [tensor for one in found for tensor in (one.inputs, one.outputs) if tensor is not None]
        self.trainer.world.add(tensors)
        for one, rows in zip(found, self.trainer.world.sum([one.rows for one in found]), strict=True):
            one.rows = int(rows)
        return [one.divided(self.count) for one in found]

    def _signs(self, output: Tensor) -> Tensor:
        draws = self.trainer.system.draws
        return dropout_mask(output, 0.5, draws.key("signs"), draws.first) - 1

    def curvature(self, parameters: list[Tensor], examples: int) -> list[Tensor]:
        """Estimates of each parameter's own second derivative of the mean loss, over training examples as tested."""
        trainer, system = self.trainer, self.trainer.system
        names = {id(parameter): f"network.{name}" for name, parameter in system.network.named_parameters()}
        sums: dict[int, Tensor] = {id(parameter): torch.zeros_like(parameter) for parameter in parameters}
        part = trainer.source.part("train")
        draw = generator(trainer.recipe.seed, "curvature", trainer.t)
        chosen = torch.randperm(len(part), generator=draw)[:examples]
        count = 0.0
        system.eval()
        for rows in torch.split(chosen, 100):
            raw, target, weight = part.fetch(rows)
            weight = None if weight is None else weight.to(trainer.device)
            batch = Batch(system.laid_out(trainer.feed.prepare(raw)), target.to(trainer.device), weight)
            count += system.count(batch)
            with system.precision:
                found = diagonal_curvature(system.network, batch.input, partial(self._judged, batch))
            for key in sums:
                if key in names:
                    sums[key] += found[names[key].removeprefix("network.")]
        system.train()
        return [sums[id(parameter)] / count for parameter in parameters]

    def _judged(self, batch: Batch, output: Tensor) -> Tensor:
        return self.trainer.system.judged(output, batch)

    def _batches(self, share: float = 1.0) -> Iterator[Batch]:
        """The step's examples, or the first so large share of them."""
        self._take_back_statistics()
        for batch in self._first(share):
            self.trainer.system.draws.first = batch.first
            yield batch

    def _first(self, share: float) -> list[Batch]:
        if share == 1:
            return self.batches
        end = math.ceil(share * self.trainer.feed.batches.size(self.trainer.t))
        rows = [range(min(len(batch.target), max(end - batch.first, 0))) for batch in self.batches]
        return [batch.rows(own) for batch, own in zip(self.batches, rows, strict=True) if own]

    def _count(self, share: float) -> float:
        if share not in self.counts:
            own = sum(map(self.trainer.system.count, self._first(share)))
            (self.counts[share],) = self.trainer.world.sum([own])
        return self.counts[share]

    def _take_back_statistics(self) -> None:
        """Running averages count each step once, however often it is looked at."""
        if self.trainer.buffers:
            torch._foreach_copy_(self.trainer.buffers, self.trainer.buffers_before)
