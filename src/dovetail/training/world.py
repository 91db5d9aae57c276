"""The processes that train together, each on its share of every batch: one unless `torchrun` started more."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.rendezvous import rendezvous

from ..optim.clipping import in_memory_order
from ..recipe.errors import DovetailError, UsageError

T = TypeVar("T")
PATIENCE = timedelta(minutes=30)  # that the others have while one evaluates, decodes or writes


@dataclass(frozen=True)
class World:
    """`size` processes, of which this is number `rank`; `local` is its number on its host."""

    rank: int = 0
    size: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.rank == 0

    def share(self, count: int) -> range:
        """This process's share of `count` things in order: contiguous, shares differing by one at the most.

        >>> [list(World(rank, size=3).share(5)) for rank in range(3)]
        [[0, 1], [2, 3], [4]]
        """
        least, more = divmod(count, self.size)
        start = self.rank * least + min(self.rank, more)
        return range(start, start + least + (self.rank < more))

    def parts(self, size: int, count: int) -> list[range]:
        """This process's share of each micro-batch of `size` (the last may be smaller) out of `count` things in order.

        >>> World(1, size=2).parts(4, count=10)
        [range(2, 4), range(6, 8), range(9, 10)]
        """
        starts = range(0, count, size)
        shares = [self.share(min(size, count - start)) for start in starts]
        return [range(start + own.start, start + own.stop) for start, own in zip(starts, shares, strict=True)]

    def sum(self, values: Sequence[float]) -> list[float]:
        """Numbers added over all processes, in float64."""
        if self.size == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(total)
        numbers: list[float] = total.tolist()
        return numbers

    def add(self, tensors: Sequence[Tensor]) -> None:
        """Add tensors of one type over all processes, in place: the same bits everywhere."""
        if self.size > 1 and tensors:
            self.adding(tensors)()

    def adding(self, tensors: Sequence[Tensor]) -> Callable[[], None]:
        """Begin to add tensors of one type over all processes; what is returned waits, and leaves the sums in them.

        A tensor alone is added where it lies, several in one row.
        """
        alone = len(tensors) == 1 and in_memory_order(tensors[0]).data_ptr() == tensors[0].data_ptr()
        row = in_memory_order(tensors[0]) if alone else torch.cat([tensor.reshape(-1) for tensor in tensors])
        work: Any = dist.all_reduce(row, async_op=True)

        def finish() -> None:
            work.wait()
            if not alone:
                sizes = [tensor.numel() for tensor in tensors]
                for tensor, sums in zip(tensors, torch.split(row, sizes), strict=True):
                    tensor.copy_(sums.view(tensor.shape))

        return finish

    def agree(self, decide: Callable[[], T]) -> T:
        """What the first process decides, told to all; what it raises, all raise."""
        if self.size == 1:
            return decide()
        box: list[Any] = [None, None]
        if self.first:
            try:
                box[0] = decide()
            except DovetailError as error:
                box[1] = error
        dist.broadcast_object_list(box, src=0)
        if box[1] is not None:
            raise box[1]
        return box[0]  # type: ignore[no-any-return]

    def wait(self) -> None:
        """Go on when all have come here."""
        self.sum([0.0])

    def place(self, device: str) -> torch.device:
        """The device of this process where the run's is `device`: on GPUs each process has its own.

        Raises `UsageError` where a host has more processes than GPUs.
        """
        if self.size == 1 or not device.startswith("cuda"):
            return torch.device(device)
        there = torch.cuda.device_count()
        if self.local >= there:
            raise UsageError(
                f"device={device}: this host has {there} GPUs, fewer than processes; start fewer (torchrun "
                f"--nproc-per-node {there}) or train with device=cpu"
            )
        return torch.device("cuda", self.local)


@contextmanager
def joined() -> Iterator[World]:
    """The world that the environment tells of (as `torchrun` sets it), joined and left again."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1 or dist.is_initialized():
        yield here()
        return
    world = here()
    gpus = torch.cuda.device_count()
    if world.local < gpus:
        torch.cuda.set_device(world.local)
    store, rank, size = next(rendezvous("env://", timeout=PATIENCE))
    # torchrun's store outlives the processes it starts anew, and with it the addresses of those that died
    store = torch.distributed.distributed_c10d.PrefixStore(f"start {restarts()}", store)
    backend = "cpu:gloo,cuda:nccl" if gpus else "gloo"  # by where the tensors are, since a run's device is the recipe's
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=PATIENCE)
    try:
        yield world
    finally:
        dist.destroy_process_group()


def here() -> World:
    """What the environment says of this process."""
    words = [
        int(os.environ.get(name, default)) for name, default in (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0))
    ]
    return World(*words)


def restarts() -> int:
    """How often `torchrun` started the world anew, after one of it died."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0))
