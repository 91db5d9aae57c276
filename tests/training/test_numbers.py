"""Numbers that are not finite, or not to be believed, never reach the weights; they are counted, named and survived."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from training.systems import small

import dovetail as dt
from dovetail.recipe.errors import RunError
from dovetail.training import Run, Trainer
from dovetail.training.machine import resolved
from dovetail.training.run import make_source


def trainer(**changed: Any) -> Trainer:
    recipe = resolved(small(**changed))
    Path("run").mkdir(exist_ok=True)
    made = Trainer(recipe, make_source(recipe.data, Path()), Path("run"))
    made.system.train()
    return made


def spoil(made: Trainer, name: str, steps: set[int], value: float) -> None:
    """Put a value into one entry of a parameter's gradient at some steps."""

    def hook(gradient: Tensor) -> Tensor:
        if made.t in steps:
            gradient = gradient.clone()
            gradient.view(-1)[3] = value
        return gradient

    made.system.get_parameter(name).register_hook(hook)


def values(made: Trainer) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in made.system.state_dict().items()}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["network.0.weight", "network.1.weight", "network.7.bias"])
def test_a_bad_gradient_changes_nothing_but_the_count(name: str, value: float) -> None:
    made = trainer()
    spoil(made, name, {2, 4}, value)
    for _ in range(2):
        made.step()
    before, optimizer = values(made), {n: t.clone() for n, t in made.descent.state().items()}
    made.step()
    assert all(torch.equal(tensor, before[n]) for n, tensor in values(made).items())  # running statistics included
    assert all(torch.equal(tensor, optimizer[n]) for n, tensor in made.descent.state().items())
    assert (made.t, made.state.skipped, made.state.in_row) == (3, 1, 1)
    made.step()
    assert (made.state.skipped, made.state.in_row) == (1, 0)
    assert any(not torch.equal(tensor, before[n]) for n, tensor in values(made).items())
    made.step()
    record = made._evaluate(1.0, 1)
    assert record["skipped"] == {"steps": 2, "because_of": [name]}
    assert math.isfinite(record["train"]["loss"])
    assert made._evaluate(1.0, 1)["skipped"] == {"steps": 2, "because_of": []}


def test_a_bad_number_in_the_data_flow_does_not_stay_in_running_averages() -> None:
    made = trainer()
    made.step()
    before = values(made)
    network = made.system.network
    handle = network[0].register_forward_hook(lambda module, x, y: y * math.nan)
    made.step()
    handle.remove()
    assert all(torch.equal(tensor, before[n]) for n, tensor in values(made).items())
    made.step()
    assert all(bool(torch.isfinite(tensor).all()) for tensor in values(made).values())


def test_after_patience_the_run_stops_with_advice_and_its_good_weights() -> None:
    made = trainer(optimizer={"rule": dt.sgd(), "rate": 0.01, "patience": 3})
    for _ in range(4):
        made.step()
    made.save()
    before = values(made)
    spoil(made, "network.5.weight", set(range(100)), math.nan)
    message = (
        r"^step 6: 3 steps in a row were left out; here the gradient is not finite in network.5.weight. Nothing of "
        r"them reached the weights. Lower the rate or clip the gradient \(optimizer.clip=1\) in a new run; start=run "
        r"begins it with the weights of this one's newest checkpoint$"
    )
    made.step()
    made.step()
    with pytest.raises(RunError, match=message):
        made.step()
    assert all(torch.equal(tensor, before[n]) for n, tensor in values(made).items())


def test_a_diverged_run_lends_its_weights_to_the_next() -> None:
    said: list[str] = []
    wild = {"rule": dt.sgd(0.9), "rate": 1e30, "patience": 2}
    with pytest.raises(RunError, match="start=runs/wild begins it"):
        dt.train(small(optimizer=wild), run="wild")
    tame = dt.train(small(start="wild"), run="tame", say=said.append)
    assert said == ["start: 11 tensors taken over"]
    assert tame.metrics[-1]["test"]["error"] < 0.3


def test_an_unusually_long_gradient_is_left_out_where_asked() -> None:
    made = trainer(optimizer={"rule": dt.sgd(), "rate": 0.01, "outlier": 20.0})
    spoil(made, "network.5.weight", {10, 25, 31}, 1e6)
    for _ in range(33):
        made.step()
    assert made.state.skipped == 2  # not at step 10: what is usual is not known before 20 steps
    free = trainer(optimizer={"rule": dt.sgd(), "rate": 0.01})
    spoil(free, "network.5.weight", {10, 25, 31}, 1e6)
    for _ in range(33):
        free.step()
    assert free.state.skipped == 0


def weights(run: Run) -> dict[str, Tensor]:
    return {name: parameter.detach() for name, parameter in run.system().named_parameters()}


def test_bounds_on_parameters_keep_a_diverging_run_finite() -> None:
    wild = {"rule": dt.sgd(), "rate": 1e4, "patience": 1000}
    free, clamped, limited = (
        dt.train(small(epochs=2, precision="float64", optimizer={**wild, **bound}), run=name)
        for name, bound in (("free", {}), ("clamped", {"clamp": 2.0}), ("limited", {"max_norm": 3.0, "clamp": 1e3}))
    )
    largest = [max(float(t.abs().max()) for t in weights(run).values()) for run in (free, clamped, limited)]
    assert not largest[0] <= 1e3
    assert largest[1] == 2.0
    assert largest[2] <= 1e3
    for name, weight in weights(limited).items():
        if weight.dim() > 1:
            assert float(weight.flatten(1).norm(dim=1).max()) <= 3.0 * (1 + 1e-6), name


def test_bounds_follow_the_groups() -> None:
    groups = {"network.5.*": {"clamp": 0.01}, "network.7.weight": {"max_norm": 0.1}}
    run = dt.train(small(epochs=1, optimizer={"rule": dt.sgd(), "rate": 0.1, "groups": groups}), run="groups")
    found = weights(run)
    assert float(found["network.5.weight"].abs().max()) == pytest.approx(0.01)
    assert float(found["network.7.weight"].norm(dim=1).max()) == pytest.approx(0.1, rel=1e-5)
    assert float(found["network.0.weight"].abs().max()) > 0.1
