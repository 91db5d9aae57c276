"""What every layer promises, as plain functions: each raises AssertionError (or what torch raises) where it is broken.

`tests/wrong` keeps layers that break one promise each, to show that these functions would notice.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from dovetail.layers.heads import main_of
from dovetail.recipe.build import build_and_push, specimen_like
from dovetail.recipe.check import check
from dovetail.recipe.language import plain, read_nodes, write
from dovetail.recipe.spec import Layers, Spec

Check = Callable[[Spec, tuple[int, ...]], None]


def example(shape: tuple[int, ...], n: int = 3) -> Tensor:
    """Distinct values away from kinks and ties."""
    g = torch.Generator().manual_seed(7)
    count = n * torch.Size(shape).numel()
    spread = (torch.randperm(count, generator=g).double() + 0.5) / count * 4 - 2
    return spread.view(n, *shape)


def built(spec: Spec, shape: tuple[int, ...], dtype: torch.dtype = torch.float64) -> nn.Module:
    torch.manual_seed(3)
    return build_and_push([spec], specimen_like(torch.empty(1, *shape)))[0].to(dtype)


def specimen_tells_the_shape(spec: Spec, shape: tuple[int, ...]) -> None:
    module, out = build_and_push([spec], specimen_like(torch.empty(1, *shape)))
    assert main_of(out).device.type == "meta"
    assert main_of(module(torch.zeros(2, *shape))).shape == main_of(out).shape


def gradients_match_finite_differences(spec: Spec, shape: tuple[int, ...]) -> None:
    module = built(spec, shape).eval()
    parameters = {name: p.detach().requires_grad_() for name, p in module.named_parameters()}

    def f(x: Tensor, *values: Tensor) -> Tensor:
        return torch.func.functional_call(module, dict(zip(parameters, values, strict=True)), (x,))

    assert torch.autograd.gradcheck(f, (example(shape, 2).requires_grad_(), *parameters.values()))


def examples_do_not_see_each_other(spec: Spec, shape: tuple[int, ...]) -> None:
    module = built(spec, shape).eval()
    x = example(shape, 4)
    alone = torch.cat([module(x[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(module(x), alone)


def state_round_trips(spec: Spec, shape: tuple[int, ...]) -> None:
    first = built(spec, shape)
    torch.manual_seed(99)
    second = build_and_push([spec], specimen_like(torch.empty(1, *shape)))[0].double()
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    x = example(shape)
    assert torch.equal(first.eval()(x), second.eval()(x))


def memory_layout_does_not_matter(spec: Spec, shape: tuple[int, ...]) -> None:
    if len(shape) != 3:
        return
    module, x = built(spec, shape).eval(), example(shape)
    usual = module(x)
    last = module.to(memory_format=torch.channels_last)(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(last, usual)


def precision_is_kept(spec: Spec, shape: tuple[int, ...]) -> None:
    x = example(shape)
    exact = built(spec, shape).eval()(x)
    assert exact.dtype == torch.float64
    single = built(spec, shape, torch.float32).eval()
    assert single(x.float()).dtype == torch.float32
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(single(x.float()).double(), exact, atol=0.05, rtol=0.05)


def yaml_round_trips(spec: Spec, shape: tuple[int, ...]) -> None:
    for complete in (False, True):
        node = read_nodes(write({"network": [plain(spec, complete)]}), "f").value["network"]
        assert check(Layers, node, "network") == [spec]


CHECKS: tuple[Check, ...] = (
    specimen_tells_the_shape,
    gradients_match_finite_differences,
    examples_do_not_see_each_other,
    state_round_trips,
    memory_layout_does_not_matter,
    precision_is_kept,
    yaml_round_trips,
)
