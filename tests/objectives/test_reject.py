"""Rejection: thresholds, what they leave of decisions, and a run that sets one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import dovetail as dt
from dovetail.objectives.make import make_objective
from dovetail.objectives.reject import BINS, HIGHEST, LOWEST, Rejecting, histogram, log_odds, shares, threshold
from dovetail.recipe.errors import RecipeError
from dovetail.recipe.facts import Target


def test_log_odds_are_exact_near_certainty() -> None:
    p = torch.tensor([-1e-12, -1e-30, -50.0, 0.0], dtype=torch.float64)
    assert log_odds(p)[:3].tolist() == pytest.approx([27.631, 69.08, -50.0], abs=1e-2)
    assert float(log_odds(p)[3]) > HIGHEST


def test_a_histogram_adds_up_and_holds_everything() -> None:
    g = torch.Generator().manual_seed(0)
    likely, right = torch.rand(100, generator=g).log(), torch.rand(100, generator=g) < 0.7
    likely[:3] = torch.tensor([0.0, -torch.inf, torch.nan])
    whole = histogram(right, likely)
    assert torch.equal(whole, histogram(right[:40], likely[:40]) + histogram(right[40:], likely[40:]))
    assert whole.sum(1).tolist() == [int((~right).sum()), int(right.sum())]


@pytest.mark.parametrize("rate", [0.3, 0.1, 0.05, 0.0001])
def test_the_threshold_is_the_lowest_that_keeps_the_rate(rate: float) -> None:
    g = torch.Generator().manual_seed(1)
    likely = torch.rand(2000, generator=g, dtype=torch.float64)
    right = torch.rand(2000, generator=g) < likely  # as sure as they say
    counts = histogram(right, likely.log())
    least = threshold(counts, rate)
    _, wrong = shares(counts, least)
    assert wrong <= rate
    if least > LOWEST:
        assert shares(counts, least - 0.02)[1] > rate
    odds = log_odds(likely.log())
    kept = odds >= least - 1e-9
    assert float((kept & ~right).double().mean()) == pytest.approx(wrong, abs=1e-3)


def test_without_an_allowed_threshold_everything_is_rejected() -> None:
    counts = torch.zeros(2, BINS)
    counts[0, -1] = 5
    assert threshold(counts, 0.1) == HIGHEST
    assert shares(counts, HIGHEST) == (0, 0)


def test_where_no_validation_answer_is_right_nothing_is_accepted() -> None:
    rejecting = Rejecting(make_objective(dt.softmax(), Target("class", 2, ["a", "b"])))
    unsure = torch.tensor([[0.1, 0.0], [0.0, 0.2]])
    rejecting.settle(rejecting.measure(unsure, torch.tensor([1, 0])), 0.01)
    assert [one["rejected"] for one in rejecting.describe(torch.tensor([[99.0, -99.0]]))] == [True]
    told = rejecting.summary(rejecting.measure(unsure, torch.tensor([1, 0])))
    assert (told["correct"], told["accepted_error"], told["reject"]) == (0, 0, 1)
    rejecting.settle(rejecting.measure(unsure, torch.tensor([0, 0])), 0.5)
    assert [one["rejected"] for one in rejecting.describe(torch.tensor([[99.0, -99.0]]))] == [False]


def test_a_run_sets_the_threshold_and_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["epochs=2", "data.digits.validation=300"]
    run = dt.train("softmax-regression", "reject=0.02", *words, run="r")
    figures = run.result["test"]
    assert figures["correct"] + figures["accepted_error"] + figures["reject"] == pytest.approx(1)
    assert figures["reject"] > 0.02
    told = run.test(part="validation")
    assert told["accepted_error"] <= 0.02
    assert run.test()["correct"] == figures["correct"]
    images, targets, _ = run.source.part("test").fetch(torch.arange(360))
    answers = run.predict(images.numpy())
    kept = [not answer["rejected"] for answer in answers]
    assert sum(kept) / 360 == pytest.approx(1 - figures["reject"])
    right = [answer["class"] == str(int(target)) for answer, target in zip(answers, targets, strict=True)]
    assert sum(map(all, zip(kept, right, strict=True))) / 360 == pytest.approx(figures["correct"])
    plain = dt.train("softmax-regression", *words, run="p")
    assert plain.result["test"]["error"] == figures["error"]
    assert "reject" not in plain.result["test"]


def test_what_cannot_reject_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipeError, match="reject: validation examples tell from where on answers are sure"):
        dt.train("softmax-regression", "reject=0.02")
    with pytest.raises(RecipeError, match="reject: the objective 'squares' does not say how sure its decisions are"):
        dt.train("linear-regression", "reject=0.02", "data.diabetes.validation=0.1")
