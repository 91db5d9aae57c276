"""How the processes hold the parameters: each all of them, or each its rows of every weight (PyTorch's FSDP2)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..optim.descent import Descent
from ..optim.rules import moves_elements
from ..recipe.errors import RecipeError
from ..recipe.recipe import Recipe
from .neighbours import SharedSum, shared_sum
from .requests import HEEDED
from .system import System
from .world import World

_BUCKET = 1 << 20  # bytes of gradients that are added at a time
_LARGE = 4 << 20  # and of one that is added where it lies


class Alone:
    """This process holds every parameter, and no other trains."""

    def __init__(self, system: System) -> None:
        self.system = system

    def parameters(self) -> list[tuple[str, Tensor]]:
        """What the rule moves in this process, by name."""
        return list(self.system.named_parameters())

    def last(self, losses: list[Tensor], told: list[float]) -> None:
        """The next backward pass is the last of a step, whose losses these are and what this process was told."""
        self.losses, self.told = losses, told

    def collect(self, descent: Descent) -> list[float]:
        """Let each gradient be the sum over all processes; returns the sums of the loss and of what was told."""
        return [sum(loss.item() for loss in self.losses), *self.told]

    def total(self, values: list[float]) -> list[float]:
        """Sums over the entries of gradients, from this process's to those of all entries there are."""
        return values

    def weights(self) -> dict[str, Tensor]:
        """The whole system's tensors."""
        return self.system.state_dict()

    def moments(self, descent: Descent) -> dict[str, Tensor]:
        """All that the rule remembers."""
        return descent.state()


class Copies(Alone, ABC):
    """Every process holds every parameter; gradients are added up, and each moves its own copy in the same way."""

    def __init__(self, system: System, world: World) -> None:
        super().__init__(system)
        self.world = world

    def last(self, losses: list[Tensor], told: list[float]) -> None:
        like = next(self.system.parameters())
        self.numbers = torch.tensor([0.0, *told], dtype=like.dtype, device=like.device)
        for loss in losses:
            self.numbers[0] += loss

    def collect(self, descent: Descent) -> list[float]:
        """With the gradients go the numbers, in the type of the parameters."""
        self.add_up(descent.gradients())
        sums: list[float] = self.numbers.tolist()
        return sums

    @abstractmethod
    def add_up(self, gradients: list[Tensor]) -> None:
        """Let each gradient, and the numbers, be the sum over all processes."""


class Neighbours(Copies):
    """Copies on the processors of one host."""

    def __init__(self, system: System, world: World, shared: SharedSum) -> None:
        super().__init__(system, world)
        self.shared = shared

    def add_up(self, gradients: list[Tensor]) -> None:
        self.shared.add([*gradients, self.numbers])


class Apart(Copies):
    """Copies on several hosts or on GPUs.

    The last layers' gradients are there first, and are added while the others are still computed, a bucket at a time
    and always in the same order. Li et al. (2020), PyTorch distributed.
    """

    def __init__(self, system: System, world: World) -> None:
        super().__init__(system, world)
        self.buckets = in_buckets([parameter for parameter in system.parameters() if parameter.requires_grad])
        self.missing: list[int] = []  # gradients that each bucket waits for, once they are the last of a step
        self.begun: list[Callable[[], None]] = []
        for number, bucket in enumerate(self.buckets):
            for parameter in bucket:
                parameter.register_post_accumulate_grad_hook(partial(self._ready, number))  # type: ignore[no-untyped-call]

    def last(self, losses: list[Tensor], told: list[float]) -> None:
        super().last(losses, told)
        self.missing = [len(bucket) for bucket in self.buckets]

    def _ready(self, number: int, _: Tensor) -> None:
        if self.missing:
            self.missing[number] -= 1
            while len(self.begun) < len(self.buckets) and not self.missing[len(self.begun)]:
                self._begin()

    def _begin(self) -> None:
        bucket = self.buckets[len(self.begun)]
        numbers = [self.numbers] if bucket is self.buckets[-1] else []
        self.begun.append(self.world.adding([*(p.grad for p in bucket if p.grad is not None), *numbers]))

    def add_up(self, gradients: list[Tensor]) -> None:
        while len(self.begun) < len(self.buckets):
            self._begin()
        for finish in self.begun:
            finish()
        self.missing, self.begun = [], []


def copies(system: System, world: World) -> Alone:
    """How this world holds a whole copy of the parameters in every process."""
    trained = [parameter for parameter in system.parameters() if parameter.requires_grad]
    first = trained[0]
    if world.size == 1:
        return Alone(system)
    if first.device.type == "cpu" and all(parameter.dtype == first.dtype for parameter in trained):
        shared = shared_sum(world, sum(p.numel() for p in trained) + 1 + len(HEEDED), first.dtype)
        if shared is not None:
            return Neighbours(system, world, shared)
    return Apart(system, world)


