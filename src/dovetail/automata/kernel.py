"""The kernels for sums and best paths, where they fit: single precision on the CPU."""

from __future__ import annotations

import ctypes
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..kernels import library
from ..kernels.at import call
from .rows import Reading
from .structure import Incoming, Indices, Structure

LANES = 8
FEW = 4  # examples below which the lanes are better filled with arcs than with examples


def kernel_for(reading: Reading) -> Kernel | None:
    """The kernel that reads; None where PyTorch's operations are to be used."""
    automaton = reading.automaton
    tensors = (reading.frames, automaton.weight, automaton.start, automaton.final)
    fits = all(tensor.dtype == torch.float32 and tensor.device.type == "cpu" for tensor in tensors)
    if not fits or automaton.weight.dim() > 1 or not reading.structure.states:
        return None
    kind = Shared if reading.shared and len(reading.frames) >= FEW else Each
    kernels = library(kind.__name__.lower())
    return kind(kernels, reading) if kernels is not None else None


@dataclass(frozen=True, eq=False)
class Packed:
    """A structure's arcs as kernels take them; states are counted from their automaton's first."""

    incoming: Incoming
    source: Any
    target: Any
    label: Any
    free: Any  # (states,): the first arc into each that reads nothing

    @classmethod
    def of(cls, structure: Structure) -> Packed:
        incoming = structure.incoming
        counts = np.diff(incoming.begins)
        target = np.repeat(np.arange(structure.states), counts)
        first = structure.firsts[structure.owners[structure.source[incoming.arcs]]]
        reading = np.bincount(target, incoming.label >= 0, minlength=structure.states).astype(np.int64)
        source, target = incoming.source - first, target - first
        free = incoming.begins[:-1] + reading
        return cls(incoming, _small(source), _small(target), _small(incoming.label), free)


def _small(numbers: Indices) -> Any:
    return numbers.astype(np.int32)


class Kernel(ABC):
    """Reads with weights in the order of `Incoming`, of minus infinity a large number."""

    def __init__(self, kernels: ctypes.CDLL, reading: Reading) -> None:
        self.kernels, self.reading, self.structure = kernels, reading, reading.structure
        self.packed: Packed = self.structure.packed(Packed.of)
        incoming, automaton = self.packed.incoming, reading.automaton
        self.arcs, self.order = torch.from_numpy(incoming.arcs), torch.from_numpy(incoming.order)
        with torch.no_grad():
            weights = (automaton.weight[self.arcs], automaton.start[self.order], automaton.final[self.order])
            self.weights = [weight.clamp(min=-1e30) for weight in weights]
        self.frames, self.lengths = reading.frames.detach().contiguous(), reading.lengths.contiguous()
        self.examples, self.length, self.columns = self.frames.shape

    @abstractmethod
    def ask(self, name: str, *rest: Any) -> None:
        """Call a kernel with what describes the automaton and the frames, and the rest."""

    @abstractmethod
    def forward(self) -> Tensor:
        """(N,): the sums; keeps what the way back needs."""

    @abstractmethod
    def backward(self, gradient: Tensor) -> tuple[Tensor, ...]:
        """Gradients to frames, weights, start and final."""

    def best(self) -> list[Indices | None]:
        """The arcs of each example's best path, None where no path reads it."""
        capacity = (self.reading.longest + 1) * (int(self.structure.levels.max(initial=0)) + 1)
        path = torch.empty(self.examples, capacity, dtype=torch.int32)
        counts = torch.empty(self.examples, dtype=torch.int64)
        self.ask("best", capacity, path, counts)
        arcs, found = self.packed.incoming.arcs, zip(path.numpy(), counts.tolist(), strict=True)
        return [None if count < 0 else arcs[row[:count]] for row, count in found]

    def as_given(self, sorted_sums: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, ...]:
        """Sums for arcs, starts and ends, put back into the order that the automaton has them in."""
        places = (self.arcs, self.order, self.order)
        return tuple(
            torch.empty_like(part).index_copy_(0, place, part) for part, place in zip(sorted_sums, places, strict=True)
        )


