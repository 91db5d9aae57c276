"""Muon on matrices: orthogonal steps, PyTorch's own, and every option's effect."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dovetail.optim import Muon
from dovetail.optim.muon import orthogonal


@pytest.mark.parametrize("shape", [(20, 50), (50, 20), (30, 30), (20, 160), (160, 20)])
def test_singular_values_come_near_one(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    matrix = torch.randn(shape)
    values = torch.linalg.svdvals(orthogonal(matrix))
    assert float(values.min()) > 0.6
    assert float(values.max()) < 1.3
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    assert float(torch.cosine_similarity(orthogonal(matrix).flatten(), (u @ v).flatten(), dim=0)) > 0.97


@pytest.mark.parametrize("shape", [(4, 64), (64, 4), (6, 9)])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_steps_keep_the_type(shape: tuple[int, int], dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    step = orthogonal(torch.randn(shape).to(dtype))
    assert step.dtype == dtype
    values = torch.linalg.svdvals(step.double())
    assert 0.6 < float(values.min()) < float(values.max()) < 1.3


def walk(optimizer: torch.optim.Optimizer, w: Tensor, steps: int = 10) -> Tensor:
    torch.manual_seed(1)
    a, b = torch.randn(40, w.shape[0]), torch.randn(40, w.flatten(1).shape[1])
    for _ in range(steps):
        optimizer.zero_grad()
        (a @ w.flatten(1) - b).square().mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return w.detach()


def start(*shape: int) -> Tensor:
    torch.manual_seed(0)
    return torch.randn(shape).requires_grad_()


@pytest.mark.parametrize("shape", [(6, 9), (9, 6)])
def test_it_is_pytorchs(shape: tuple[int, int]) -> None:
    w, v = start(*shape), start(*shape)
    theirs = torch.optim.Muon([v], lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    torch.testing.assert_close(
        walk(Muon([w], lr=0.02, weight_decay=0.1), w), walk(theirs, v), rtol=0.02, atol=0.01
    )  # both iterate in bfloat16


@pytest.mark.parametrize("options", [{"momentum": 0.0}, {"rounds": 2}])
def test_its_options_have_an_effect(options: dict[str, float]) -> None:
    w, v = start(6, 9), start(6, 9)
    moved = walk(Muon([w], lr=0.2, **options), w) - walk(Muon([v], lr=0.2), v)
    assert float(moved.abs().max()) > 0.01


def test_a_kernel_is_a_matrix_of_a_row_a_filter() -> None:
    w, v = start(6, 4, 3, 3), start(6, 36)
    with torch.no_grad():
        v.copy_(w.flatten(1))
    torch.testing.assert_close(walk(Muon([w], lr=0.02), w).flatten(1), walk(Muon([v], lr=0.02), v))
