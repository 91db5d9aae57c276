"""Blocks of the Gauss-Newton matrix as Kronecker products: cheap to invert, near enough to lead conjugate gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, unfold

from .foreach import Tensors
from .products import curvature_product


@dataclass
class Moments:
    """What one layer's block of the Gauss-Newton matrix is made of, summed over examples.

    `inputs` (n, n) are the second moments of what comes in, with a last 1 where there is a bias, `outputs` (m, m) of
    what is handed back to the layer's outputs, over so many `rows`: the block is about inputs (x) outputs / rows. Of
    another kind of parameter `inputs` is what is handed back to it, and there is no `outputs`. `places` tells where the
    weight, and the bias behind it, stand among the parameters asked for.
    """

    places: tuple[int, ...]
    inputs: Tensor
    outputs: Tensor | None = None
    rows: int = 0

    def add(self, other: Moments) -> None:
        """Take in other examples."""
        self.inputs += other.inputs
        self.rows += other.rows
        if self.outputs is not None and other.outputs is not None:
            self.outputs += other.outputs

    def divided(self, count: float) -> Moments:
        """Those of the mean loss over so many examples: the block about inputs (x) outputs, or diagonal, `inputs`."""
        if self.outputs is None:
            return Moments(self.places, self.inputs.square() / count)
        return Moments(self.places, self.inputs / count, self.outputs / max(self.rows, 1), 1)


def kronecker_moments(
    network: nn.Module,
    inputs: Tensor,
    loss: Callable[[Tensor], Tensor],
    signs: Callable[[Tensor], Tensor],
    parameters: Tensors,
) -> list[Moments]:
    """The moments of the layers that these parameters belong to.

        block of W  ~  sum a a^T  (x)  mean g g^T,   a the layer's input, g = d(s . z) / d(its output)

    s is the square root of the loss's own second derivative by each output z, with random signs: `signs` gives +1 and
    -1 like a tensor. `loss` takes the output and gives one number, the sum over examples. Martens and Grosse (2015),
    Optimizing neural networks with Kronecker-factored approximate curvature; Grosse and Martens (2016), A
    Kronecker-factored approximate Fisher matrix for convolution layers.

    >>> network = nn.Linear(2, 1, bias=False)
    >>> loss, x = lambda z: 0.5 * z.square().sum(), torch.tensor([[3.0, 4.0]])
    >>> kronecker_moments(network, x, loss, torch.ones_like, [network.weight])[0].inputs
    tensor([[ 9., 12.],
            [12., 16.]])
    """
    place = {id(parameter): i for i, parameter in enumerate(parameters)}
    layers = [m for m in network.modules() if _factors(m) and all(id(p) in place for p in m.parameters())]
    seen: list[tuple[Any, Tensor, Tensor]] = []
    hook = lambda module, x, y: seen.append((module, x[0].detach(), y))  # noqa: E731
    handles = [module.register_forward_hook(hook) for module in layers]
    try:
        with torch.enable_grad():
            output = network(inputs)
    finally:
        for handle in handles:
            handle.remove()
    if not isinstance(output, Tensor):
        raise TypeError(f"the network gives {type(output).__name__}, and one tensor is needed")
    covered = {place[id(p)] for module, _, _ in seen for p in module.parameters()}
    rest = [i for i in range(len(parameters)) if i not in covered]
    asked = [*(y for _, _, y in seen), *(parameters[i] for i in rest)]
    back = torch.autograd.grad(output, asked, _roots(loss, output.detach(), signs), allow_unused=True)
    slopes = iter([torch.zeros_like(of) if slope is None else slope for slope, of in zip(back, asked, strict=True)])
    found: dict[int, Moments] = {}
    for module, x, _ in seen:
        one = _of_layer(module, tuple(place[id(p)] for p in module.parameters()), x, next(slopes))
        if id(module) in found:  # it is passed more than once
            found[id(module)].add(one)
        else:
            found[id(module)] = one
    return [*found.values(), *(Moments((i,), next(slopes)) for i in rest)]


def _factors(module: nn.Module) -> bool:
    """Whether a layer is linear and nothing else, and of a kind whose inputs are known."""
    plain = type(module) is nn.Conv2d and module.groups == 1 and not isinstance(module.padding, str)
    return type(module) is nn.Linear or plain


def _roots(loss: Callable[[Tensor], Tensor], output: Tensor, signs: Callable[[Tensor], Tensor]) -> Tensor:
    """Vectors whose second moments are the loss's second derivative by the output, its diagonal alone."""
    chosen = signs(output)
    bent = curvature_product(loss, output, chosen) * chosen
    return bent.clamp(min=0).sqrt() * chosen


def _of_layer(module: Any, places: tuple[int, ...], x: Tensor, slope: Tensor) -> Moments:
    if isinstance(module, nn.Conv2d):
        padding: Any = module.padding
        patches = unfold(x, module.kernel_size, module.dilation, padding, module.stride)
        x, slope = patches.transpose(1, 2), slope.movedim(1, -1)
    x, slope = (rows.flatten(0, -2).to(module.weight.dtype) for rows in (x, slope))
    if len(places) == 2:
        x = pad(x, (0, 1), value=1.0)
    with torch.autocast(x.device.type, enabled=False):  # sums that are to be inverted
        return Moments(places, x.T @ x, slope.T @ slope, len(x))


class Inverse:
    """The inverse of one layer's damped block: of the parameters that stand in these places, weight first.

    The identity that is added to the matrix is shared out between the two factors by their mean sizes.
    """

    def __init__(self, places: list[int], inputs: Tensor, outputs: Tensor | None, damping: float) -> None:
        self.places = places
        if outputs is None:
            self.inputs, self.outputs = 1 / (inputs + damping), None
            return
        sizes = inputs.trace() / len(inputs), outputs.trace() / len(outputs)
        share = (sizes[0] / sizes[1]).sqrt().nan_to_num(1.0, 1.0, 1.0).clamp(1e-6, 1e6)
        self.inputs = _inverse(inputs, share * damping**0.5)
        self.outputs = _inverse(outputs, damping**0.5 / share)

    def apply(self, vectors: Tensors) -> None:
        """Multiply what stands in the layer's places."""
        own = [vectors[place] for place in self.places]
        if self.outputs is None:
            own[0].mul_(self.inputs)
            return
        whole = own[0].flatten(1)
        if len(own) == 2:
            whole = torch.cat([whole, own[1][:, None]], 1)
        whole = self.outputs @ whole @ self.inputs
        own[0].copy_(whole[:, : own[0][0].numel()].view_as(own[0]))
        if len(own) == 2:
            own[1].copy_(whole[:, -1])


def _inverse(matrix: Tensor, damping: Tensor) -> Tensor:
    """The inverse with so much of the identity added, or what rounding asks for: few examples span few directions."""
    damped = matrix.clone()
    least = len(matrix) * torch.finfo(matrix.dtype).eps * damped.diagonal().max()
    damped.diagonal().add_(torch.maximum(damping, least))
    return torch.cholesky_inverse(torch.linalg.cholesky(damped))
