"""Backpropagation against finite differences, in float64, a few numbers of each parameter."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from ..recipe.draws import generator
from ..recipe.recipe import Recipe
from ..training.machine import settled
from ..training.run import make_source
from ..training.trainer import Trainer
from .verdict import Verdict

ROWS = 8  # examples in the batch
SAMPLES = 12  # numbers tried of each parameter
STEPS = (1e-5, 1e-6, 1e-7)  # a kink (of relu, of maxpool) within one step is seldom within another
WRONG = 1e-4
ROUNDING = 10 * torch.finfo(torch.float64).eps  # of a loss, relatively


def prove_gradients(recipe: Recipe, folder: Path) -> Verdict:
    """Compare dl/dw with (l(w + h) - l(w - h)) / 2h for sampled numbers w of every parameter.

    Everything runs in float64 on the CPU, in training mode, with the masks of one step. An error is relative to the
    larger of the two, or, where both are small, to a thousandth of the parameter's largest slope or to what rounding
    lets a difference tell. Holds where none is above 1e-4; the worst parameters are named.
    """
    plainly = {"precision": "float64", "device": "cpu", "layout": "contiguous", "batch": ROWS, "accumulate": 1}
    exact = dataclasses.replace(recipe, **plainly)  # type: ignore[arg-type]
    trainer = Trainer(exact, make_source(exact.data, Path.cwd()), folder)
    system = trainer.system
    system.train()
    (batch, *_) = trainer.feed.at(trainer.t)
    buffers = [(buffer, buffer.clone()) for buffer in system.buffers()]

    def loss() -> Tensor:
        for buffer, before in buffers:
            buffer.copy_(before)
        torch.manual_seed(0)  # for parts of a user's own that draw from the global generator
        total: Tensor = system(batch)
        return total

    with settled(exact), torch.random.fork_rng():
        loss().backward()  # type: ignore[no-untyped-call]
        errors = {}
        for name, parameter in system.named_parameters():
            if parameter.grad is not None:
                errors[name] = worst_error(parameter, parameter.grad, lambda: float(loss().detach()), recipe.seed)
    worst = sorted(errors.items(), key=lambda item: -item[1])
    wrong = [(name, error) for name, error in worst if not error <= WRONG]
    finding = (
        f"{len(errors)} parameters, {SAMPLES} numbers of each, {ROWS} examples: the worst differs by "
        f"{worst[0][1]:.1e} ({worst[0][0]})"
    )
    details = [f"{name} differs by {error:.1e}: a backward on its way from the loss is wrong" for name, error in wrong]
    return Verdict("gradients", not wrong, finding, details[:8])


def worst_error(parameter: Tensor, gradient: Tensor, loss: Callable[[], float], seed: int) -> float:
    """The largest relative difference over sampled numbers of one parameter, half of them those of large gradients."""
    flat, slopes = parameter.detach().view(-1), gradient.reshape(-1)
    largest = slopes.abs().topk(min(SAMPLES // 2, len(flat))).indices
    chance = torch.randint(len(flat), (SAMPLES - len(largest),), generator=generator(seed, "samples"))
    floor = 1e-3 * float(slopes.abs().max())
    worst = 0.0
    for index in sorted({*largest.tolist(), *chance.tolist()}):
        slope = float(slopes[index])
        error = min(difference(flat, index, slope, h, loss, floor) for h in STEPS)
        worst = max(worst, error)
    return worst


def difference(flat: Tensor, index: int, slope: float, h: float, loss: Callable[[], float], floor: float) -> float:
    """How far a central difference of step h is from a slope, relatively."""
    value = float(flat[index])
    flat[index] = value + h
    above = loss()
    flat[index] = value - h
    below = loss()
    flat[index] = value
    numeric = (above - below) / (2 * h)
    told = ROUNDING * abs(above) / (h * WRONG)  # slopes below it drown in rounding
    scale = max(abs(numeric), abs(slope), floor, told)
    return abs(numeric - slope) / scale if scale else 0.0
