"""Averages of weights: what they are, that they are tested and kept, and that training does not feel them."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from training.systems import small

import dovetail as dt
from dovetail.optim import Descent
from dovetail.recipe.errors import RunError
from dovetail.recipe.recipe import Optimizer
from dovetail.recipe.span import Span
from dovetail.recipe.spec import Spec
from dovetail.training.tensors import read_tensors


def trail(average: Spec, steps: int = 100) -> tuple[nn.Module, Descent, list[torch.Tensor]]:
    """A module moved by random gradients, and its weights after every step."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    settings = Optimizer(rate=dt.constant(0.1), average=average)
    descent = Descent(module.named_parameters(), settings, Span(10, 100), buffers=module.named_buffers())
    seen = []
    for t in range(steps):
        for parameter in module.parameters():
            parameter.grad = torch.randn_like(parameter)
        module[1].running_mean += 1
        descent.update(t)
        seen.append(module[0].weight.detach().clone())
    return module, descent, seen


def test_polyak_is_the_mean_from_its_start_on() -> None:
    module, descent, seen = trail(dt.polyak("40 %"))
    with descent.evaluated():
        torch.testing.assert_close(module[0].weight.detach(), torch.stack(seen[40:]).mean(0))
        assert float(module[1].running_mean[0]) == pytest.approx(sum(range(41, 101)) / 60)
    assert torch.equal(module[0].weight.detach(), seen[-1])
    assert float(module[1].running_mean[0]) == 100
    early, descent, seen = trail(dt.polyak("40 %"), steps=30)  # before its start: the weights themselves
    with descent.evaluated():
        assert torch.equal(early[0].weight.detach(), seen[-1])
    assert torch.equal(descent.state()["0.weight/average"], seen[-1])


def test_ema_forgets_and_owes_nothing_to_the_beginning() -> None:
    module, descent, seen = trail(dt.ema(0.9))
    want = torch.zeros_like(seen[0])
    for t, weight in enumerate(seen):
        share = max(0.1, 1 / (t + 1))
        want = want + share * (weight - want)
    with descent.evaluated():
        torch.testing.assert_close(module[0].weight.detach(), want)
    early = trail(dt.ema(0.9), steps=1)
    with early[1].evaluated():
        assert torch.equal(early[0][0].weight.detach(), early[2][0])


def test_a_run_tests_and_keeps_the_average_and_trains_the_weights() -> None:
    optimizer = {"rule": dt.sgd(0.9), "rate": dt.constant(0.02)}
    plain = dt.train(small(optimizer=optimizer), run="plain")
    ours = dt.train(small(optimizer={**optimizer, "average": dt.polyak(0)}), run="averaged")
    weights, moving = (read_tensors(run.path / "model.safetensors") for run in (ours, plain))
    newest = sorted((ours.path / "checkpoints").iterdir())[-1]
    kept = read_tensors(newest)
    name = "network.0.weight"
    assert torch.equal(kept[f"system/{name}"], moving[name])
    assert torch.equal(kept[f"optimizer/{name}/average"], weights[name])
    assert not torch.allclose(weights[name], moving[name], atol=1e-3)
    assert ours.metrics[-1]["test"] == {k: v for k, v in ours.test().items() if k != "confusion"}


def test_a_checkpoint_without_its_average_is_told() -> None:
    from safetensors.torch import load_file, save_file

    run = dt.train(small(epochs=1), run="whole")
    for path in (run.path / "checkpoints").iterdir():
        tensors = {name: t for name, t in load_file(path).items() if not name.endswith("/average")}
        save_file(tensors, path)
    (run.path / "model.safetensors").unlink()
    with pytest.raises(RunError, match=r"average is missing"):
        dt.resume("whole")
