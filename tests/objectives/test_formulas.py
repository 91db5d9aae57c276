"""The losses against worked numbers, closed forms and other implementations."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

import dovetail as dt
from dovetail.recipe.facts import Target

TWO = Target("class", 2, ["no", "yes"], [30, 10])
THREE = Target("class", 3, ["a", "b", "c"], [10, 20, 70])


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize("zero_one", [False, True])
def test_logistic_numbers(zero_one: bool) -> None:
    target = torch.tensor([1, -1, 1, -1])
    if zero_one:
        target = (target > 0).long()
    scores = tensor(2, 2, -100, 1000)[:, None].requires_grad_()
    loss = dt.logistic().make(TWO).loss(scores, target)
    torch.testing.assert_close(loss, tensor(0.1269280110, 2.1269280110, 100, 1000), atol=1e-9, rtol=0)
    loss.sum().backward()
    assert scores.grad is not None
    expected = tensor(-0.1192029220, 0.8807970780, -1, 1)
    torch.testing.assert_close(scores.grad[:, 0], expected, atol=1e-9, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("score", [-1e4, -20.5, -1e-8, 0.0, 1e-8, 20.5, 1e4])
def test_logistic_is_exact_at_any_score(score: float, dtype: torch.dtype) -> None:
    for label in (-1, 1):
        f = torch.tensor([[score]], dtype=dtype, requires_grad=True)
        loss = dt.logistic().make(TWO).loss(f, torch.tensor([label]))
        z = -label * f.detach().item()
        exact = max(z, 0.0) + math.log1p(math.exp(-abs(z)))
        assert loss.detach().item() == pytest.approx(exact, rel=4 * torch.finfo(dtype).eps, abs=1e-300)
        loss.sum().backward()
        slope = -label / (1 + math.exp(-z)) if z > -700 else 0.0
        assert f.grad.item() == pytest.approx(slope, rel=8 * torch.finfo(dtype).eps, abs=1e-38)


def test_softmax_numbers() -> None:
    objective = dt.softmax().make(THREE)
    outputs = torch.stack([tensor(1, 2, 3), tensor(1000, 0, -1000)])
    loss = objective.loss(outputs, torch.tensor([0, 1]))
    torch.testing.assert_close(loss, tensor(2.4076059644, 1000), atol=1e-9, rtol=0)


def test_squares_numbers() -> None:
    objective = dt.squares().make(Target("numbers", 2))
    loss = objective.loss(tensor(1, 2, 3, 5).view(2, 2), tensor(0, 0, 1, 1).view(2, 2))
    torch.testing.assert_close(loss, tensor(2.5, 10), atol=1e-9, rtol=0)


def test_softmax_smoothing_and_weights_agree_with_their_formula() -> None:
    outputs, target = torch.randn(6, 3, dtype=torch.float64), torch.tensor([0, 1, 2, 2, 1, 0])
    loss = dt.softmax(smoothing=0.1, weights=[1.0, 2.0, 0.5]).make(THREE).loss(outputs, target)
    logs = -outputs.log_softmax(1)
    own = logs.gather(1, target[:, None])[:, 0]
    expected = (0.9 * own + 0.1 * logs.mean(1)) * tensor(1, 2, 0.5)[target]
    torch.testing.assert_close(loss, expected, atol=1e-12, rtol=0)


def test_balanced_weights_make_every_class_count_alike() -> None:
    objective = dt.softmax(weights="balanced").make(THREE)
    per_class = objective.weights * torch.tensor([10.0, 20.0, 70.0])
    torch.testing.assert_close(per_class, torch.full((3,), 100 / 3))
    binary = dt.logistic(weights="balanced").make(TWO)
    unweighted = dt.logistic().make(TWO)
    score, target = torch.tensor([[0.3], [0.3]]), torch.tensor([0, 1])
    ratio = binary.loss(score, target) / unweighted.loss(score, target)
    torch.testing.assert_close(ratio, torch.tensor([40 / 60, 40 / 20]))


def test_hinge_numbers() -> None:
    two = dt.hinge().make(TWO)
    torch.testing.assert_close(
        two.loss(torch.tensor([[0.4], [0.4], [3.0]]), torch.tensor([1, 0, 1])), torch.tensor([0.6, 1.4, 0])
    )
    three = dt.hinge(margin=2).make(THREE)
    torch.testing.assert_close(three.loss(torch.tensor([[1.0, 2, 4]]), torch.tensor([1])), torch.tensor([4.0]))


def test_multilabel_agrees_with_torch() -> None:
    outputs, target = torch.randn(5, 4, dtype=torch.float64) * 3, torch.randint(0, 2, (5, 4))
    objective = dt.multilabel().make(Target("labels", 4, list("abcd")))
    expected = F.binary_cross_entropy_with_logits(outputs, target.double(), reduction="none").sum(1)
    torch.testing.assert_close(objective.loss(outputs, target), expected)
    torch.testing.assert_close(objective.loss(outputs, target * 2 - 1), expected)


@pytest.mark.parametrize("delta", [0.5, 1.0, 2.0])
def test_huber_and_absolute_agree_with_torch(delta: float) -> None:
    outputs, target = torch.randn(5, 3, dtype=torch.float64) * 3, torch.randn(5, 3, dtype=torch.float64)
    data = Target("numbers", 3)
    expected = F.huber_loss(outputs, target, reduction="none", delta=delta).sum(1)
    torch.testing.assert_close(dt.huber(delta).make(data).loss(outputs, target), expected)
    torch.testing.assert_close(dt.absolute().make(data).loss(outputs, target), (outputs - target).abs().sum(1))


def test_standardized_regression_answers_in_the_unit_of_the_data() -> None:
    data = Target("numbers", 1, ["y"], [], [150.0], [77.0])
    objective = dt.squares(standardize=True).make(data)
    output, target = torch.tensor([[0.0], [1.0]]), torch.tensor([[150.0], [150.0]])
    torch.testing.assert_close(objective.decode(output), torch.tensor([[150.0], [227.0]]))
    torch.testing.assert_close(objective.loss(output, target), torch.tensor([0.0, 0.5]))
    summary = objective.summary(objective.measure(output, target))
    assert summary["rmse"] == pytest.approx(77 / math.sqrt(2), rel=1e-6)


def test_regression_summary_agrees_with_scikit_learn() -> None:
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    target = torch.randn(50, 1, dtype=torch.float64) * 5 + 1000
    output = target + torch.randn(50, 1, dtype=torch.float64)
    objective = dt.squares().make(Target("numbers", 1, ["y"], [], [1000.0], [5.0]))
    halves = [objective.measure(output[part], target[part]) for part in (slice(0, 20), slice(20, 50))]
    summary = objective.summary({name: halves[0][name] + halves[1][name] for name in halves[0]})
    assert summary["rmse"] == pytest.approx(root_mean_squared_error(target, output))
    assert summary["mae"] == pytest.approx(mean_absolute_error(target, output))
    assert summary["r2"] == pytest.approx(r2_score(target, output))


def test_classification_statistics_count_right() -> None:
    objective = dt.softmax(top=2).make(THREE)
    output = torch.tensor([[3.0, 2, 1], [1, 2, 3], [1, 3, 2], [3, 2, 1]])
    target = torch.tensor([0, 1, 1, 2])
    statistics = objective.measure(output, target)
    summary = objective.summary(statistics)
    assert summary["error"] == 0.5
    assert summary["top2_error"] == 0.25
    assert summary["standard_error"] == 0.25
    assert statistics["confusion"].tolist() == [[1, 0, 0], [0, 1, 1], [1, 0, 0]]
    assert statistics["confusion"].dtype == torch.float64


def test_multilabel_f1_agrees_with_scikit_learn() -> None:
    from sklearn.metrics import f1_score

    output, target = torch.randn(40, 3), torch.randint(0, 2, (40, 3))
    objective = dt.multilabel().make(Target("labels", 3, list("abc")))
    summary = objective.summary(objective.measure(output, target))
    assert summary["f1"] == pytest.approx(f1_score(target, output > 0, average="micro"))


@pytest.mark.parametrize(
    ("spec", "data", "message"),
    [
        (lambda: dt.softmax(), Target("numbers", 1), "softmax needs a target of class, the data have numbers"),
        (lambda: dt.squares(), THREE, "squares needs a target of numbers, the data have class"),
        (lambda: dt.multilabel(), THREE, "multilabel needs a target of labels, the data have class"),
        (lambda: dt.logistic(), THREE, "decides between two classes, the data have 3; softmax takes more"),
        (lambda: dt.softmax(weights=[1.0]), THREE, "weights: 1 numbers for 3 classes"),
    ],
)
def test_objectives_refuse_data_of_another_kind(spec: object, data: Target, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        spec().make(data)  # type: ignore[operator]
