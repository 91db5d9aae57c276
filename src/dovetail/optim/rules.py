"""Rules: how a gradient moves a parameter. PyTorch's own, in their fastest form for the device."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field
from torch.optim import SGD, Adagrad, Adam, AdamW, NAdam, Optimizer, RMSprop

from ..recipe import rule

Groups = list[dict[str, Any]]
Share = Annotated[float, Field(ge=0, lt=1)]
Small = Annotated[float, Field(ge=0)]


@rule
def sgd(params: Groups, momentum: Share = 0.0, nesterov: bool = False) -> Optimizer:
    """Stochastic gradient descent, with momentum of Polyak's or Nesterov's kind.

        m <- momentum * m + g;   w <- w - rate * m     (nesterov: w <- w - rate * (g + momentum * m))

    g includes decay * w. Raises `ValueError` for nesterov without momentum. Sutskever et al. (2013), On the importance
    of initialization and momentum in deep learning.

    >>> import dovetail as dt
    >>> dt.sgd(momentum=0.9)
    sgd(0.9)
    """
    if nesterov and not momentum:
        raise ValueError("nesterov needs a momentum above 0")
    return SGD(params, lr=0.0, momentum=momentum, nesterov=nesterov, **fast_form(params, "cpu", "cuda", "mps"))


@rule
def adam(params: Groups, beta1: Share = 0.9, beta2: Share = 0.999, eps: Small = 1e-8) -> Optimizer:
    """Rates scaled by running moments of the gradient.

        m <- beta1 m + (1 - beta1) g;  v <- beta2 v + (1 - beta2) g^2
        w <- w - rate * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)

    g includes decay * w. Kingma and Ba (2015), Adam: a method for stochastic optimization, algorithm 1.

    >>> import dovetail as dt
    >>> type(dt.adam(beta2=0.99).make([{"params": [torch.zeros(3)]}])).__name__
    'Adam'
    """
    return Adam(params, lr=0.0, betas=(beta1, beta2), eps=eps, **fast_form(params, "cpu", "cuda", "mps"))


@rule
def adamw(params: Groups, beta1: Share = 0.9, beta2: Share = 0.999, eps: Small = 1e-8) -> Optimizer:
    """Adam with decoupled decay: w <- w - rate * decay * w beside the step of `adam`, whose g is without decay.

    Loshchilov and Hutter (2019), Decoupled weight decay regularization, algorithm 2.

    >>> import dovetail as dt
    >>> type(dt.adamw().make([{"params": [torch.zeros(3)], "weight_decay": 0.01}])).__name__
    'AdamW'
    """
    return AdamW(params, lr=0.0, betas=(beta1, beta2), eps=eps, **fast_form(params, "cpu", "cuda", "mps"))


@rule
def rmsprop(params: Groups, alpha: Share = 0.99, momentum: Share = 0.0, eps: Small = 1e-8) -> Optimizer:
    """Rates scaled by a running mean of squared gradients.

        v <- alpha v + (1 - alpha) g^2;   m <- momentum m + g / (sqrt(v) + eps);   w <- w - rate * m

    g includes decay * w. Tieleman and Hinton (2012), lecture 6.5 of Neural networks for machine learning.

    >>> import dovetail as dt
    >>> dt.rmsprop(0.9, momentum=0.9)
    rmsprop(0.9, momentum=0.9)
    """
    return RMSprop(params, lr=0.0, alpha=alpha, momentum=momentum, eps=eps, **plain_form(params))


@rule
def nadam(
    params: Groups, beta1: Share = 0.9, beta2: Share = 0.999, eps: Small = 1e-8, ramp: Small = 0.004
) -> Optimizer:
    """Adam with Nesterov's momentum, which climbs: mu(t) = beta1 (1 - 0.96^(t ramp) / 2) for t = 1, 2, ...

        M = mu(1) mu(2) ... mu(t);   w <- w - rate * (mu(t+1) m / (1 - M mu(t+1)) + (1 - mu(t)) g / (1 - M))
            / (sqrt(v / (1 - beta2^t)) + eps)

    m and v are `adam`'s; g includes decay * w. Dozat (2016), Incorporating Nesterov momentum into Adam.

    >>> import dovetail as dt
    >>> dt.nadam(beta2=0.99)
    nadam(beta2=0.99)
    """
    return NAdam(params, lr=0.0, betas=(beta1, beta2), eps=eps, momentum_decay=ramp, **plain_form(params))


def moves_elements(optimizer: Optimizer) -> bool:
    """Whether a rule moves each element by that element's gradients alone; a rule of one's own says `elementwise`."""
    return isinstance(optimizer, SGD | Adam | NAdam | RMSprop | Adagrad) or getattr(optimizer, "elementwise", False)


def fast_form(params: Groups, *fused: str) -> dict[str, bool]:
    """Fused where this rule has it for all the devices, else foreach."""
    tensors: list[torch.Tensor] = [tensor for group in params for tensor in group["params"]]
    every = all(tensor.device.type in fused and tensor.is_floating_point() for tensor in tensors)
    return {"fused": True} if every and tensors else {"foreach": True}


def plain_form(params: Groups) -> dict[str, bool]:
    """For a rule without a fused form: one tensor after the other on the CPU, where lists of them outgrow the cache."""
    return {"foreach": any(tensor.device.type != "cpu" for group in params for tensor in group["params"])}
