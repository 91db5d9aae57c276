"""Second derivatives layer by layer, each parameter's own alone: LeCun's backpropagation of curvature."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..recipe.errors import RecipeError

Loss = Callable[[Tensor], Tensor]

_BILINEAR = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
_ELEMENTWISE = (
    nn.Sigmoid, nn.Tanh, nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Softplus, nn.Hardtanh,
)  # fmt: skip
_SELECTING = (
    nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.Flatten, nn.Unflatten, nn.Identity, nn.Dropout,
    nn.ConstantPad1d, nn.ConstantPad2d, nn.ConstantPad3d,
)  # fmt: skip
_AVERAGING = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)


def diagonal_curvature(network: nn.Module, inputs: Tensor, loss: Loss) -> dict[str, Tensor]:
    """An estimate of each parameter's own second derivative of the loss, never negative, by name.

        y = w x:   h_w = sum over where w is used of x^2 h_y,   h_x = sum over units of w^2 h_y
        y = f(a):  h_a = f'(a)^2 h_y

    from the loss's own second derivative by each output. What units do to one another's curvature is left out, and so
    are the f'' terms. `loss` takes the output and gives one number, the sum over examples; so are the estimates. A last
    layer that `judges` (distances to codes) counts as part of the loss. A layer of one's own says that it is `bilinear`
    (in its input and parameters, with no factors but 1), `elementwise` or `selecting` (each output is an input), or has
    a method `curvature(x, h)` that gives the input's and, by name, its parameters'. Layers count as they are in tests.
    Raises `RecipeError` for a layer that says nothing, and for inputs that are no numbers. LeCun et al. (1998),
    Gradient-based learning applied to document recognition, appendix C.

    >>> network = nn.Linear(2, 1, bias=False)
    >>> diagonal_curvature(network, torch.tensor([[3.0, 4.0]]), lambda z: 0.5 * z.square().sum())["weight"]
    tensor([[ 9., 16.]])
    """
    require_known(network)
    if not isinstance(inputs, Tensor) or not inputs.is_floating_point():
        kind = str(inputs.dtype) if isinstance(inputs, Tensor) else type(inputs).__name__
        raise RecipeError(f"curvatures are known behind tensors of numbers, not {kind}")
    found: dict[str, Tensor] = {}
    body, judge = network, None
    if isinstance(network, nn.Sequential) and getattr(network[-1], "judges", False):
        body, judge = network[:-1], network[-1]
    handles = [module.register_forward_hook(_hook(name, found)) for name, module in _leaves(body)]
    try:
        with torch.enable_grad():
            output = body(inputs.detach().requires_grad_())
    finally:
        for handle in handles:
            handle.remove()
    if not isinstance(output, Tensor):
        raise RecipeError(f"the network gives {type(output).__name__}, and one tensor is needed")
    bent = output_curvature(loss if judge is None else lambda z: loss(judge(z)), output.detach())
    torch.autograd.backward(output, bent)
    return {name: found.get(name, torch.zeros_like(p)) for name, p in network.named_parameters()}


def require_known(network: nn.Module) -> None:
    """Raise `RecipeError` for a layer behind which, or of whose parameters, no curvature is known."""
    for name, module in network.named_modules():
        which = f"{type(module).__name__}, {name or 'the network'}"
        inner, judges = list(module.children()), getattr(module, "judges", False)
        if (inner or judges) and list(module.parameters(recurse=False)):  # only inner layers are looked into
            raise RecipeError(f"the curvature of what a layer learns is not known ({which})")
        if not inner and not judges and not _known(module):
            raise RecipeError(f"the curvature behind a layer is not known ({which})")


def _known(module: nn.Module) -> bool:
    if isinstance(module, _BatchNorm):
        return module.running_mean is not None  # else tests normalize by the batch, too
    says = any(getattr(module, own, False) for own in ("curvature", "bilinear", "elementwise", "selecting"))
    return says or type(module) in _BILINEAR or isinstance(module, (*_ELEMENTWISE, *_SELECTING, *_AVERAGING))


def _leaves(network: nn.Module) -> list[tuple[str, nn.Module]]:
    return [(name, module) for name, module in network.named_modules() if not list(module.children())]


def output_curvature(loss: Loss, output: Tensor) -> Tensor:
    """The loss's second derivative by each output alone, where it is positive. Shapes: (N, C) -> (N, C)."""
    place = output.requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(loss(place), place, create_graph=True)
    if not slope.requires_grad:
        return torch.zeros_like(output)
    columns = [torch.autograd.grad(column.sum(), place, retain_graph=True)[0] for column in slope.flatten(1).unbind(1)]
    bent = torch.stack([c.flatten(1)[:, i] for i, c in enumerate(columns)], 1)
    return bent.clamp(min=0).view_as(output)


