"""DropConnect: connections left out at random, other ones for every example."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ..recipe import layer
from ..recipe.draws import Draws
from ..recipe.spec import InitSpec, Size
from .bits import WORD, beginning
from .initialization import initialize
from .masked import draw_mask, masked_product

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "none": lambda sums: sums,
}
POINTS = 24  # of the quadrature; its error for tanh and sigmoid of unit slope is far below that of the Gaussian itself


class DropConnect(nn.Linear):
    """A linear layer and its activation; each example trains some of the connections, and tests take the mean over all.

    `draws` and `purpose` are set in a system, and the masks are a function of seed, layer, step and row.
    """

    draws: Draws | None = None
    purpose = ""

    def __init__(
        self, inputs: int, units: int, bias: bool, keep: float, activation: str, inference: str, batchnorm: bool
    ) -> None:
        super().__init__(inputs, units, bias and not batchnorm)  # which has biases of its own
        self.keep, self.activation, self.inference = keep, activation, inference
        self.norm = nn.BatchNorm1d(units) if batchnorm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        act = ACTIVATIONS[self.activation]
        if self.keep == 1 or x.is_meta:
            return act(self.norm(super().forward(x)))
        if self.training:
            return act(self.norm(self.masked(x)))
        if self.inference == "mean" or self.activation == "none":
            return act(self.norm(super().forward(x)))
        return expected(act, *self.moments(x))

    def masked(self, x: Tensor) -> Tensor:
        """The sums over the connections that are kept, divided by `keep`."""
        if x.dim() != 2 or x.shape[1] != self.in_features:
            raise RuntimeError(f"expected rows of {self.in_features} features, not an input of {list(x.shape)}")
        key, first = beginning(self.draws, self.purpose)
        ones = [] if self.bias is None else [x.new_ones(len(x), 1)]
        biases = [] if self.bias is None else [self.bias.unsqueeze(1)]
        words = -(-(self.in_features + len(ones)) // WORD)
        space = words * WORD - self.in_features - len(ones)
        rows = torch.cat([x, *ones, x.new_zeros(len(x), space)], 1).to(self.weight.dtype)
        weights = torch.cat([self.weight, *biases, self.weight.new_zeros(self.out_features, space)], 1)
        mask = draw_mask(key, self.keep, first, len(x), self.out_features, words, x.device)
        return masked_product(rows, weights, mask) / self.keep

    def moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation of each sum over the masks: W v + b, and the root of (1 / keep - 1) (W.W v.v + b.b).

        Of normalized sums they are what normalization makes of them. It is affine, so two values a deviation off tell
        both; and where its statistics are taken anew, these two have the mean and the variance of all masks.
        """
        squares = None if self.bias is None else self.bias.square()
        spread = nn.functional.linear(x.square(), self.weight.square(), squares)
        least = torch.finfo(spread.dtype).tiny
        mean, deviation = super().forward(x), (spread * (1 / self.keep - 1)).clamp_min(least).sqrt()
        if isinstance(self.norm, nn.Identity):
            return mean, deviation
        below, above = self.norm(torch.cat([mean - deviation, mean + deviation])).chunk(2)
        return (below + above) / 2, ((above - below).abs() / 2).clamp_min(least)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, keep={self.keep}, activation={self.activation}, inference={self.inference}"


def expected(act: Callable[[Tensor], Tensor], mean: Tensor, deviation: Tensor) -> Tensor:
    """E[act(u)] for normal u: exact for relu, else by Gauss and Hermite's quadrature."""
    if act is torch.relu:
        ratio = mean / deviation
        density = torch.exp(-0.5 * ratio.square()) / math.sqrt(2 * math.pi)
        below: Tensor = torch.special.ndtr(ratio)
        return mean * below + deviation * density
    from numpy.polynomial.hermite_e import hermegauss  # 5 ms that others need not wait for

    points, weights = hermegauss(POINTS)
    total = torch.zeros_like(mean)
    for point, weight in zip(points, weights / weights.sum(), strict=True):
        total.add_(act(torch.add(mean, deviation, alpha=float(point))), alpha=float(weight))
    return total


@layer
def dropconnect(
    x: Tensor,
    units: Size,
    keep: Annotated[float, Field(ge=0.001, le=1)] = 0.5,
    activation: Literal["relu", "tanh", "sigmoid", "none"] = "relu",
    bias: bool = True,
    inference: Literal["gaussian", "mean"] = "gaussian",
    batchnorm: bool = False,
    init: InitSpec | None = None,
) -> nn.Module:
    """Connect every input to every unit, and for each example leave connections out at random; activation included.

        y = f((M . W) v / keep),   M[n, o, i] = 1 with probability keep, else 0, drawn anew for every example n

    Biases are connections too. `keep` is rounded to a multiple of 2^-16. Tests answer by the mean of f over the masks,
    of the normal distribution with the sums' mean W v and variance (1 / keep - 1) (W . W)(v . v), exactly for relu, by
    quadrature for tanh and sigmoid; or, with `inference: mean`, by f(W v). With `batchnorm` the sums are normalized
    over the batch before f, in place of biases (Ioffe and Szegedy, 2015), and for tests their mean and variance are,
    too: a layer of its own would divide by a deviation that is partly the masks', which sums of tests have not.

    Shapes: (N, F) -> (N, units). Wan et al. (2013), Regularization of neural networks using DropConnect, whose form is
    not divided by keep and whose mean is of samples.

    >>> import dovetail as dt, torch
    >>> network = dt.build([dt.dropconnect(1, activation="none")], torch.zeros(1, 2))
    >>> network[0].weight.data, network[0].bias.data = torch.tensor([[1.0, 3.0]]), torch.zeros(1)
    >>> network(torch.ones(99, 2)).detach().unique()  # none of the connections, either, or both
    tensor([0., 2., 6., 8.])
    >>> network.eval()(torch.ones(1, 2))
    tensor([[4.]], grad_fn=<AddmmBackward0>)
    """
    if x.dim() != 2:
        raise ValueError("needs rows of features: put flatten before it")
    made = DropConnect(x.shape[-1], int(units), bias, keep, activation, inference, batchnorm)
    return initialize(made, init)
