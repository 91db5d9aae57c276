"""Every part on a GPU against itself on the CPU, and whole systems there; skipped where there is no GPU."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from automata.enumeration import random_automaton
from contracts import test_objectives, test_rules, test_sequence_objectives, test_sequences
from contracts.checks import built, example
from contracts.test_layers import SETTINGS
from torch import nn
from training.systems import small

import dovetail as dt
from dovetail.automata import best_paths, n_best, path_sum, posteriors
from dovetail.automata.builders import string
from dovetail.automata.operations import (
    closure,
    compose,
    concat,
    determinize,
    invert,
    minimize,
    remove_epsilon,
    trim,
    union,
)
from dovetail.layers.heads import main_of
from dovetail.layers.masked import draw_mask, masked_product
from dovetail.layers.noise import dropout_mask, normal_rows
from dovetail.proofs import prove
from dovetail.recipe.draws import Draws
from dovetail.recipe.sequences import Sequences, values_of
from dovetail.recipe.spec import Spec

GPU = torch.device("cuda")
pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # PyTorch's compiler has some of its own
]


def moved(x: Any) -> Any:
    return x.to(GPU)


def same_there(network: nn.Module, x: Any, tolerance: float = 1e-9) -> None:
    """Outputs and slopes, of a network as it stands, here and on the GPU."""
    there = copy.deepcopy(network).to(GPU)
    found = []
    for module, given in ((network, x), (there, moved(x))):
        for one in module.modules():
            if hasattr(one, "draws"):
                one.draws, one.purpose = Draws(seed=4), "here"
        answers = values_of(main_of(module(given)))
        assert answers.device == values_of(given).device
        slopes: Any = [p for p in module.parameters() if p.requires_grad]
        if answers.requires_grad and (module.training or not any(isinstance(m, nn.LSTM) for m in module.modules())):
            slopes = torch.autograd.grad(answers.square().sum(), slopes, allow_unused=True)
        found.append([answers, *(slope for slope in slopes if slope is not None)])
    assert len(found[0]) == len(found[1])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(theirs.cpu(), ours, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("training", [True, False], ids=["training", "in use"])
@pytest.mark.parametrize(("spec", "shape"), SETTINGS, ids=lambda value: str(value)[:40])
def test_layers(spec: Spec, shape: tuple[int, ...], training: bool) -> None:
    rough = 1e-6 if spec.name == "gaussian_noise" else 1e-9  # whose numbers are of single precision
    same_there(built(spec, shape).train(training), example(shape, 4), rough)


@pytest.mark.parametrize(
    ("spec", "x"),
    [(spec, test_sequences.words()) for spec in test_sequences.WORDS]
    + [
        (spec, Sequences(example(shape, 8), test_sequences.LENGTHS))
        for spec, shape in test_sequences.OVER_TIME + test_sequences.SPREAD
    ]
    + [(spec, Sequences(example(shape, 8).abs(), test_sequences.LENGTHS)) for spec, shape in test_sequences.WINDOWS],
    ids=lambda value: str(value)[:40] if isinstance(value, Spec) else "",
)
def test_layers_on_sequences(spec: Spec, x: Sequences) -> None:
    network, _ = test_sequences.built(spec, x)
    same_there(network, x)


@pytest.mark.parametrize("keep", [0.5, 0.3])
def test_draws_are_those_of_the_cpu(keep: float) -> None:
    like = torch.empty(5, 70)
    assert torch.equal(dropout_mask(moved(like), keep, 9, 3).cpu(), dropout_mask(like, keep, 9, 3))
    torch.testing.assert_close(normal_rows(moved(like), 9, 3).cpu(), normal_rows(like, 9, 3), rtol=1e-5, atol=1e-5)
    assert torch.equal(draw_mask(9, keep, 3, 5, 7, 2, GPU).cpu(), draw_mask(9, keep, 3, 5, 7, 2))


def test_products_with_masks_of_several_sizes() -> None:
    for n, out, words in ((3, 5, 1), (128, 800, 13), (1, 10, 2)):
        torch.manual_seed(n)
        rows = [torch.randn(size, 64 * words) for size in (n, out)]
        mask, weights = draw_mask(1, 0.5, 0, n, out, words), torch.randn(n, out)
        found = []
        for place in (torch.device("cpu"), GPU):
            x, w = (row.to(place).requires_grad_() for row in rows)
            y = masked_product(x, w, mask.to(place))
            found.append([y, *torch.autograd.grad((y * weights.to(place)).sum(), (x, w))])
        for ours, theirs in zip(*found, strict=True):
            torch.testing.assert_close(theirs.cpu(), ours, rtol=1e-4, atol=1e-3)


def objective_there(objective: Any, output: Any, target: Any) -> None:
    """Loss, slopes, answers and statistics."""
    there, found = copy.deepcopy(objective).to(GPU), []
    for one, given, wanted in ((objective, output, target), (there, moved(output), moved(target))):
        values = values_of(given).detach().requires_grad_()
        given = given.having(values) if isinstance(given, Sequences) else values
        loss = one.loss(given, wanted)
        assert loss.device == values.device
        (slope,) = torch.autograd.grad(loss.sum(), values)
        with torch.no_grad():
            found.append((loss, slope, one.describe(given), one.measure(given, wanted)))
    for ours, theirs in zip(found[0][:2], found[1][:2], strict=True):
        torch.testing.assert_close(theirs.cpu(), ours)
    assert [sorted(answer) for answer in found[1][2]] == [sorted(answer) for answer in found[0][2]]
    assert [str(answer)[:20] for answer in found[1][2]] == [str(answer)[:20] for answer in found[0][2]]
    for name, value in found[0][3].items():
        torch.testing.assert_close(found[1][3][name].cpu(), value.cpu())


@test_objectives.every
def test_objectives_of_examples(spec: Spec, data: Any) -> None:
    objective = test_objectives.made(spec, data)
    objective_there(objective, *test_objectives.example(data, objective.width or 1))


@test_sequence_objectives.every
def test_objectives_of_sequences(spec: Spec, data: Any) -> None:
    objective, target = test_sequence_objectives.made(spec, data), test_sequence_objectives.target_of(data)
    objective_there(objective, test_sequence_objectives.output_of(objective.width or 1), target)


@test_sequence_objectives.pieces
def test_objectives_of_pieces(spec: Spec) -> None:
    data = test_sequence_objectives.TEXT
    objective, target = test_sequence_objectives.made(spec, data), test_sequence_objectives.target_of(data)
    objective_there(objective, test_sequence_objectives.lattice_of(objective.width or 1), target)


@test_rules.every
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_rules_of_optimization(spec: Spec, rate: float, others: dict[str, Any], kind: torch.dtype) -> None:
    exact = test_rules.walk(*test_rules.begin(spec, rate), test_rules.parabola, 20)
    with torch.device(GPU):
        w, descent = test_rules.begin(spec, rate, kind, decay=0.0)
        found = test_rules.walk(w, descent, test_rules.parabola, 20)
        saved = {name: tensor.clone() for name, tensor in descent.state().items()}
        again, resumed = test_rules.begin(spec, rate, kind, decay=0.0)
        with torch.no_grad():
            again.copy_(w)
        resumed.load(saved)
        on = [test_rules.walk(*one, test_rules.parabola, 9, first=20) for one in ((w, descent), (again, resumed))]
    assert found.device.type == GPU.type
    torch.testing.assert_close(found.cpu().double(), exact, rtol=2e-4 if kind == torch.float32 else 1e-9, atol=1e-5)
    assert torch.equal(*on)


@pytest.mark.parametrize("seed", range(8))
def test_automata(seed: int) -> None:
    """Sums with slopes, counts, best paths, and what is left by every operation."""
    automaton, g = random_automaton(random.Random(seed), states=5, arcs=12), torch.Generator().manual_seed(seed)
    frames, lengths = torch.randn(2, 4, 3, generator=g, dtype=torch.float64), torch.tensor([4, 2])
    found = []
    for one, rows in ((automaton, frames), (automaton.to(GPU), moved(frames))):
        leaves = [rows.clone().requires_grad_(), one.weight.clone().requires_grad_()]
        sums = path_sum(one.reweighted(leaves[1]), leaves[0], lengths)
        slopes = torch.autograd.grad(torch.where(sums > -torch.inf, sums, 0.0).sum(), leaves)
        parts = [trim(one), union(one, one), concat(one, one), closure(one, 1), compose(one, invert(one))]
        parts += [remove_epsilon(one), minimize(determinize(trim(string([0, 1]).to(one.weight))))]
        assert all(part.weight.device == rows.device for part in parts)
        scores = [score for part in parts for score in (part.weight, part.start, part.final)]
        best = [path and (path.arcs, round(path.score, 9)) for path in best_paths(one, rows, lengths)]
        more = [[path.arcs for path in paths] for paths in n_best(one, rows, 3, lengths)]
        found.append(([sums, *slopes, *posteriors(one, rows, lengths), *scores], best, more))
    assert found[1][1:] == found[0][1:]
    for ours, theirs in zip(found[0][0], found[1][0], strict=True):
        torch.testing.assert_close(theirs.cpu(), ours.cpu())


@pytest.mark.parametrize(("rule", "precision"), [(dt.adam(), "bfloat16"), (dt.muon(), "float32")], ids=str)
def test_a_system_is_repeated_and_resumed_to_the_bit(rule: Spec, precision: str) -> None:
    optimizer = {"rule": rule, "rate": dt.cosine(0.01), "average": dt.ema(0.9)}
    recipe = small(device="cuda", precision=precision, epochs=10, optimizer=optimizer)
    for verdict in prove(recipe, ["build", "repeat", "resume"]):
        assert verdict.holds, verdict


def test_a_system_learns_as_it_does_on_the_cpu(tmp_path: Path) -> None:
    found = [dt.train(small(device=d, precision="float32"), run=str(tmp_path / d[:3])) for d in ("cpu", "cuda")]
    losses = [[line["train"]["loss"] for line in run.metrics if "train" in line] for run in found]
    torch.testing.assert_close(*map(torch.tensor, losses), rtol=0.02, atol=0.02)
    images = torch.zeros(2, 1, 28, 28)
    likely = [torch.tensor([line["probability"] for line in run.predict(images)]) for run in found]
    torch.testing.assert_close(*likely, rtol=0.05, atol=0.05)
    assert found[1].test()["error"] == pytest.approx(found[1].result["test"]["error"])


@pytest.mark.parametrize("rule", [dt.gauss_newton(), dt.lbfgs(), dt.diagonal_levenberg()], ids=str)
def test_rules_that_look_again_go_down(rule: Spec, tmp_path: Path) -> None:
    network = [dt.flatten(), dt.linear(16), dt.tanh(), dt.linear("outputs")]
    rate = dt.constant(0.002 if rule.name == "diagonal_levenberg" else 1.0)
    changed = {"synthetic": [], "relevance": None, "accumulate": 1, "recalibrate": 0}
    recipe = small(device="cuda", network=network, optimizer={"rule": rule, "rate": rate}, **changed)
    losses = [line["train"]["loss"] for line in dt.train(recipe, run=str(tmp_path / "r")).metrics if "train" in line]
    assert losses[-1] < 0.7 * losses[0]
