"""The proofs hold for what is right, and find what is planted wrong."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import dovetail
from torch import Tensor, nn
from training.systems import small, write_small
from wrong.layers import WRONG

import dovetail as dt
from dovetail.proofs import Verdict, prove
from dovetail.recipe import layer
from dovetail.recipe.spec import Spec

wrong_backward = next(function for function in WRONG if function.__name__ == "wrong_backward")


def verdict(name: str, **changed: Any) -> Verdict:
    (found,) = prove(small(**changed), [name])
    return found


def test_build_tells_shapes_and_where_the_loss_begins() -> None:
    found = verdict("build")
    assert found.holds
    assert found.finding.startswith("8 layers, 11,050 parameters, (N, 1, 28, 28) -> (N, 10); the first loss is 2.")
    assert found.finding.endswith("that of zeros 2.3026")


class Idle(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.idle = nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        return x


def idle(x: Tensor) -> nn.Module:
    """Has a parameter that it does not use."""
    return Idle()


class Broken(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (x - x).sqrt() + x  # the slope of the root is infinite at 0


def broken(x: Tensor) -> nn.Module:
    """Has a slope that is not finite."""
    return Broken()


def test_build_finds_a_parameter_that_takes_no_part() -> None:
    layer(idle)
    network = [Spec("layer", "idle", {}), dt.flatten(), dt.linear("outputs")]
    assert verdict("build", network=network).details == [
        "network.0.idle takes no part in the answer: it gets no gradient"
    ]


def test_build_finds_a_gradient_that_is_not_finite() -> None:
    layer(broken)
    network = [dt.conv(3), Spec("layer", "broken", {}), dt.flatten(), dt.linear("outputs")]
    found = verdict("build", network=network)
    assert found.details == [f"network.0.{name} gets a gradient that is not finite" for name in ("weight", "bias")]


def test_build_finds_initial_weights_that_are_too_large() -> None:
    network = [dt.flatten(), dt.linear("outputs", init=dt.normal(1.0))]
    found = verdict("build", network=network)
    assert found.details == [
        "the loss begins far above: the initial weights are too large (init: glorot, he, normal: 0.01)"
    ]


@pytest.mark.parametrize("rows", [{}, {"objective": dt.hinge()}, {"precision": "bfloat16"}], ids=str)
def test_gradients_of_what_is_right(rows: dict[str, Any]) -> None:
    found = verdict("gradients", **rows)
    assert found.holds, found
    assert "8 parameters, 12 numbers of each, 8 examples: the worst differs by " in found.finding


def test_gradients_finds_a_planted_wrong_backward_and_names_what_lies_before_it() -> None:
    layer(wrong_backward)
    network = [dt.flatten(), dt.linear(9), Spec("layer", "wrong_backward", {}), dt.tanh(), dt.linear("outputs")]
    found = verdict("gradients", network=network)
    assert not found.holds
    assert {detail.split(" differs")[0] for detail in found.details} == {"network.1.bias", "network.1.weight"}


def test_resume_and_repeat_hold_and_leave_nothing_behind(tmp_path: Path) -> None:
    write_small(tmp_path / "small.yaml", epochs=10)
    said = dovetail("check", "small.yaml", "repeat", "resume")
    assert said.code == 0, said
    lines = said.out.splitlines()
    assert lines[0].startswith("repeat     holds  two runs: ")
    assert lines[1].startswith("resume     holds  3 runs killed at random instants and resumed: ")
    assert [path.name for path in tmp_path.iterdir()] == ["small.yaml"]


CHANCE = '''
import os
from torch import nn
import dovetail as dt

class Chance(nn.Module):
    def forward(self, x):
        return x + int.from_bytes(os.urandom(1), "big") / 1000

@dt.layer
def chance(x):
    """Draws where nobody can repeat it."""
    return Chance()
'''


def test_repeat_finds_chance_that_is_not_a_function_of_the_seed(tmp_path: Path) -> None:
    (tmp_path / "chances.py").write_text(CHANCE)
    (tmp_path / "r.yaml").write_text("network: [flatten, chance, linear: outputs]\nobjective: softmax\ndata: digits\n")
    said = dovetail("check", "r.yaml", "repeat", "--use", "chances", "--json")
    assert said.code == 1
    (found,) = said.json["proofs"]
    assert not said.json["holds"]
    assert found["details"] == [
        "model.safetensors of second differs from that of first",
        "metrics.jsonl of second differs from that of first",
    ]


def test_what_check_refuses() -> None:
    assert dovetail("check", "lenet", "biuld").err == "there is no proof 'biuld'. Did you mean 'build'?\n"
    assert dovetail("check", "lenet", "build", "epoch=3").code == 2


def test_a_start_and_data_of_files_are_found_from_the_proof_s_own_folder(tmp_path: Path) -> None:
    import numpy as np

    np.save("x.npy", np.random.default_rng(0).normal(size=(40, 3)))
    np.save("y.npy", np.arange(40) % 2)
    data = dt.arrays("x.npy", "y.npy")
    recipe = small(network=[dt.linear("outputs")], data=data, synthetic=[], batch=10, epochs=2)
    dt.train(recipe, run="first")
    (found,) = prove(dataclasses.replace(recipe, start="runs/first"), ["repeat"])
    assert found.holds
