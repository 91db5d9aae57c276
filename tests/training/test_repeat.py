"""Training is a function of recipe, data and seed alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from training.systems import contents, small

import dovetail as dt
from dovetail.recipe.recipe import Recipe
from dovetail.training import Run


def model(recipe: Recipe, name: str, **more: Any) -> bytes:
    return (dt.train(recipe, run=name, **more).path / "model.safetensors").read_bytes()


def test_twice_the_same_bytes() -> None:
    assert contents(dt.train(small(), run="a").path) == contents(dt.train(small(), run="b").path)


def test_the_global_generator_neither_matters_nor_moves() -> None:
    torch.manual_seed(1)
    first = model(small(), "a")
    torch.manual_seed(2)
    before = torch.get_rng_state()
    assert model(small(), "b") == first
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "changed",
    [
        {"evaluate": "1 step"},
        {"evaluate": "2 epochs"},
        {"checkpoint": "1 step"},
        {"checkpoint": "9 epochs"},
        {"keep": 1},
    ],
    ids=str,
)
def test_watching_changes_no_weight(changed: dict[str, str]) -> None:
    assert model(small(**changed), "watched") == model(small(), "plain")


def test_bfloat16_learns_and_repeats_keeping_weights_in_float32() -> None:
    first, second = (dt.train(small(precision="bfloat16", epochs=6), run=name) for name in "ab")
    assert contents(first.path) == contents(second.path)
    assert {tensor.dtype for tensor in load_file(first.path / "model.safetensors").values()} == {
        torch.float32,
        torch.int64,  # batches that batch normalization has seen
    }
    assert first.metrics[-1]["test"]["error"] < 0.15
    assert model(small(epochs=6), "plain") != (first.path / "model.safetensors").read_bytes()


def test_hooks_change_no_weight_and_see_every_step() -> None:
    steps: list[tuple[int, float]] = []
    lines: list[dict[str, Any]] = []
    hooked = model(small(), "hooked", on_step=lambda *each: steps.append(each), on_evaluation=lines.append)
    assert hooked == model(small(), "plain")
    assert [step for step, _ in steps] == list(range(39))
    assert [line["step"] for line in lines] == [5, 10, 15, 20, 25, 30, 35, 39]
    mean = sum(loss for _, loss in steps[:5]) / 5
    assert lines[0]["train"]["loss"] == pytest.approx(mean, rel=1e-6)


@pytest.mark.parametrize(
    "changed", [{"seed": 8}, {"batch": 98}, {"layout": "contiguous", "precision": "float64"}], ids=str
)
def test_what_should_change_weights_does(changed: dict[str, Any]) -> None:
    assert model(small(**changed), "changed") != model(small(), "plain")


@pytest.mark.parametrize("last", [[], [dt.synthetic.mixup(0.4)]], ids=["plain", "mixup"])
def test_micro_batches_see_the_same_examples_versions_masks_and_divisor(last: list[Any]) -> None:
    """Without batch normalization, whose statistics are a micro-batch's, nothing but rounding may differ."""
    network = [dt.flatten(), dt.linear(30), dt.relu(), dt.dropout(0.5), dt.linear("outputs")]
    synthetic = [dt.synthetic.rotate(), dt.synthetic.erase(), *last]
    settings: dict[str, Any] = {"network": network, "synthetic": synthetic, "precision": "float64", "epochs": 2}
    whole = dt.train(small(**settings, accumulate=1), run="whole")
    parts = dt.train(small(**settings, accumulate=5), run="parts")
    for name, tensor in load_file(whole.path / "model.safetensors").items():
        torch.testing.assert_close(load_file(parts.path / "model.safetensors")[name], tensor, rtol=1e-10, atol=1e-12)
    assert parts.metrics[-1]["test"]["error"] == whole.metrics[-1]["test"]["error"]


def test_the_recipe_of_a_run_is_complete_and_resolved() -> None:
    run = dt.train(small(threads="auto"), run="complete")
    text = (run.path / "recipe.yaml").read_text()
    assert f"threads: {torch.get_num_threads()}\n" in text
    for line in ("device: cpu", "precision: float32", "layout: channels_last", "keep: 2", "start: null"):
        assert f"{line}\n" in text
    assert "momentum: 0.1, eps: 1.0e-05, affine: true" in text
    assert Run("complete").recipe == run.recipe