class Shared(Kernel):
    """One automaton, many examples, eight at a time."""

    def ask(self, name: str, *rest: Any) -> None:
        packed = self.packed
        graph = (self.structure.states, self.structure.arcs, packed.incoming.begins, packed.source, packed.label)
        frames = (self.frames, self.lengths, self.examples, self.length, self.columns)
        call(getattr(self.kernels, f"shared_{name}"), *graph, *self.weights, *frames, *rest)

    def forward(self) -> Tensor:
        self.blocks = -(-self.examples // LANES)
        self.rows = torch.empty(self.blocks, self.length + 1, self.structure.states, LANES)
        self.offsets = torch.empty(self.blocks, self.length + 1, LANES)
        self.relative = torch.full((self.blocks, LANES), -1e30)
        totals = torch.empty(self.examples, dtype=torch.float64)
        self.ask("forward", self.rows, self.offsets, self.relative, totals)
        return totals.float()

    def backward(self, gradient: Tensor) -> tuple[Tensor, ...]:
        sizes = (self.structure.arcs, self.structure.states, self.structure.states)
        of_frames, by_block = torch.zeros_like(self.frames), [torch.zeros(self.blocks, size) for size in sizes]
        self.ask("backward", self.rows, self.offsets, self.relative, gradient.contiguous(), of_frames, *by_block)
        arcs, starts, ends = (part.sum(0) for part in by_block)
        return of_frames, *self.as_given((arcs, starts, ends))


class Each(Kernel):
    """For each example an automaton, or one for few examples; eight arcs at a time."""

    def __init__(self, kernels: ctypes.CDLL, reading: Reading) -> None:
        super().__init__(kernels, reading)
        firsts = self.structure.firsts
        self.of = np.zeros(self.examples, np.int64) if reading.shared else np.arange(self.examples)
        self.states = (firsts[self.of + 1] - firsts[self.of]) if self.examples else firsts[:0]
        begins = self.packed.incoming.begins
        self.own_arcs = begins[firsts[self.of + 1]] - begins[firsts[self.of]]

    def ask(self, name: str, *rest: Any) -> None:
        packed = self.packed
        graph = (self.structure.firsts, packed.incoming.begins, packed.free, packed.source, packed.target, packed.label)
        frames = (self.of, self.frames, self.lengths, self.examples, self.length, self.columns)
        call(getattr(self.kernels, f"each_{name}"), *graph, *self.weights, *frames, *rest)

    def forward(self) -> Tensor:
        sizes = (self.lengths.numpy() + 1) * self.states
        self.at = np.cumsum(sizes) - sizes
        self.rows = torch.empty(int(sizes.sum()))
        self.offsets = torch.empty(self.examples, self.length + 1)
        self.relative, totals = torch.empty(self.examples), torch.empty(self.examples, dtype=torch.float64)
        self.ask("forward", self.at, self.rows, self.offsets, self.relative, totals)
        return totals.float()

    def backward(self, gradient: Tensor) -> tuple[Tensor, ...]:
        of_frames = torch.zeros_like(self.frames)
        arc_at, state_at = (np.cumsum(sizes) - sizes for sizes in (self.own_arcs, self.states))
        sizes = (int(self.own_arcs.sum()), int(self.states.sum()), int(self.states.sum()))
        sums = [torch.zeros(size) for size in sizes]
        kept = (self.at, self.rows, self.offsets, self.relative, gradient.contiguous())
        self.ask("backward", *kept, arc_at, state_at, of_frames, *sums)
        if self.reading.shared:
            sums = [part.view(self.examples, -1).sum(0) for part in sums]
        return of_frames, *self.as_given((sums[0], sums[1], sums[2]))
