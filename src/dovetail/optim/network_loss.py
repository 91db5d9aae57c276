"""The loss of a network on a batch, as the rules that look at a step more than once ask for it in one's own loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from .foreach import Tensors
from .kronecker import Moments, kronecker_moments
from .products import differentiated, gauss_newton_product
from .second_order import diagonal_curvature


class NetworkLoss:
    """The mean loss of a network's outputs on examples, and how it curves; an `Evaluation`.

    `loss` takes outputs and targets and gives their mean over the examples, as PyTorch's do; it must be convex in the
    outputs. What the network draws (dropout) is the same at every call, and its buffers (running statistics) count the
    batch once. Curvatures are taken of the first of these examples, with the network as tested. Raises `TypeError` for
    other things than these, and `ValueError` where inputs and targets are not equally many, where a rule asks for the
    curvature of parameters that the network has not, and for layers that it cannot differentiate.

    >>> from torch.nn.functional import mse_loss
    >>> from dovetail.optim import GaussNewton, NetworkLoss
    >>> network, x = nn.Linear(2, 1), torch.randn(50, 2)
    >>> target = x @ torch.tensor([[2.0], [-1.0]]) + 3
    >>> rule = GaussNewton(network.parameters(), damping=1e-6)
    >>> losses = [rule.step(NetworkLoss(network, x, target, mse_loss)) for _ in range(3)]
    >>> losses[0] > 1 and losses[2] < 1e-8
    True
    """

    def __init__(
        self, network: nn.Module, inputs: Tensor, targets: Tensor, loss: Callable[[Tensor, Tensor], Tensor]
    ) -> None:
        for name, given, kind in (
            ("network", network, nn.Module),
            ("inputs", inputs, Tensor),
            ("targets", targets, Tensor),
        ):
            if not isinstance(given, kind):
                raise TypeError(f"{name}: expected a {kind.__module__}.{kind.__name__}, not {type(given).__name__}")
        if not callable(loss):
            raise TypeError(f"loss: expected a function of outputs and targets, not {loss!r}")
        if len(inputs) != len(targets) or not len(inputs):
            raise ValueError(f"one target for each example, and one at least, not {len(targets)} for {len(inputs)}")
        self.network, self.inputs, self.targets, self.loss = network, inputs, targets, loss
        self.devices = [inputs.device] if inputs.is_cuda else []
        self.seed = int(torch.randint(2**62, ()))  # so that the next batch's draws are others
        self.buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]

    def __call__(self) -> float:
        """The mean loss, its gradients in the parameters' `grad`."""
        self.network.zero_grad()
        with self._as_at_first(), torch.enable_grad():
            loss = _require_number(self.loss(self.network(self.inputs), self.targets))
            torch.autograd.backward(loss)
        return float(loss.detach())

    def value(self, share: float = 1.0) -> float:
        """The mean loss alone, of the first so large share of the examples."""
        rows = self._rows(share)
        with self._as_at_first(), torch.no_grad():
            return float(self.loss(self.network(self.inputs[rows]), self.targets[rows]))

    def product(self, parameters: Tensors, vectors: Tensors, share: float = 1.0) -> Tensors:
        """The Gauss-Newton matrix of the mean loss by these parameters, times a vector: see `gauss_newton_product`."""
        names, rows = self._names(parameters), self._rows(share)
        named = dict(zip(names, vectors, strict=True))
        with self._as_at_first(), differentiated():
            products = gauss_newton_product(self.network, self.inputs[rows], self._judged(rows), named)
        return [products[name] for name in names]

    def moments(self, parameters: Tensors) -> list[Moments]:
        """What the layers' blocks of that matrix are about: see `kronecker_moments`."""
        count, rows = len(self.inputs), self._rows(1.0)
        judged = self._judged(rows)
        with self._as_at_first(), differentiated():
            found = kronecker_moments(self.network, self.inputs, lambda z: count * judged(z), _signs, parameters)
        return [one.divided(count) for one in found]

    def curvature(self, parameters: Tensors, examples: int) -> Tensors:
        """Estimates of each parameter's own second derivative of the mean loss: see `diagonal_curvature`."""
        names, rows = self._names(parameters), slice(examples)
        training, count = self.network.training, len(self.inputs[rows])
        judged = self._judged(rows)
        self.network.eval()
        try:
            found = diagonal_curvature(self.network, self.inputs[rows], lambda z: count * judged(z))
        finally:
            self.network.train(training)
        return [found[name] / count for name in names]

    def _judged(self, rows: slice) -> Callable[[Tensor], Tensor]:
        return lambda output: self.loss(output, self.targets[rows])

    def _rows(self, share: float) -> slice:
        return slice(math.ceil(share * len(self.inputs)))

    def _names(self, parameters: Tensors) -> list[str]:
        names = {id(parameter): name for name, parameter in self.network.named_parameters()}
        if any(id(parameter) not in names for parameter in parameters):
            raise ValueError("the rule moves parameters that are not this network's")
        return [names[id(parameter)] for parameter in parameters]

    @contextmanager
    def _as_at_first(self) -> Iterator[None]:
        """Within it, random numbers and buffers are those of the first call; after it, draws are as without it."""
        with torch.random.fork_rng(self.devices):
            torch.manual_seed(self.seed)
            with torch.no_grad():
                for buffer, before in self.buffers:
                    buffer.copy_(before)
            yield


def _require_number(loss: Any) -> Tensor:
    if not isinstance(loss, Tensor):
        told = type(loss).__name__
    elif loss.numel() != 1:
        told = f"shape {tuple(loss.shape)}"
    elif not loss.requires_grad:
        told = "one without"
    else:
        return loss
    raise TypeError(f"loss: expected one number with a gradient, the mean over the examples, not {told}")


def _signs(output: Tensor) -> Tensor:
    return torch.randint(0, 2, output.shape, device=output.device).to(output.dtype) * 2 - 1
