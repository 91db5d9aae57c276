"""Batch normalization whose batch is the whole one, spread over processes; PyTorch's own refuses the CPU."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class _Sum(torch.autograd.Function):
    """The sum over all processes, whose gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total


class AcrossProcesses(_BatchNorm):
    """y = w (x - mean) / sqrt(variance + eps) + b, mean and variance of all processes' examples together."""

    def _check_input_dim(self, x: Tensor) -> None:
        pass  # what it stands for has checked it

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        axes = [0, *range(2, x.dim())]
        shape = (1, -1, *[1] * (x.dim() - 2))
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        count = torch.tensor([float(x.numel() // x.shape[1])], dtype=wide.dtype, device=x.device)
        total = _Sum.apply(torch.cat([wide.sum(axes), count]))  # type: ignore[no-untyped-call]
        count = total[-1].detach()
        mean = total[:-1] / count
        centred = wide - mean.view(shape)
        variance = _Sum.apply(centred.square().sum(axes)) / count  # type: ignore[no-untyped-call]
        self._remember(mean.detach(), variance.detach(), count)
        y = centred * (variance + self.eps).rsqrt().view(shape)
        if self.weight is not None:
            y = y * self.weight.view(shape) + self.bias.view(shape)
        answer: Tensor = y.to(x.dtype)
        return answer

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum or 0.0)
        unbiased = variance * count / (count - 1)
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), self.momentum or 0.0)


def spread(network: nn.Module) -> None:
    """Let every batch normalization of a network see all processes' examples; parameters and names stay."""
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.__class__ = AcrossProcesses  # its state is the same, only what a batch is differs
