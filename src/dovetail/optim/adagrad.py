"""AdaGrad and its kin that forget: rates by the squared gradients seen so far, fading, or of a window."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field
from torch.optim import Adagrad, Optimizer

from ..recipe import rule
from .foreach import Foreach, Groups, Tensors
from .rules import fast_form

Above = Annotated[float, Field(gt=0)]
Fading = Annotated[float, Field(gt=0, le=1)]
CHUNK = 1 << 16  # entries that are worked on while they are in the processor's cache


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
    """AdaGrad whose sum fades; see `adadec`."""

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


class LocalAdagrad(Foreach):
    """AdaGrad over the latest gradients alone; see `local_adagrad`.

    The window's sum is never subtracted from, so it cannot drift: a window is the newest squares of one block and the
    last ones of the block before, of which the sums from each place to the end are kept in the squares' place.
    """

    counts = True

    def __init__(
        self,
        params: Any,
        lr: float = 0.01,
        window: int = 100,
        k: float = 1e-10,
        exact: bool = True,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr, weight_decay, window=window, k=k, exact=exact)

    def move(self, group: dict[str, Any], t: int, parameters: Tensors, gradients: Tensors) -> None:
        window, place = group["window"], t % group["window"]
        newest = self.remembered(parameters, "newest", group["k"])  # k + the squares of this block
        if place == 0:
            self.turn(group, parameters, newest)
        if not group["exact"]:
            rest, share = self.remembered(parameters, "before"), 1 - (place + 1) / window
            for w, g, s, r in chunks(parameters, gradients, newest, rest):
                s.addcmul_(g, g)
                w.addcmul_(g, torch.add(s, r, alpha=share).rsqrt_(), value=-group["lr"])
            return
        squares = self.remembered(parameters, f"square{place}")
        if place + 1 == window:
            for w, g, s, q in chunks(parameters, gradients, newest, squares):
                s.add_(torch.mul(g, g, out=q))
                w.addcmul_(g, s.rsqrt(), value=-group["lr"])
            return
        rest = self.remembered(parameters, f"square{place + 1}")
        for w, g, s, q, r in chunks(parameters, gradients, newest, squares, rest):
            s.add_(torch.mul(g, g, out=q))
            w.addcmul_(g, torch.add(s, r).rsqrt_(), value=-group["lr"])

    def turn(self, group: dict[str, Any], parameters: Tensors, newest: Tensors) -> None:
        """A block is full: its squares become sums from each place to the end, and a new one begins."""
        if group["exact"]:
            blocks = [self.remembered(parameters, f"square{place}") for place in range(group["window"])]
            for later, earlier in zip(blocks[:0:-1], blocks[-2::-1], strict=True):
                torch._foreach_add_(earlier, later)
        else:
            before = self.remembered(parameters, "before")
            torch._foreach_copy_(before, newest)
            torch._foreach_sub_(before, group["k"])
        torch._foreach_zero_(newest)
        torch._foreach_add_(newest, group["k"])


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


def chunks(*lists: Tensors) -> Any:
    """The tensors of several lists in step, each cut into pieces that stay in cache, as they lie in memory."""
    for tensors in zip(*lists, strict=True):
        first = tensors[0]
        if first.numel() <= CHUNK or any(tensor.stride() != first.stride() for tensor in tensors):
            yield tensors
            continue
        rows = [tensor.as_strided((tensor.numel(),), (1,)) for tensor in tensors] if dense(first) else None
        yield from zip(*(row.split(CHUNK) for row in rows), strict=True) if rows else [tensors]


def dense(tensor: torch.Tensor) -> bool:
    """Whether the entries fill one stretch of memory, in whatever order."""
    size = 1
    for length, stride in sorted(zip(tensor.shape, tensor.stride(), strict=True), key=lambda pair: pair[1]):
        if length > 1 and stride != size:
            return False
        size *= length
    return True
