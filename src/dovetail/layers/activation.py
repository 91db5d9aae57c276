"""Activations: what a unit makes of the sum it receives."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from ..recipe import layer


@layer
def sigmoid(x: Tensor) -> nn.Module:
    """Squash into (0, 1), f(a) = 1 / (1 + e^-a).

    Shapes: any, unchanged.

    >>> import dovetail as dt, torch
    >>> dt.build([dt.sigmoid()], torch.zeros(1, 1))(torch.zeros(1, 1))
    tensor([[0.5000]])
    """
    return nn.Sigmoid()


@layer
def tanh(x: Tensor) -> nn.Module:
    """Squash into (-1, 1), f(a) = (e^a - e^-a) / (e^a + e^-a).

    Shapes: any, unchanged.

    >>> import dovetail as dt, torch
    >>> dt.build([dt.tanh()], torch.zeros(1, 1))(torch.ones(1, 1))
    tensor([[0.7616]])
    """
    return nn.Tanh()


class ScaledTanh(nn.Module):
    """LeNet's squashing function."""

    elementwise = True

    def forward(self, x: Tensor) -> Tensor:
        return 1.7159 * torch.tanh(x * (2 / 3))


@layer
def scaled_tanh(x: Tensor) -> nn.Module:
    """LeNet's squash, f(a) = 1.7159 tanh(2a / 3), whose value at +-1 is +-1 and whose curvature is largest there.

    Shapes: any, unchanged. LeCun et al. (1998), appendix A.

    >>> import dovetail as dt, torch
    >>> dt.build([dt.scaled_tanh()], torch.zeros(1, 1))(torch.ones(1, 1))
    tensor([[1.0000]])
    """
    return ScaledTanh()


@layer
def relu(x: Tensor) -> nn.Module:
    """Rectify, f(a) = max(0, a); the derivative at 0 is 0.

    Shapes: any, unchanged. Nair and Hinton (2010), Rectified linear units improve restricted Boltzmann machines.

    >>> import dovetail as dt, torch
    >>> dt.build([dt.relu()], torch.zeros(1, 2))(torch.tensor([[-1.0, 2.0]]))
    tensor([[0., 2.]])
    """
    return nn.ReLU()


@layer
def leaky_relu(x: Tensor, slope: Annotated[float, Field(ge=0)] = 0.01) -> nn.Module:
    """Rectify with a small slope below zero, f(a) = a where a > 0, else slope * a.

    Shapes: any, unchanged. Maas, Hannun and Ng (2013), Rectifier nonlinearities improve neural network acoustic models.

    >>> import dovetail as dt, torch
    >>> dt.build([dt.leaky_relu(0.5)], torch.zeros(1, 2))(torch.tensor([[-1.0, 2.0]]))
    tensor([[-0.5000,  2.0000]])
    """
    return nn.LeakyReLU(slope)


@layer
def elu(x: Tensor, alpha: Annotated[float, Field(gt=0)] = 1.0) -> nn.Module:
    """Exponential below zero, f(a) = a where a > 0, else alpha (e^a - 1).

    Shapes: any, unchanged. Clevert, Unterthiner and Hochreiter (2016), Fast and accurate deep network learning by
    exponential linear units.

    >>> import dovetail as dt, torch
    >>> dt.build([dt.elu()], torch.zeros(1, 2))(torch.tensor([[-1.0, 2.0]]))
    tensor([[-0.6321,  2.0000]])
    """
    return nn.ELU(alpha)


@layer
def gelu(x: Tensor) -> nn.Module:
    """Weigh by the normal distribution function, f(a) = a Phi(a).

    Shapes: any, unchanged. Hendrycks and Gimpel (2016), Gaussian error linear units.

    >>> import dovetail as dt, torch
    >>> dt.build([dt.gelu()], torch.zeros(1, 1))(torch.ones(1, 1))
    tensor([[0.8413]])
    """
    return nn.GELU()


class Softplus(nn.Module):
    """log(1 + e^a) without the straight line that PyTorch's takes above 20."""

    elementwise = True

    def forward(self, x: Tensor) -> Tensor:
        return -nn.functional.logsigmoid(-x)


@layer
def softplus(x: Tensor) -> nn.Module:
    """A smooth rectifier, f(a) = log(1 + e^a), exact at any a.

    Shapes: any, unchanged. Dugas et al. (2001), Incorporating second-order functional knowledge for better option
    pricing.

    >>> import dovetail as dt, torch
    >>> dt.build([dt.softplus()], torch.zeros(1, 1))(torch.zeros(1, 1))
    tensor([[0.6931]])
    """
    return Softplus()


class Maxout(nn.Module):
    """The largest of every `pieces` neighbouring features."""

    selecting = True

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(len(x), -1, self.pieces, *x.shape[2:]).amax(2)


@layer
def maxout(x: Tensor, pieces: Annotated[int, Field(ge=2)] = 2) -> nn.Module:
    """The largest of every `pieces` neighbouring features, f(a)[u] = max over k of a[pieces * u + k].

    Shapes: (N, F, ...) -> (N, F / pieces, ...). Raises `ValueError` unless pieces divides F. Goodfellow et al. (2013),
    Maxout networks.

    >>> import dovetail as dt, torch
    >>> dt.build([dt.maxout(2)], torch.zeros(1, 4))(torch.tensor([[1.0, 3.0, -2.0, -5.0]]))
    tensor([[ 3., -2.]])
    """
    if x.dim() < 2 or x.shape[1] % pieces:
        raise ValueError(f"{pieces} pieces do not divide {x.shape[1]} features; make the layer before a multiple wide")
    return Maxout(pieces)
