"""Batches addressed by step: the examples of step t come from (seed, epoch), nothing about their order is stored."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property

import torch
from torch import Tensor

from ..recipe.draws import generator
from .source import Examples, Fetched

Parts = Callable[[int], list[range]]
Order = Callable[[int], Tensor]
POOL = 32  # batches among which sequences of similar length are put together


class Batches:
    """The global batches of a run: a fresh shuffle an epoch, the last batch of an epoch smaller where need be.

    `parts` says which of a batch's rows this process sees, a function from their count to a range for each
    micro-batch; without it there is one, of all. `order` says which examples an epoch sees one after another; it
    is asked when the epoch before is over. Without it each is seen once, in a random order; sequences so that those of
    a batch are about as long as one another, which of POOL batches together are seen in a random order.

    >>> from dovetail.data.source import InMemory
    >>> five = InMemory(torch.arange(5), torch.arange(5))
    >>> batches = Batches(five, batch=2, seed=0)
    >>> batches.epoch_steps, sorted(i for t in range(3) for i in batches.indices(t).tolist())
    (3, [0, 1, 2, 3, 4])
    """

    def __init__(
        self, examples: Examples, batch: int, seed: int, parts: Parts | None = None, order: Order | None = None
    ) -> None:
        self.examples, self.batch, self.seed, self.parts = examples, batch, seed, parts
        self.epoch_steps = -(-len(examples) // batch)
        self.order = order
        self._epoch, self._order = -1, ()  # type: int, tuple[Tensor, ...]
        self._ahead: tuple[int, Future[Fetched]] | None = None

    def indices(self, t: int) -> Tensor:
        """Which examples step t sees, in order."""
        epoch, step = divmod(t, self.epoch_steps)
        if epoch != self._epoch:
            order = self.order(epoch) if self.order else self._shuffled(epoch)
            self._epoch, self._order = epoch, torch.split(order, self.batch)
        return self._order[step]

    def _shuffled(self, epoch: int) -> Tensor:
        g = generator(self.seed, "order", epoch)
        order = torch.randperm(len(self.examples), generator=g)
        if self.examples.lengths is None:
            return order
        pools = torch.split(order, POOL * self.batch)
        order = torch.cat([pool[self.examples.lengths[pool].argsort(stable=True)] for pool in pools])
        *batches, last = torch.split(order, self.batch)  # which may be smaller, and stays the last
        return torch.cat([*(batches[i] for i in torch.randperm(len(batches), generator=g)), last])

    def size(self, t: int) -> int:
        """How many examples step t sees, over all processes."""
        return min(self.batch, len(self.examples) - t % self.epoch_steps * self.batch)

    def at(self, t: int) -> tuple[list[range], Fetched]:
        """Which rows of step t's batch this process sees, a range a micro-batch, and their examples one after another.

        Where fetching takes time (files to decode), the batch after it is fetched meanwhile.
        """
        rows, own = self._own(t)
        if not self.examples.slow:
            return rows, self.examples.fetch(own)
        ahead, self._ahead = self._ahead, None
        ready = ahead[1].result() if ahead and ahead[0] == t else self.examples.fetch(own)
        if self.order is None or (t + 1) % self.epoch_steps:  # else what comes next depends on this step
            self._ahead = (t + 1, self._fetcher.submit(self.examples.fetch, self._own(t + 1)[1]))
        return rows, ready

    def _own(self, t: int) -> tuple[list[range], Tensor]:
        indices = self.indices(t)
        if self.parts is None:
            return [range(len(indices))], indices
        rows = self.parts(len(indices))
        return rows, torch.cat([indices[row.start : row.stop] for row in rows])

    @cached_property
    def _fetcher(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1, "batches")
