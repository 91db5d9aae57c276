"""Decisions and measures against scikit-learn, losses against PyTorch where both are defined, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn import metrics
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor

import dovetail as dt
from dovetail.objectives import Objective
from dovetail.recipe.facts import Target

TWO = Target("class", 2, ["no", "yes"], [30, 10])
FIVE = Target("class", 5, list("abcde"), [5, 1, 7, 2, 3])
LABELS = Target("labels", 3, list("abc"))


def scores(n: int, width: int) -> Tensor:
    return torch.randn(n, width, generator=torch.Generator().manual_seed(3), dtype=torch.float64) * 2


def classes(n: int, width: int) -> Tensor:
    return torch.randint(0, width, (n,), generator=torch.Generator().manual_seed(4))


def summed(objective: Objective, output: Tensor, target: Tensor, pieces: int = 3) -> dict[str, Tensor]:
    """Statistics gathered over several batches."""
    parts = [objective.measure(*part) for part in zip(output.chunk(pieces), target.chunk(pieces), strict=True)]
    return {name: sum(part[name] for part in parts) for name in parts[0]}  # type: ignore[misc]


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
def test_softmax_agrees_with_torch(smoothing: float) -> None:
    output, target = scores(9, 5), classes(9, 5)
    loss = dt.softmax(smoothing).make(FIVE).loss(output, target)
    expected = F.cross_entropy(output, target, reduction="none", label_smoothing=smoothing)
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("top", [1, 2, 4, 9])
def test_errors_and_the_confusion_matrix_agree_with_scikit_learn(top: int) -> None:
    output, target = scores(60, 5), classes(60, 5)
    objective = dt.softmax(top=top).make(FIVE)
    statistics = summed(objective, output, target)
    summary = objective.summary(statistics)
    assert summary["error"] == pytest.approx(1 - metrics.accuracy_score(target, output.argmax(1)))
    assert summary["loss"] == pytest.approx(metrics.log_loss(target, output.softmax(1)))
    assert np.array_equal(statistics["confusion"], metrics.confusion_matrix(target, output.argmax(1)))
    if top == 1:
        assert list(summary) == ["error", "standard_error", "loss"]
    elif top < 5:
        best = metrics.top_k_accuracy_score(target, output, k=top)
        assert summary[f"top{top}_error"] == pytest.approx(1 - best)
    else:
        assert summary["top5_error"] == 0


def test_many_classes_keep_no_confusion_matrix() -> None:
    objective = dt.softmax().make(Target("class", 101))
    assert "confusion" not in objective.measure(scores(4, 101), classes(4, 101))


@pytest.mark.parametrize("data", [TWO, FIVE])
def test_balanced_weights_agree_with_scikit_learn(data: Target) -> None:
    y = np.repeat(np.arange(data.width), data.counts)
    expected = compute_class_weight("balanced", classes=np.arange(data.width), y=y)
    np.testing.assert_allclose(dt.softmax(weights="balanced").make(data).weights, expected, rtol=1e-6)


def test_the_hinge_agrees_with_scikit_learn() -> None:
    output, target = scores(40, 5), classes(40, 5)
    loss = dt.hinge().make(FIVE).loss(output, target)
    assert float(loss.mean()) == pytest.approx(metrics.hinge_loss(target, output))
    output, target = scores(40, 1), classes(40, 2)
    loss = dt.hinge().make(TWO).loss(output, target)
    assert float(loss.mean()) == pytest.approx(metrics.hinge_loss(target * 2 - 1, output[:, 0]))


def test_the_hinge_is_torchs_where_one_class_alone_comes_near() -> None:
    output, target = torch.full((10, 5), -100.0, dtype=torch.float64), classes(10, 5)
    rows = torch.arange(10)
    output[rows, target] = scores(10, 1)[:, 0]
    output[rows, (target + 2) % 5] = scores(10, 2)[:, 1]
    loss = dt.hinge(margin=1.5).make(FIVE).loss(output, target)
    expected = 5 * F.multi_margin_loss(output, target, margin=1.5, reduction="none")
    torch.testing.assert_close(loss, expected)
    assert (loss > 0).sum() > 2


def test_weights_multiply_the_hinge_of_their_class() -> None:
    output, target = scores(12, 5), classes(12, 5)
    weights = [1.0, 2.0, 0.0, 0.5, 3.0]
    expected = dt.hinge().make(FIVE).loss(output, target) * torch.tensor(weights)[target]
    torch.testing.assert_close(dt.hinge(weights=weights).make(FIVE).loss(output, target), expected)


@pytest.mark.parametrize("part", [dt.logistic, dt.hinge])
def test_signs_and_class_numbers_are_judged_alike(part: Any) -> None:
    objective, output, target = part(weights=[1.0, 3.0]).make(TWO), scores(30, 1), classes(30, 2)
    numbers, signs = summed(objective, output, target), summed(objective, output, target * 2 - 1)
    for name, value in numbers.items():
        assert torch.equal(value, signs[name]), name
    wrong = 1 - metrics.accuracy_score(target, output[:, 0] > 0)
    assert objective.summary(signs)["error"] == pytest.approx(wrong)
    assert np.array_equal(signs["confusion"], metrics.confusion_matrix(target, output[:, 0] > 0))


def test_label_measures_agree_with_scikit_learn() -> None:
    output = scores(50, 3)
    target = torch.randint(0, 2, (50, 3), generator=torch.Generator().manual_seed(5))
    objective = dt.multilabel().make(LABELS)
    for truth in (target, target * 2 - 1):
        summary = objective.summary(summed(objective, output, truth))
        assert summary["error"] == pytest.approx(metrics.hamming_loss(target, output > 0))
        for name, score in (("f1", metrics.f1_score), ("recall", metrics.recall_score)):
            assert summary[name] == pytest.approx(score(target, output > 0, average="micro"))
        assert summary["precision"] == pytest.approx(metrics.precision_score(target, output > 0, average="micro"))


@pytest.mark.parametrize("part", [dt.squares, dt.absolute, dt.huber])
@pytest.mark.parametrize("standardize", [False, True])
def test_measures_of_several_numbers_agree_with_scikit_learn(part: Any, standardize: bool) -> None:
    target = scores(60, 2) * torch.tensor([5.0, 0.1]) + torch.tensor([1e8, -3.0])
    guess = target + scores(60, 2).flip(0) * torch.tensor([3.0, 0.03])
    mean, deviation = target.mean(0), target.std(0, correction=0)
    objective = (
        part(standardize=standardize)
        .make(Target("numbers", 2, ["u", "v"], [], mean.tolist(), deviation.tolist()))
        .double()
    )
    output = (guess - objective.mean) / objective.deviation
    torch.testing.assert_close(objective.decode(output), guess)
    summary = objective.summary(summed(objective, output, target))
    assert summary["rmse"] == pytest.approx(metrics.mean_squared_error(target, guess) ** 0.5)
    assert summary["mae"] == pytest.approx(metrics.mean_absolute_error(target, guess))
    assert summary["r2"] == pytest.approx(metrics.r2_score(target, guess, multioutput="variance_weighted"))


def test_answers_name_what_they_decide() -> None:
    assert dt.softmax().make(FIVE).describe(torch.tensor([[0.0, 0, 9, 0, 0]]))[0]["class"] == "c"
    assert dt.softmax().make(Target("class", 3)).describe(torch.tensor([[0.0, 9, 0]]))[0]["class"] == "1"
    assert dt.logistic().make(TWO).describe(torch.tensor([[0.0]])) == [{"class": "no", "probability": 0.5}]
    assert dt.hinge().make(TWO).describe(torch.tensor([[2.5]])) == [{"class": "yes", "margin": 2.5}]
    assert dt.hinge().make(FIVE).describe(torch.tensor([[1.0, 4, 2, 0, 0]])) == [{"class": "b", "margin": 2.0}]
    assert dt.multilabel().make(LABELS).describe(torch.tensor([[1.0, -1, 1e-9]]))[0]["labels"] == ["a", "c"]
    assert list(dt.multilabel().make(Target("labels", 2)).describe(torch.zeros(1, 2))[0]["probabilities"]) == ["0", "1"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dt.squares(standardize=True).make(Target("numbers", 1)), "standardize needs data that tell the mean"),
        (lambda: dt.softmax(weights="balanced").make(Target("class", 2)), "balanced weights need data that count"),
        (lambda: dt.hinge().make(LABELS), "hinge needs a target of class, the data have labels"),
        (
            lambda: dt.squares().make(Target("numbers", 1)).loss(torch.zeros(3, 1), torch.ones(3)),
            "the output is (3, 1), the target (3,): they must agree",
        ),
        (
            lambda: dt.multilabel().make(LABELS).loss(torch.zeros(3, 3), torch.ones(3)),
            "the output is (3, 3), the target (3,): they must agree",
        ),
    ],
    ids=["standardize", "balanced", "hinge", "numbers", "labels"],
)
def test_what_does_not_fit_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
