"""How the processes hold the parameters: each all of them, or each its rows of every weight (PyTorch's FSDP2)."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..optim.descent import Descent
from .system import System
from .world import World


class Replicas:
    """Every process holds every parameter; gradients are added up, and each moves its own copy in the same way."""

    def __init__(self, system: System, world: World) -> None:
        self.system, self.world = system, world

    def parameters(self) -> list[tuple[str, Tensor]]:
        """What the rule moves in this process, by name."""
        return list(self.system.named_parameters())

    def collect(self, descent: Descent) -> None:
        """Let each parameter's gradient be the sum over all processes."""
        if self.world.size > 1:
            self.world.add(descent.gradients())

    def total(self, values: list[float]) -> list[float]:
        """Sums over the entries of gradients, from this process's to those of all entries there are."""
        return values

    def weights(self) -> dict[str, Tensor]:
        """The whole system's tensors."""
        return self.system.state_dict()

    def moments(self, descent: Descent) -> dict[str, Tensor]:
        """All that the rule remembers."""
        return descent.state()


class Shards(Replicas):
    """Each process holds its rows of every weight; all of them are together only while their layer works.

    A rule that moves each element by itself sees the rows as if they were all. Zhao et al. (2023), PyTorch FSDP.
    """

    def __init__(self, system: System, world: World, device: torch.device) -> None:
        from torch.distributed.device_mesh import DeviceMesh
        from torch.distributed.fsdp import fully_shard
        from torch.distributed.tensor import DTensor

        super().__init__(system, world)
        assert dist.group.WORLD is not None
        self.mesh = DeviceMesh.from_group(dist.group.WORLD, device.type)
        system.network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        layers = [module for module in system.network.modules() if list(module.parameters(recurse=False))]
        for module in (*layers, system.network):
            fully_shard(module, mesh=self.mesh).set_gradient_divide_factor(1.0)
        system.to(device)
        self.whole: dict[str, DTensor] = {
            name: parameter for name, parameter in system.named_parameters() if isinstance(parameter, DTensor)
        }
        self.rows = {
            name: nn.Parameter(rows_in(parameter.detach()), parameter.requires_grad)
            for name, parameter in self.whole.items()
        }

    def parameters(self) -> list[tuple[str, Tensor]]:
        return [(name, self.rows.get(name, parameter)) for name, parameter in self.system.named_parameters()]

    def collect(self, descent: Descent) -> None:
        """Hand the rows' gradients over, which FSDP has added up already."""
        for name, parameter in self.whole.items():
            gradient, parameter.grad = parameter.grad, None
            self.rows[name].grad = None if gradient is None else rows_in(gradient)
        descent.gradients()

    def total(self, values: list[float]) -> list[float]:
        return self.world.sum(values)

    def weights(self) -> dict[str, Tensor]:
        return {name: self._gathered(tensor) for name, tensor in self.system.state_dict().items()}

    def moments(self, descent: Descent) -> dict[str, Tensor]:
        from torch.distributed.tensor import DTensor, Shard

        kept = {}
        for key, tensor in sorted(descent.state().items()):  # all gather in one order, whatever order a file had
            like = self.whole[key.rpartition("/")[0]]
            if tensor.dim():
                tensor = DTensor.from_local(
                    tensor, self.mesh, [Shard(0)], run_check=False, shape=like.shape, stride=like.stride()
                )
            kept[key] = self._gathered(tensor)
        return kept

    def own(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """This process's rows of whole tensors that a rule remembers."""
        return {name: self._rows_of(tensor) if tensor.dim() else tensor for name, tensor in tensors.items()}

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
