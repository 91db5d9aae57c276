"""Convolution and pooling against sums written out: sizes, strides, pads, groups, what is refused."""

from __future__ import annotations

import itertools
import math
import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn import functional as F

import dovetail as dt
from dovetail.recipe.build import BuildError
from dovetail.recipe.spec import Spec


def built(spec: Spec, x: Tensor) -> Any:
    return dt.build([spec], x.float()).double()[0]


def random(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def convolved(x: Tensor, module: Any, stride: tuple[int, ...], pad: tuple[int, ...], groups: int) -> Tensor:
    """y[n, f, u] = b[f] + sum over c, k of w[f, c, k] x[n, c, stride u + k - pad], one position at a time."""
    w, b, kernel = module.weight.detach(), module.bias.detach(), module.weight.shape[2:]
    padded = nn.functional.pad(x, [p for p in reversed(pad) for _ in range(2)])
    sizes = [(s + 2 * p - k) // t + 1 for s, p, k, t in zip(x.shape[2:], pad, kernel, stride, strict=True)]
    y = torch.empty(len(x), len(w), *sizes, dtype=x.dtype)
    own, share = w.shape[1], len(w) // groups
    for f, u in itertools.product(range(len(w)), itertools.product(*map(range, sizes))):
        first = f // share * own
        patch = [slice(t * i, t * i + k) for t, i, k in zip(stride, u, kernel, strict=True)]
        y[(slice(None), f, *u)] = (padded[(slice(None), slice(first, first + own), *patch)] * w[f]).flatten(1).sum(1)
    return y + b.view(1, -1, *[1] * len(sizes))


@pytest.mark.parametrize(
    ("shape", "kernel", "stride", "pad", "groups"),
    [
        ((2, 3, 9), (3,), (2,), (1,), 1),
        ((2, 4, 7, 6), (3, 2), (1, 2), (2, 0), 2),
        ((1, 2, 4, 5, 3), (2, 3, 1), (1, 2, 1), (0, 1, 0), 1),
    ],
)
def test_convolution_is_its_formula(shape: Any, kernel: Any, stride: Any, pad: Any, groups: int) -> None:
    x = random(*shape)
    module = built(dt.conv(4, list(kernel), list(stride), list(pad), groups), x)
    torch.testing.assert_close(module(x).detach(), convolved(x, module, stride, pad, groups))


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
def test_pad_same_keeps_the_size_and_centres_the_kernel(kernel: int) -> None:
    x = torch.zeros(1, 1, 9, dtype=torch.float64)
    x[..., 4] = 1
    module = built(dt.conv(1, kernel, pad="same", bias=False), x)
    (weight,) = module.parameters()
    before = (kernel - 1) // 2  # how much is padded at the start; an even kernel pads one more at the end
    expected = torch.zeros(9, dtype=torch.float64)
    for k in range(kernel):
        expected[4 + before - k] = weight.detach()[0, 0, k]
    torch.testing.assert_close(module(x).detach()[0, 0], expected)


def pooled(x: Tensor, how: str, size: int, stride: int, pad: int, round_up: bool) -> list[float]:
    """Patches of one row, one at a time."""
    values, n, y = x[0, 0].tolist(), x.shape[2], []
    count = (n + 2 * pad - size + (stride - 1 if round_up else 0)) // stride + 1
    for start in range(-pad, -pad + count * stride, stride):
        if start >= n:
            continue  # would begin beyond the input
        inside = [values[i] for i in range(max(start, 0), min(start + size, n))]
        counted = min(start + size, n + pad) - start  # padding counts, what lies beyond it does not
        y.append(max(inside) if how == "max" else sum(inside) / counted)
    return y


@pytest.mark.parametrize("round_up", [False, True])
@pytest.mark.parametrize(("n", "size", "stride", "pad"), [(7, 2, 2, 0), (6, 3, 2, 1), (8, 3, 3, 1), (2, 1, 2, 0)])
def test_pooling_is_its_formula(n: int, size: int, stride: int, pad: int, round_up: bool) -> None:
    x = random(1, 1, n) - 5  # a padding of 0 would win every maximum
    for how, part in (("max", dt.maxpool), ("average", dt.avgpool)):
        y = built(part(size, stride, pad, round_up), x)(x)
        assert y.flatten().tolist() == pytest.approx(pooled(x, how, size, stride, pad, round_up))


def test_pooling_strides_by_its_size_unless_told() -> None:
    x = random(1, 2, 6, 6)
    assert torch.equal(built(dt.maxpool([2, 3]), x)(x), built(dt.maxpool([2, 3], [2, 3]), x)(x))
    assert built(dt.avgpool(3, 1), x)(x).shape == (1, 2, 4, 4)


def test_global_pooling_takes_all_positions() -> None:
    x = random(2, 3, 4, 5)
    torch.testing.assert_close(built(dt.globalpool(), x)(x), x.flatten(2).mean(2))
    assert torch.equal(built(dt.globalpool("max"), x)(x), x.flatten(2).max(2).values)


def test_subsampling_is_an_average_times_the_patch_and_leaves_the_rest() -> None:
    x = random(2, 3, 5, 7)
    module = built(dt.subsample([2, 3]), x)
    with torch.no_grad():
        module.bias.copy_(torch.tensor([0.1, -0.2, 0.3]))
    mean = nn.functional.avg_pool2d(x, (2, 3))
    expected = 6 * mean * module.weight.view(1, 3, 1, 1) + module.bias.view(1, 3, 1, 1)
    torch.testing.assert_close(module(x), expected)
    assert float(module.weight.detach().min()) >= 0
    assert float(module.weight.detach().max()) < 2 / 6


@pytest.mark.parametrize(
    ("spec", "shape", "message"),
    [
        (dt.conv(2, 3, stride=2, pad="same"), (1, 4, 4), "pad same keeps the size, which stride 2 does not"),
        (dt.conv(2, 5), (1, 4, 4), "a patch of 5 does not fit into 4"),
        (dt.conv(2, 7, pad=1), (1, 4), "a patch of 7 does not fit into 4 with 1 more at each end"),
        (dt.conv(4, groups=2), (3, 4, 4), "2 groups do not divide 3 channels and 4 filters"),
        (dt.conv(3, groups=2), (4, 4, 4), "2 groups do not divide 4 channels and 3 filters"),
        (dt.conv(2, [3, 3, 3]), (1, 4, 4), "expects one size or 2, got 3"),
        (dt.conv(2), (4,), "expects an input (N, C, *S) with 1 to 3 spatial axes, got 0"),
        (dt.maxpool(2, pad=2), (1, 6), "pad 2 is more than half the size 2"),
        (dt.avgpool(7), (1, 6), "a patch of 7 does not fit into 6"),
        (dt.subsample(5), (1, 4, 4), "a patch of 5 does not fit into 4"),
        (dt.globalpool(), (6,), "expects an input (N, C, *S) with 1 to 3 spatial axes, got 0"),
        (dt.maxout(4), (6,), "4 pieces do not divide 6 features"),
        (dt.reshape([4, 2]), (6,), "6 values do not fill the shape [4, 2]"),
        (dt.reshape([-1, 4]), (6,), "6 values do not fill the shape [-1, 4]"),
        (dt.reshape([0, 2]), (6,), "a shape is whole numbers above 0, one of them -1 at most, not [0, 2]"),
        (dt.layernorm(axes=3), (2, 3), "axes: 3, but an example has 2"),
        (dt.localnorm(), (3,), "expects an input (N, C, *S) with a spatial axis at least"),
        (
            dt.batchnorm(),
            (1, 1, 1, 1, 1),
            "expects an input (N, C) or (N, C, *S) with up to 3 spatial axes, got 6 axes",
        ),
        (dt.residual([dt.linear(3)]), (4,), "cannot add (N, 3) to (N, 4): give a shortcut"),
        (dt.branch([[dt.conv(1, 1)], [dt.conv(1, 2)]]), (1, 4), "cannot concatenate branches that end in"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_does_not_fit_is_refused_in_place(spec: Spec, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(BuildError, match=re.escape(f"network[1] {spec.name}: {message}")):
        dt.build([dt.relu(), spec], torch.zeros(1, *shape))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(3, 16, 4, 6), (2, 20, 8, 8), (2, 50, 2, 2), (1, 64, 6, 4), (0, 16, 4, 4)])
def test_the_kernel_for_maxima_is_pytorchs_to_the_bit(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x = (torch.randn(shape) * 2).round() / 2  # with many alike
    x[x == 1] = math.nan
    x[x == 1.5] = -math.inf
    x = x.to(dtype, memory_format=torch.channels_last).requires_grad_()
    layer = built(dt.maxpool(2), x)
    assert layer._kernels_for(x) is not None
    ours, theirs = layer(x), F.max_pool2d(x, 2)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0, equal_nan=True)
    gradient = torch.randn(theirs.shape).to(dtype)
    slopes = [torch.autograd.grad(y, x, gradient)[0] for y in (ours, theirs)]
    assert torch.equal(*slopes)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_other_maxima_and_other_derivatives_are_pytorchs_own() -> None:
    x = torch.randn(2, 16, 4, 4).contiguous(memory_format=torch.channels_last).requires_grad_()
    layer = built(dt.maxpool(2), x)
    assert layer._kernels_for(x) is not None
    for other in (x.contiguous(), x.double(), x[:, :, :3], x[:, :8]):
        assert layer._kernels_for(other) is None
        assert torch.equal(layer(other), F.max_pool2d(other, 2))
    (slope,) = torch.autograd.grad(layer(x).square().sum(), x, create_graph=True)
    (bent,) = torch.autograd.grad(slope.sum(), x)
    assert torch.equal(bent, 2.0 * (slope != 0))
    with forward_ad.dual_level():
        along = forward_ad.unpack_dual(layer(forward_ad.make_dual(x, torch.ones_like(x)))).tangent
        assert torch.equal(along, torch.ones(2, 16, 2, 2))