def _hook(name: str, found: dict[str, Tensor]) -> Callable[[nn.Module, tuple[Any, ...], Any], Any]:
    def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
        return _Bend.apply(inputs[0], output.detach(), module, name, found)  # type: ignore[no-untyped-call]

    return hook


class _Bend(torch.autograd.Function):
    """A layer whose backward pass hands curvatures on where gradients usually go."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, module: nn.Module, name: str, found: dict[str, Tensor]) -> Tensor:
        ctx.save_for_backward(x)
        ctx.rest = module, name, found
        return y.clone()

    @staticmethod
    def backward(ctx: Any, *bends: Any) -> Any:
        (x,), (module, name, found) = ctx.saved_tensors, ctx.rest
        with torch.enable_grad():
            bent, own = through(module, x.detach(), bends[0])
        for key, value in own.items():
            full = f"{name}.{key}" if name else key
            found[full] = found[full] + value if full in found else value
        return bent, None, None, None, None


def through(module: nn.Module, x: Tensor, h: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """The curvatures at a layer's input, and of its parameters, from those at its output."""
    own: Callable[[Tensor, Tensor], tuple[Tensor, dict[str, Tensor]]] | None = getattr(module, "curvature", None)
    if own is not None:
        return own(x, h)
    if type(module) in _BILINEAR or getattr(module, "bilinear", False):
        squares = {name: p.detach().square().requires_grad_() for name, p in module.named_parameters()}
        place = x.square().requires_grad_()
        output = torch.func.functional_call(module, squares, (place,))
        bent, *rest = torch.autograd.grad(output, [place, *squares.values()], h)
        return bent, dict(zip(squares, rest, strict=True))
    if isinstance(module, _BatchNorm):
        return _through_fixed_statistics(module, x, h)
    place = x.requires_grad_()
    if isinstance(module, _ELEMENTWISE) or getattr(module, "elementwise", False):
        (slope,) = torch.autograd.grad(module(place).sum(), place)
        return slope.square() * h, {}
    (bent,) = torch.autograd.grad(module(place), place, h)
    return bent / (_patch(module, x) if isinstance(module, _AVERAGING) else 1), {}


def _through_fixed_statistics(module: Any, x: Tensor, h: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """y = w (x - mean) / deviation + b, as batch normalization is when tested."""
    channels = [1, -1] + [1] * (x.dim() - 2)
    mean, variance = module.running_mean.view(channels), module.running_var.view(channels)
    normal = (x - mean) * (variance + module.eps).rsqrt()
    rest = [axis for axis in range(x.dim()) if axis != 1]
    own = {"weight": (normal.square() * h).sum(rest), "bias": h.sum(rest)} if module.affine else {}
    weight = module.weight.detach().view(channels) if module.affine else 1.0
    return h * weight**2 / (variance + module.eps), own


def _patch(module: Any, x: Tensor) -> int:
    size: Any = module.kernel_size
    return math.prod(size) if isinstance(size, tuple) else int(size ** (x.dim() - 2))
