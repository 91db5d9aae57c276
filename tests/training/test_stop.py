"""Early stopping: a run ends where validation examples tell no more, with the weights that did best on them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from training.systems import contents, small

import dovetail as dt
from dovetail.recipe.errors import RecipeError
from dovetail.training import Run

EARLY: dict[str, Any] = {"epochs": 40, "stop": {"after": "20 steps"}, "optimizer": {"rate": dt.constant(0.5)}}


def judged(run: Run) -> dict[int, float]:
    return {line["step"]: line["validation"]["error"] for line in run.metrics if "validation" in line}


@pytest.fixture(scope="module")
def early(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return dt.train(small(**EARLY), run=f"{tmp_path_factory.mktemp('early')}/run")


def test_it_ends_where_there_was_no_gain_for_so_long(early: Run) -> None:
    errors = judged(early)
    last, best = max(errors), min(errors, key=lambda step: (errors[step], step))
    assert last - best >= 20
    assert last < 40 * 13
    assert early.metrics[-2]["stopped"] == f"no gain since step {best}"
    for step in errors:  # and nowhere before
        lowest = min((errors[s], s) for s in errors if s <= step)[1]
        assert step - lowest < 20 or step == last


def test_the_best_weights_are_the_model_and_are_tested(early: Run) -> None:
    files = contents(early.path)
    assert files["model.safetensors"] == files["best.safetensors"]
    assert early.test()["error"] == early.result["test"]["error"]
    assert early.test(part="validation")["error"] == min(judged(early).values())


def test_a_run_that_never_stops_early_ends_with_its_best_weights_too() -> None:
    run = dt.train(small(stop={"after": "100 epochs"}), run="whole")
    assert contents(run.path)["model.safetensors"] == contents(run.path)["best.safetensors"]
    assert not any("stopped" in line for line in run.metrics)
    assert max(judged(run)) == 3 * 13


def test_a_gain_below_what_counts_is_none() -> None:
    run = dt.train(small(**{**EARLY, "stop": {"after": "10 steps", "gain": 1.0}}), run="gain")
    assert max(judged(run)) == 15  # the first figure was the only gain


def test_killed_and_resumed_it_ends_with_the_same_bytes(early: Run) -> None:
    class Pulled(BaseException):
        pass

    def pull(step: int, _: float) -> None:
        if step in (7, 23, max(judged(early)) - 2):
            raise Pulled

    with pytest.raises(Pulled):
        dt.train(small(**EARLY), run="pulled", on_step=pull)
    while not Run("runs/pulled").finished:
        try:
            dt.resume("pulled", on_step=lambda step, loss: pull(step, loss) if step > 7 else None)
        except Pulled:
            dt.resume("pulled")
    assert contents(Path("runs/pulled")) == contents(early.path)


def test_a_run_that_stopped_early_can_go_on_for_longer() -> None:
    run = dt.train(small(**EARLY), run="longer")
    stopped = max(judged(run))
    longer = dt.resume("longer", "epochs=60")
    assert max(judged(longer)) >= stopped + 20
    assert longer.finished


def test_without_validation_examples_it_says_what_to_do() -> None:
    message = r"stop: validation examples tell when to stop, and the recipe keeps none: data\.digits\.validation=0\.2"
    with pytest.raises(RecipeError, match=message):
        dt.train(small(stop={}, data=dt.digits(validation=0.0)), run="none")


def test_a_trial_counts_as_its_best_weights(tmp_path: Path) -> None:
    search = {"space": {"optimizer.rate.constant.value": {"log": [0.3, 0.6]}}, "trials": 4, "method": "random"}
    found = dt.tune(small(**EARLY, search=search), run=str(tmp_path / "search"))
    trials = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("search/trial-*.json"))]
    assert len(trials) == 4
    for trial, run in zip(trials, sorted(tmp_path.glob("search/trial-???")), strict=True):
        assert trial["figure"] == min(judged(Run(run)).values())
        assert math.isfinite(trial["figure"])
    assert found is not None
