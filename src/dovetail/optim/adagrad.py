"""AdaGrad and its kin: rates by the squared gradients seen so far, all of them, fading, or those of a window."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from torch.optim import Adagrad, Optimizer

from ..recipe import rule
from .foreach import Foreach, Groups, Tensors, chunks
from .rules import fast_form
from .window import LocalAdagrad

Above = Annotated[float, Field(gt=0)]
Fading = Annotated[float, Field(gt=0, le=1)]


@rule
def adagrad(params: Groups, k: Above = 1e-10) -> Optimizer:
    """Rates that fall with the squared gradients seen so far, the one of this step included.

        s <- s + g^2;   w <- w - rate * g / sqrt(k + s)

    g includes decay * w. Takes sparse gradients. Duchi, Hazan and Singer (2011), Adaptive subgradient methods for
    online learning and stochastic optimization.

    >>> import dovetail as dt
    >>> dt.adagrad(1.0)
    adagrad(1.0)
    """
    return Adagrad(params, lr=0.0, initial_accumulator_value=k, eps=0.0, **fast_form(params, "cpu"))


class AdaDec(Foreach):
    """AdaGrad whose sum fades; see `dovetail.adadec`."""

    def __init__(
        self, params: Any, lr: float = 0.01, fade: float = 0.99, k: float = 1e-10, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, lr, weight_decay, fade=fade, k=k)

    def move(self, group: dict[str, Any], t: int, parameters: Tensors, gradients: Tensors) -> None:
        sums = self.remembered(parameters, "sum")
        for w, s, g in chunks(parameters, sums, gradients):
            s.mul_(group["fade"]).addcmul_(g, g)
            w.addcmul_(g, (s + group["k"]).rsqrt_(), value=-group["lr"])


@rule
def adadec(params: Groups, fade: Fading = 0.99, k: Above = 1e-10) -> Optimizer:
    """AdaGrad whose sum fades, so that the rate can rise again.

        s <- fade * s + g^2;   w <- w - rate * g / sqrt(k + s)

    g includes decay * w. Senior et al. (2013), An empirical study of learning rates in deep neural networks for speech
    recognition, whose rate also falls with time; take a schedule for that.

    >>> import dovetail as dt
    >>> dt.adadec(0.5)
    adadec(0.5)
    """
    return AdaDec(params, 0.0, fade, k)


@rule
def local_adagrad(
    params: Groups, window: Annotated[int, Field(ge=1)] = 100, k: Above = 1e-10, exact: bool = True
) -> Optimizer:
    """AdaGrad over the latest `window` gradients, the one of this step included.

        s = sum of g_i^2 over i = t - window + 1 .. t;   w <- w - rate * g / sqrt(k + s)

    g includes decay * w. It remembers `window` tensors for each parameter, or two with `exact: false`, which takes the
    older gradients of the window for alike: what is left of the window before counts by its share.

    >>> import dovetail as dt
    >>> dt.local_adagrad(2, k=1.0)
    local_adagrad(2, k=1.0)
    """
    return LocalAdagrad(params, 0.0, window, k, exact)