def in_buckets(parameters: Sequence[Tensor]) -> list[list[Tensor]]:
    """Parameters from last to first in groups of one type and at least a MiB; a large one stands alone."""
    buckets: list[list[Tensor]] = []
    size = _BUCKET
    for parameter in reversed(parameters):
        if size >= _BUCKET or parameter.nbytes >= _LARGE or parameter.dtype != buckets[-1][-1].dtype:
            buckets.append([])
            size = 0
        buckets[-1].append(parameter)
        size += parameter.nbytes
    return buckets


class Shards(Alone):
    """Each process holds its rows of every weight; all of them are together only while their layer works.

    A rule that moves each element by itself sees the rows as if they were all. Zhao et al. (2023), PyTorch FSDP.
    """

    def __init__(self, system: System, world: World, device: torch.device) -> None:
        from torch.distributed.device_mesh import DeviceMesh
        from torch.distributed.fsdp import fully_shard
        from torch.distributed.tensor import DTensor

        super().__init__(system)
        self.world = world
        assert dist.group.WORLD is not None
        self.mesh = DeviceMesh.from_group(dist.group.WORLD, device.type)
        system.network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        layers = [module for module in system.network.modules() if list(module.parameters(recurse=False))]
        for module in (*layers, system.network):
            sharded = fully_shard(module, mesh=self.mesh)
            sharded.set_gradient_divide_factor(1.0)  # sums, which gloo can do, no means
            sharded.set_force_sum_reduction_for_comms(True)
        system.to(device)
        self.whole: dict[str, DTensor] = {
            name: parameter for name, parameter in system.named_parameters() if isinstance(parameter, DTensor)
        }
        self.rows = {
            name: nn.Parameter(rows_in(parameter.detach()), parameter.requires_grad)
            for name, parameter in self.whole.items()
        }

    def parameters(self) -> list[tuple[str, Tensor]]:
        return list(self.rows.items())

    def collect(self, descent: Descent) -> list[float]:
        """Hand the rows' gradients over, which FSDP has added up already."""
        for name, parameter in self.whole.items():
            gradient, parameter.grad = parameter.grad, None
            self.rows[name].grad = None if gradient is None else rows_in(gradient)
        descent.gradients()
        return self.world.sum(super().collect(descent))

    def total(self, values: list[float]) -> list[float]:
        return self.world.sum(values)

    def weights(self) -> dict[str, Tensor]:
        return {name: self._gathered(tensor) for name, tensor in self.system.state_dict().items()}

    def moments(self, descent: Descent) -> dict[str, Tensor]:
        from torch.distributed.tensor import DTensor, Shard

        kept = {}
        for key, tensor in sorted(descent.state().items()):  # all gather in one order, whatever order a file had
            like = self.whole.get(key.rpartition("/")[0])
            if like is not None and tensor.dim():
                tensor = DTensor.from_local(
                    tensor, self.mesh, [Shard(0)], run_check=False, shape=like.shape, stride=like.stride()
                )
            kept[key] = self._gathered(tensor)
        return kept

    def own(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """This process's rows of whole tensors that are remembered of parameters; buffers are in all processes."""
        return {
            key: self._rows_of(tensor) if tensor.dim() and key.rpartition("/")[0] in self.whole else tensor
            for key, tensor in tensors.items()
        }

    def _rows_of(self, tensor: Tensor) -> Tensor:
        pieces = tensor.chunk(self.world.size)
        return pieces[self.world.rank] if self.world.rank < len(pieces) else tensor[:0]

    def _gathered(self, tensor: Tensor) -> Tensor:
        from torch.distributed.tensor import DTensor

        if not isinstance(tensor, DTensor):
            return tensor
        full = tensor.full_tensor()
        return full.cpu() if self.world.first else full.new_empty(0)  # only the first writes files


def rows_in(tensor: Any) -> Tensor:
    """The rows of a distributed tensor that lie in this process."""
    rows: Tensor = tensor.to_local()
    return rows


def require_rows_suffice(recipe: Recipe, descent: Descent) -> None:
    """Refuse to shard what cannot work on rows alone: some rules, and objectives with parameters."""
    if not moves_elements(descent.optimizer):
        raise RecipeError(
            f"shard: the rule '{recipe.optimizer.rule.name}' does not move each element by itself, so it cannot "
            "work on rows; leave shard out, or take another rule (sgd, adam)"
        )
    if any(name.startswith("objective.") for name in descent.names):
        raise RecipeError(
            f"shard: the objective '{recipe.objective.name}' has parameters, and only a network's can be spread"
        )
