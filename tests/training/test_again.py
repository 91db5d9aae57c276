"""Rules that look at a step's loss more than once, in whole runs: micro-batches, processes, interruptions, refusals."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from training.systems import contents, small
from training.test_resume import Pulled, pull_at
from training.test_world import done, losses, together

import dovetail as dt
from dovetail.recipe.errors import RecipeError

RULES = [dt.lbfgs(most=8), dt.gauss_newton(most=8)]
every = pytest.mark.parametrize("rule", RULES, ids=["lbfgs", "gauss_newton"])
PARTS = [*RULES, dt.gauss_newton(damping=0.1, most=3, share=0.4)]
all_or_some = pytest.mark.parametrize("rule", PARTS, ids=["lbfgs", "gauss_newton", "gauss_newton of some"])


def whole(rule: dt.Spec, **changed: Any) -> Any:
    """Large batches of a system with dropout, batch normalization and averaged weights."""
    optimizer = {"rule": rule, "rate": dt.constant(1.0), "average": dt.ema(0.5), "decay": 1e-3}
    settings = {"batch": 1000, "accumulate": 1, "relevance": None, "optimizer": optimizer, "epochs": 4}
    return small(**{**settings, **changed})


@every
def test_the_loss_falls_at_every_step(rule: dt.Spec) -> None:
    """With all the examples in a batch and nothing drawn, what is minimised is one function."""
    plain = {"network": [dt.flatten(), dt.linear(20), dt.tanh(), dt.linear("outputs")], "synthetic": []}
    losses: list[float] = []
    dt.train(whole(rule, **plain, batch=1500, epochs=10), run="a", on_step=lambda step, loss: losses.append(loss))
    assert all(after < before for before, after in pairwise(losses))
    assert losses[-1] < 0.3 * losses[0]


@all_or_some
def test_it_goes_on_bit_for_bit(rule: dt.Spec) -> None:
    unbroken = contents(dt.train(whole(rule), run="unbroken").path)
    with pytest.raises(Pulled):
        dt.train(whole(rule), run="pulled", on_step=pull_at(5))
    assert contents(dt.resume("pulled").path) == unbroken


@all_or_some
def test_micro_batches_make_the_same_step(rule: dt.Spec) -> None:
    network = [dt.flatten(), dt.linear(20), dt.tanh(), dt.dropout(0.8), dt.linear("outputs")]
    same = {"network": network, "precision": "float64", "epochs": 2, "recalibrate": 0}
    ends = [
        load_file(dt.train(whole(rule, **same, accumulate=parts), run=f"of{parts}").path / "model.safetensors")
        for parts in (1, 4)
    ]
    for name, tensor in ends[0].items():
        torch.testing.assert_close(tensor, ends[1][name], rtol=1e-6, atol=1e-8)


@all_or_some
def test_processes_make_the_same_step(rule: dt.Spec, tmp_path: Path) -> None:
    plain = {"network": [dt.flatten(), dt.linear(20), dt.tanh(), dt.dropout(0.8), dt.linear("outputs")]}
    recipe = tmp_path / "whole.yaml"
    recipe.write_text(whole(rule, **plain, precision="float64", recalibrate=0).write())
    alone = dt.train(str(recipe), run="alone")
    done(together(2, "train", str(recipe), "run=two"))
    assert losses(dt.Run("two")) == pytest.approx(losses(alone), rel=1e-6)


@every
def test_running_statistics_count_a_step_once(rule: dt.Spec) -> None:
    run = dt.train(whole(rule, recalibrate=0), run="a")
    assert load_file(run.path / "model.safetensors")["network.1.num_batches_tracked"] == run.metrics[-1]["step"]


@every
def test_it_refuses_what_it_cannot_heed(rule: dt.Spec) -> None:
    with pytest.raises(RecipeError, match="chooses by the loss how far it goes; leave clipping out"):
        dt.train(whole(rule, optimizer={"rule": rule, "clip": 1.0}), run="a")


def test_gauss_newton_names_what_it_cannot_differentiate() -> None:
    network = [dt.flatten(), dt.linear(20), dt.relu(), dt.heads([dt.linear("outputs")], [dt.linear("outputs")])]
    with pytest.raises(RecipeError, match=r"the rule gauss_newton cannot differentiate this network: the network"):
        dt.train(whole(dt.gauss_newton(), network=network), run="a")
