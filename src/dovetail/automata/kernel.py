"""The kernels for sums and best paths, where they fit: single precision on the CPU."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..kernels import library
from ..kernels.at import call
from .rows import Reading
from .structure import Incoming, Structure

LANES = 8


def shared_kernel(reading: Reading) -> SharedKernel | None:
    """The kernel for an automaton that all examples share; None where PyTorch's operations are to be used."""
    automaton = reading.automaton
    tensors = (reading.frames, automaton.weight, automaton.start, automaton.final)
    fits = all(tensor.dtype == torch.float32 and tensor.device.type == "cpu" for tensor in tensors)
    if not fits or not reading.shared or automaton.weight.dim() > 1 or not reading.structure.states:
        return None
    kernels = library("shared")
    return SharedKernel(kernels, reading) if kernels is not None else None


@dataclass(frozen=True, eq=False)
class Packed:
    """A structure's arcs as kernels take them."""

    incoming: Incoming
    source: Any
    label: Any

    @classmethod
    def of(cls, structure: Structure) -> Packed:
        incoming = structure.incoming
        return cls(incoming, incoming.source.astype(np.int32), incoming.label.astype(np.int32))


class SharedKernel:
    """One automaton, many examples, eight at a time."""

    def __init__(self, kernels: ctypes.CDLL, reading: Reading) -> None:
        self.kernels, self.reading = kernels, reading
        self.packed: Packed = reading.structure.packed(Packed.of)
        incoming, automaton = self.packed.incoming, reading.automaton
        self.arcs, self.order = torch.from_numpy(incoming.arcs), torch.from_numpy(incoming.order)
        with torch.no_grad():
            weights = (automaton.weight[self.arcs], automaton.start[self.order], automaton.final[self.order])
            self.weights = [weight.clamp(min=-1e30) for weight in weights]
        self.frames, self.lengths = reading.frames.detach().contiguous(), reading.lengths.contiguous()

    @property
    def sizes(self) -> tuple[int, int, int]:
        examples, length, columns = self.frames.shape
        return examples, length, columns

    @cached_property
    def blocks(self) -> int:
        return -(-len(self.frames) // LANES)

    def _ask(self, name: str, *rest: Any) -> None:
        structure, packed = self.reading.structure, self.packed
        graph = (structure.states, structure.arcs, packed.incoming.begins, packed.source, packed.label, *self.weights)
        call(getattr(self.kernels, name), *graph, self.frames, self.lengths, *self.sizes, *rest)

    def forward(self) -> Tensor:
        """(N,): the sums; keeps what the way back needs."""
        examples, length, _ = self.sizes
        self.rows = torch.empty(self.blocks, length + 1, self.reading.structure.states, LANES)
        self.offsets = torch.empty(self.blocks, length + 1, LANES)
        self.relative = torch.full((self.blocks, LANES), -1e30)
        totals = torch.empty(examples, dtype=torch.float64)
        self._ask("shared_forward", self.rows, self.offsets, self.relative, totals)
        return totals.float()

    def backward(self, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Gradients to frames, weights, start and final."""
        states, arcs = self.reading.structure.states, self.reading.structure.arcs
        of_frames = torch.zeros_like(self.frames)
        by_block = [torch.zeros(self.blocks, size) for size in (arcs, states, states)]
        back = (self.rows, self.offsets, self.relative, gradient.float().contiguous())
        self._ask("shared_backward", *back, of_frames, *by_block)
        sums = [torch.empty(part.shape[1]) for part in by_block]
        for into, part, place in zip(sums, by_block, (self.arcs, self.order, self.order), strict=True):
            into[place] = part.sum(0)
        return of_frames, sums[0], sums[1], sums[2]

    def best(self) -> list[list[int] | None]:
        """The arcs of each example's best path, None where no path reads it."""
        structure = self.reading.structure
        capacity = (self.reading.longest + 1) * (int(structure.levels.max(initial=0)) + 1)
        path = torch.zeros(len(self.frames), capacity, dtype=torch.int32)
        counts = torch.empty(len(self.frames), dtype=torch.int64)
        self._ask("shared_best", capacity, path, counts)
        arcs, found = self.packed.incoming.arcs, zip(path.numpy(), counts.tolist(), strict=True)
        return [None if count < 0 else arcs[row[:count]].tolist() for row, count in found]
