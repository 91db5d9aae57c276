"""Every registered objective against every property: one table, one row a setting."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import dovetail as dt
from dovetail.objectives import Objective
from dovetail.recipe import objective as kind
from dovetail.recipe.check import check
from dovetail.recipe.facts import Target
from dovetail.recipe.language import plain, read_nodes, write
from dovetail.recipe.spec import ObjectiveSpec, Spec

CLASSES = Target("class", 4, list("abcd"), [5, 6, 7, 8])
BINARY = Target("class", 2, ["no", "yes"], [5, 6])
LABELS = Target("labels", 3, list("abc"), [5, 6, 7])
NUMBERS = Target("numbers", 2, ["u", "v"], [], [1.0, -2.0], [2.0, 0.5])

SETTINGS: list[tuple[Spec, Target]] = [
    (dt.softmax(), CLASSES),
    (dt.softmax(smoothing=0.2, weights="balanced", top=2), CLASSES),
    (dt.logistic(), BINARY),
    (dt.logistic(weights=[1.0, 3.0]), BINARY),
    (dt.hinge(), BINARY),
    (dt.hinge(margin=0.5, weights=[1.0, 2.0, 3.0, 4.0]), CLASSES),
    (dt.nearest(j=2.0), CLASSES),
    (dt.multilabel(), LABELS),
    (dt.squares(), NUMBERS),
    (dt.squares(standardize=True), NUMBERS),
    (dt.absolute(), NUMBERS),
    (dt.huber(delta=0.7, standardize=True), NUMBERS),
]
ids = [f"{spec!r}-{data.width}" for spec, data in SETTINGS]
every = pytest.mark.parametrize(("spec", "data"), SETTINGS, ids=ids)


def example(data: Target, width: int, n: int = 7) -> tuple[Tensor, Tensor]:
    """Outputs away from kinks, and targets that fit."""
    g = torch.Generator().manual_seed(1)
    output = torch.randn(n, width, generator=g, dtype=torch.float64) * 2
    if data.form == "class":
        return output, torch.randint(0, data.width, (n,), generator=g)
    if data.form == "labels":
        return output, torch.randint(0, 2, (n, width), generator=g)
    return output, torch.randn(n, width, generator=g, dtype=torch.float64)


def made(spec: Spec, data: Target) -> Objective:
    objective = spec.make(data)
    assert isinstance(objective, Objective)
    return objective.double()


def test_every_objective_has_a_row() -> None:
    assert {part.name for part in kind if not part.sees_time} == {spec.name for spec, _ in SETTINGS}


@every
def test_one_loss_and_one_count_an_example(spec: Spec, data: Target) -> None:
    objective = made(spec, data)
    output, target = example(data, objective.width or 1)
    assert objective.loss(output, target).shape == (7,)
    assert objective.count(target).tolist() == [1.0] * 7
    assert objective.fits(output.shape)
    assert not objective.fits(torch.Size((7, 99)))


@every
def test_gradients_match_finite_differences(spec: Spec, data: Target) -> None:
    objective = made(spec, data)
    output, target = example(data, objective.width or 1)
    assert torch.autograd.gradcheck(lambda f: objective.loss(f, target), output.requires_grad_())


@every
def test_a_batch_is_its_examples(spec: Spec, data: Target) -> None:
    objective = made(spec, data)
    output, target = example(data, objective.width or 1)
    together = objective.loss(output, target)
    alone = torch.cat([objective.loss(output[i : i + 1], target[i : i + 1]) for i in range(7)])
    torch.testing.assert_close(together, alone)
    assert len(objective.describe(output)) == 7


@every
def test_statistics_add_up(spec: Spec, data: Target) -> None:
    objective = made(spec, data)
    output, target = example(data, objective.width or 1)
    whole = objective.measure(output, target)
    parts = [objective.measure(output[s], target[s]) for s in (slice(0, 2), slice(2, 7))]
    for name, value in whole.items():
        assert value.dtype == torch.float64
        torch.testing.assert_close(parts[0][name] + parts[1][name], value)
    for figure in objective.summary(whole).values():
        assert isinstance(figure, float)


@every
def test_a_vote_averages_probabilities_or_values(spec: Spec, data: Target) -> None:
    objective = made(spec, data)
    output, _ = example(data, objective.width or 1)
    outputs = [output, output.flip(0), output * 3]
    torch.testing.assert_close(objective.decode(objective.pool([output])), objective.decode(output))
    meaning = {"softmax": objective.probabilities, "nearest": objective.probabilities} if data.form == "class" else {}
    meaning |= {"logistic": torch.sigmoid, "multilabel": torch.sigmoid}
    means = meaning.get(spec.name, lambda f: f)
    mean = torch.stack([means(one) for one in outputs]).mean(0)
    torch.testing.assert_close(means(objective.pool(outputs)).to(mean), mean, atol=1e-6, rtol=1e-6)


@every
def test_half_precision_outputs_are_judged_in_float32(spec: Spec, data: Target) -> None:
    objective = spec.make(data)
    output, target = example(data, objective.width or 1)
    target = target.float() if data.form == "numbers" else target
    assert objective.loss(output.bfloat16(), target).dtype == torch.float32


@every
def test_a_perfect_output_has_no_error(spec: Spec, data: Target) -> None:
    objective = made(spec, data)
    _, target = example(data, objective.width or 1)
    if data.form == "class":
        sure = 50.0 * torch.nn.functional.one_hot(target, data.width).double()
        sure = -sure if spec.name == "nearest" else sure  # distances, of which the least decides
        output = sure if objective.width == data.width else (100.0 * target - 50)[:, None].double()
    elif data.form == "labels":
        output = 100.0 * target.double() - 50
    else:
        output = (target - objective.mean) / objective.deviation
    summary = objective.summary(objective.measure(output, target))
    assert next(iter(summary.values())) == pytest.approx(0, abs=1e-6)


@every
def test_round_trips_through_yaml(spec: Spec, data: Target) -> None:
    for complete in (False, True):
        node = read_nodes(write({"objective": plain(spec, complete)}), "f").value["objective"]
        assert check(ObjectiveSpec, node, "objective") == spec
