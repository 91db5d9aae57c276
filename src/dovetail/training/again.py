"""A step's loss again: at other weights, without gradients, and how it curves, for rules that ask more than once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..optim.gauss_newton import gauss_newton_product
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

    def __call__(self) -> float:
        loss, self.known = self.known, None
        if loss is None:
            self._take_back_statistics()
            loss = self.trainer.gradients(self.batches, self.count)
        return loss / self.count

    def value(self) -> float:
        """The mean loss alone."""
        with torch.no_grad():
            total = sum(float(self.trainer.system(batch)) for batch in self._batches())
        return self.trainer.world.sum([total])[0] / self.count

    def product(self, parameters: list[Tensor], vectors: list[Tensor]) -> list[Tensor]:
        """The Gauss-Newton matrix of the mean loss by these parameters, times a vector."""
        system = self.trainer.system
        names = {id(parameter): name for name, parameter in system.network.named_parameters()}
        if any(id(parameter) not in names for parameter in parameters):
            raise RunError("the rule gauss_newton moves a network's parameters, and the objective has some of its own")
        order = [names[id(parameter)] for parameter in parameters]
        named = dict(zip(order, vectors, strict=True))
        sums = [torch.zeros_like(vector) for vector in vectors]
        for batch in self._batches():
            inputs, loss = system.laid_out(batch.input), partial(self._judged, batch)
            try:
                with system.precision:
                    products = gauss_newton_product(system.network, inputs, loss, named)
            except (NotImplementedError, TypeError) as error:
                reason = str(error).split("\n")[0]
                raise RunError(f"optimizer.rule gauss_newton cannot differentiate this network: {reason}") from None
            torch._foreach_add_(sums, [products[name] for name in order], alpha=1 / self.count)
        self.trainer.world.add(sums)
        return sums

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

    def _batches(self) -> Iterator[Batch]:
        self._take_back_statistics()
        for batch in self.batches:
            self.trainer.system.draws.first = batch.first
            yield batch

    def _take_back_statistics(self) -> None:
        """Running averages count each step once, however often it is looked at."""
        if self.trainer.buffers:
            torch._foreach_copy_(self.trainer.buffers, self.trainer.buffers_before)
