"""Initial weights by name: how wide the first random draw is, so that signals neither die nor explode.

A weight has fan-in i (inputs that meet in one unit) and fan-out o (units that one input feeds); biases start at 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from ..recipe import init
from ..recipe.spec import Spec

Draw = Callable[[Tensor], Tensor]
Fans = tuple[int, int]
Width = Annotated[float, Field(gt=0)]


@init
def normal(fans: Fans, deviation: Width = 0.01) -> Draw:
    """Normal with a fixed standard deviation, w ~ N(0, deviation^2).

    >>> import dovetail as dt
    >>> network = dt.build([dt.linear(1000, init=dt.normal(0.01))], torch.zeros(1, 1000))
    >>> round(float(network[0].weight.detach().std()), 3)
    0.01
    """
    return lambda weight: weight.normal_(0.0, deviation)


@init
def uniform(fans: Fans, bound: Width = 0.05) -> Draw:
    """Uniform within a fixed bound, w ~ U(-bound, bound).

    >>> import dovetail as dt
    >>> network = dt.build([dt.linear(1000, init=dt.uniform(0.1))], torch.zeros(1, 1000))
    >>> round(float(network[0].weight.detach().abs().max()), 3)
    0.1
    """
    return lambda weight: weight.uniform_(-bound, bound)


@init
def he(fans: Fans) -> Draw:
    """Normal for rectified units, w ~ N(0, 2 / i).

    He et al. (2015), Delving deep into rectifiers, section 2.2.

    >>> import dovetail as dt
    >>> network = dt.build([dt.linear(1000, init="he")], torch.zeros(1, 200))
    >>> round(float(network[0].weight.detach().std()), 2)
    0.1
    """
    return lambda weight: weight.normal_(0.0, math.sqrt(2.0 / fans[0]))


@init
def glorot(fans: Fans) -> Draw:
    """Uniform, balanced between both directions, w ~ U(-b, b), b = sqrt(6 / (i + o)).

    Glorot and Bengio (2010), Understanding the difficulty of training deep feedforward neural networks, equation 16.

    >>> import dovetail as dt
    >>> network = dt.build([dt.linear(300, init="glorot")], torch.zeros(1, 300))
    >>> round(float(network[0].weight.detach().abs().max()), 3)
    0.1
    """
    bound = math.sqrt(6.0 / sum(fans))
    return lambda weight: weight.uniform_(-bound, bound)


@init
def lecun(fans: Fans) -> Draw:
    """Uniform as LeNet-5's, w ~ U(-2.4 / i, 2.4 / i).

    LeCun et al. (1998), Gradient-based learning applied to document recognition, appendix A.

    >>> import dovetail as dt
    >>> network = dt.build([dt.linear(1000, init="lecun")], torch.zeros(1, 24))
    >>> round(float(network[0].weight.detach().abs().max()), 2)
    0.1
    """
    bound = 2.4 / fans[0]
    return lambda weight: weight.uniform_(-bound, bound)


@init
def sparse(fans: Fans, connections: Annotated[int, Field(gt=0)] = 15, deviation: Width = 1.0) -> Draw:
    """Few strong connections into each unit, `connections` of w ~ N(0, deviation^2), the others 0.

    Units then differ and are not saturated however many inputs they have. Martens (2010), Deep learning via
    Hessian-free optimization, section 5.

    >>> import dovetail as dt
    >>> network = dt.build([dt.linear(3, init=dt.sparse(5))], torch.zeros(1, 200))
    >>> (network[0].weight != 0).sum(1)
    tensor([5, 5, 5])
    """

    def draw(weight: Tensor) -> Tensor:
        rows = weight.view(len(weight), -1)
        kept = torch.rand_like(rows).topk(min(connections, rows.shape[1]), 1).indices
        values = torch.empty_like(rows).normal_(0.0, deviation)
        return rows.zero_().scatter_(1, kept, values.gather(1, kept))

    return draw


def fans_of(weight: Tensor, groups: int = 1) -> Fans:
    """(fan-in, fan-out) of a weight (out, in / groups, *kernel)."""
    field = math.prod(weight.shape[2:])
    return weight.shape[1] * field, weight.shape[0] // groups * field


def initialize(module: nn.Module, spec: Spec | None, fans: Fans | None = None) -> nn.Module:
    """Draw a module's weight as a spec says and set its bias to 0; without a spec PyTorch's own draw stays.

    `fans` are those of the weight (out, in, *kernel) unless given.
    """
    if spec is not None:
        weight, bias = module.weight, module.bias
        assert isinstance(weight, Tensor)
        with torch.no_grad():
            spec.make(fans or fans_of(weight))(weight)
            if isinstance(bias, Tensor):
                bias.zero_()
    return module
