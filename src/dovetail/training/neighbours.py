"""Sums over the processes of one host, in memory that they share: a quarter of the time by sockets."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..recipe.errors import RunError
from .world import World

_MEMORY = Path("/dev/shm")  # files that never reach a disk


class SharedSum:
    """Adds tensors over all processes of a host: each writes its own, adds up its share of the rows, reads the whole.

    Who waits for whom goes through pipes, one for each pair, so that nobody spins, and a process that died is noticed.
    Nothing is left in the file system once all hold it open.
    """

    def __init__(self, world: World, folder: Path, count: int, dtype: torch.dtype) -> None:
        others = [rank for rank in range(world.size) if rank != world.rank]
        for other in others:
            os.mkfifo(folder / f"{other}-{world.rank}")
        # a reader that does not wait for its writer; reading waits all the same once it is there
        self.hear = [os.open(folder / f"{other}-{world.rank}", os.O_RDONLY | os.O_NONBLOCK) for other in others]
        world.wait()
        self.tell = [os.open(folder / f"{world.rank}-{other}", os.O_WRONLY) for other in others]
        for pipe in self.hear:
            os.set_blocking(pipe, True)
        size = (world.size + 1) * count
        self.rows = torch.from_file(str(folder / "rows"), shared=True, size=size, dtype=dtype).view(-1, count)
        world.wait()
        if world.first:
            shutil.rmtree(folder)
        weakref.finalize(self, close, [*self.hear, *self.tell])
        self.own, self.sums = self.rows[world.rank], self.rows[-1]
        share = world.share(count)
        self.parts, self.part = self.rows[:-1, share.start : share.stop], self.sums[share.start : share.stop]

    def add(self, tensors: Sequence[Tensor]) -> None:
        """Add tensors over all processes, in place: the same bits everywhere. Raises `RunError` where one has died."""
        torch.cat([tensor.reshape(-1) for tensor in tensors], out=self.own)
        self._meet()
        torch.sum(self.parts, 0, out=self.part)
        self._meet()
        for tensor, sums in zip(tensors, torch.split(self.sums, [t.numel() for t in tensors]), strict=True):
            tensor.copy_(sums.view(tensor.shape))

    def _meet(self) -> None:
        """Go on when all have come here; a pipe also orders what was written to memory before."""
        try:
            for pipe in self.tell:
                os.write(pipe, b".")
            silent = [pipe for pipe in self.hear if not os.read(pipe, 1)]
        except BrokenPipeError:
            silent = self.tell
        if silent:
            raise RunError("another process of this run has died")


def close(pipes: list[int]) -> None:
    for pipe in pipes:
        os.close(pipe)


def shared_sum(world: World, count: int, dtype: torch.dtype) -> SharedSum | None:
    """One for so many numbers; nothing where processes are on several hosts or the host has not the memory for it."""
    if int(os.environ.get("LOCAL_WORLD_SIZE", 0)) != world.size or not _MEMORY.is_dir():
        return None
    folder = world.agree(lambda: _reserve((world.size + 1) * count * dtype.itemsize))
    return SharedSum(world, folder, count, dtype) if folder else None


def _reserve(size: int) -> Path | None:
    """A folder with a file of so many bytes, which are really there."""
    folder = Path(tempfile.mkdtemp(prefix="dovetail-", dir=_MEMORY))
    try:
        with open(folder / "rows", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
    except OSError:
        shutil.rmtree(folder)
        return None
    return folder
