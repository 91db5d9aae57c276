"""Sums and best paths against every path one by one, in PyTorch's operations and in the kernels."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest
import torch
from automata.enumeration import log_total, paths, random_automaton
from torch import Tensor

from dovetail.automata import (
    EPSILON,
    Automaton,
    beside,
    best_paths,
    best_score,
    dot,
    n_best,
    path_count,
    path_sum,
    sample,
)
from dovetail.recipe.errors import UsageError

SIZES = [4, 0, 2]  # frames of the three examples of a batch
FORMS = [("torch", torch.float64), ("torch", torch.float32), ("c", torch.float32)]
Form = tuple[str, torch.dtype]


@pytest.fixture(params=FORMS, ids=lambda form: f"{form[0]}-{str(form[1])[6:]}")
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> torch.dtype:
    monkeypatch.setenv("DOVETAIL_KERNELS", request.param[0])
    return request.param[1]  # type: ignore[no-any-return]


def batch(seed: int) -> tuple[list[Automaton], Tensor, Tensor]:
    """Three automata, three examples with something beyond their ends, and their lengths."""
    draw = random.Random(seed)
    torch.manual_seed(seed)
    frames = torch.randn(3, 4, 3, dtype=torch.float64) * draw.choice([0.1, 1.0, 5.0])
    for n, size in enumerate(SIZES):
        frames[n, size:] = math.nan
    return [random_automaton(draw) for _ in SIZES], frames, torch.tensor(SIZES)


def near(ours: Tensor, right: Tensor, dtype: torch.dtype) -> None:
    tolerance = 1e-10 if dtype == torch.float64 else 3e-5
    torch.testing.assert_close(ours.double(), right, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("seed", range(50))
def test_the_sum_is_that_of_all_paths(seed: int, form: torch.dtype) -> None:
    automata, frames, lengths = batch(seed)
    expected = [[log_total(one, frames[n, :size]) for n, size in enumerate(SIZES)] for one in automata]
    for one, sums in zip(automata, expected, strict=True):
        near(path_sum(one.to(form), frames.to(form), lengths), torch.stack(sums), form)
    alone = torch.stack([expected[n][n] for n in range(3)])
    near(path_sum(beside(automata).to(form), frames.to(form), lengths), alone, form)


@pytest.mark.parametrize("seed", range(50))
def test_the_best_paths_are_the_first_of_all(seed: int, form: torch.dtype) -> None:
    automata, frames, lengths = batch(seed)
    for automaton in (automata[0], beside(automata)):
        of = automata if automaton.structure.count == 3 else [automata[0]] * 3
        listed = [
            sorted((score for score, _ in paths(one, frames[n, :size])), reverse=True)
            for n, (one, size) in enumerate(zip(of, SIZES, strict=True))
        ]
        given = automaton.to(form), frames.to(form)
        found = best_paths(*given, lengths)
        assert [path is None for path in found] == [not scores for scores in listed]
        best = torch.tensor([scores[0] if scores else -math.inf for scores in listed], dtype=torch.float64)
        near(best_score(*given, lengths), best, form)
        for n, path in enumerate(found):
            if path is not None:
                assert path.score == pytest.approx(listed[n][0], abs=1e-4)
                assert len(path.labels) == SIZES[n]
        for n, several in enumerate(n_best(*given, 5, lengths)):
            assert [path.score for path in several] == pytest.approx(listed[n][:5], abs=1e-4)
            assert len({(path.score, *path.arcs) for path in several}) == len(several)


@pytest.mark.parametrize("seed", range(40))
def test_counts_are_those_of_all_paths(seed: int) -> None:
    automaton = random_automaton(random.Random(seed))
    lengths = torch.tensor([3, 0, 2, 3])
    expected = [sum(1 for _ in paths(automaton, torch.zeros(length, 3))) for length in lengths.tolist()]
    assert path_count(automaton, lengths).tolist() == expected


def gradients(automaton: Automaton, frames: Tensor, lengths: Tensor, kind: str = "sum") -> list[Tensor]:
    """Of the sums, weighted 1, 2, 3, to frames and to all weights."""
    leaves = [
        tensor.detach().clone().requires_grad_()
        for tensor in (frames, automaton.weight, automaton.start, automaton.final)
    ]
    sums = (path_sum if kind == "sum" else best_score)(Automaton(automaton.structure, *leaves[1:]), leaves[0], lengths)
    weighted = torch.arange(1, len(sums) + 1, dtype=sums.dtype) * torch.where(sums > -math.inf, sums, 0.0)
    weighted = weighted + 0.0 * leaves[2].nan_to_num(neginf=0.0).sum()  # where no path has a gradient
    found = torch.autograd.grad(weighted.sum(), leaves, allow_unused=True)
    return [
        torch.zeros_like(leaf) if gradient is None else gradient for leaf, gradient in zip(leaves, found, strict=True)
    ]


@pytest.mark.parametrize("seed", range(40))
def test_gradients_are_the_posteriors_of_arcs_and_labels(seed: int, form: torch.dtype) -> None:
    automata, frames, lengths = batch(seed)
    automaton = automata[0]
    arcs, read = torch.zeros(automaton.arcs, dtype=torch.float64), torch.zeros(3, 4, 3, dtype=torch.float64)
    for n, size in enumerate(SIZES):
        total = log_total(automaton, frames[n, :size])
        for score, path in paths(automaton, frames[n, :size]):
            share, t = (n + 1) * math.exp(score - total), 0
            for arc in path:
                arcs[arc] += share
                label = int(automaton.structure.input[arc])
                if label != EPSILON:
                    read[n, t, label] += share
                    t += 1
    of_frames, of_arcs, of_start, of_final = gradients(automaton.to(form), frames.to(form), lengths)
    near(of_frames, read, form)
    near(of_arcs, arcs, form)
    given = sum(n + 1.0 for n, size in enumerate(SIZES) if any(True for _ in paths(automaton, frames[n, :size])))
    assert float(of_start.sum()) == pytest.approx(given, abs=1e-4)
    assert float(of_final.sum()) == pytest.approx(given, abs=1e-4)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("weights", ["arcs", "examples", "frames", "beside"])
def test_gradients_are_those_of_finite_differences(seed: int, weights: str) -> None:
    automata, frames, lengths = batch(seed)
    frames = frames.nan_to_num(nan=0.3)
    automaton = beside(automata) if weights == "beside" else automata[0]
    shape = {"examples": (3,), "frames": (3, 4)}.get(weights, ())
    weight = (automaton.weight + 0.1 * torch.randn(*shape, automaton.arcs, dtype=torch.float64)).requires_grad_()
    starts = [torch.where(ends > -math.inf, ends, -3.0).requires_grad_() for ends in (automaton.start, automaton.final)]

    def sums(frames: Tensor, weight: Tensor, start: Tensor, final: Tensor) -> Tensor:
        found = path_sum(Automaton(automaton.structure, weight, start, final), frames, lengths)
        return torch.where(found > -math.inf, found, 0.0)

    assert torch.autograd.gradcheck(sums, (frames.requires_grad_(), weight, *starts))


@pytest.mark.parametrize("seed", range(30))
def test_the_best_score_has_the_gradient_of_its_path(seed: int, form: torch.dtype) -> None:
    automata, frames, lengths = batch(seed)
    automaton = automata[0].to(form)
    of_frames, of_arcs, _, _ = gradients(automaton, frames.to(form), lengths, "best")
    expected: Counter[int] = Counter()
    for n, path in enumerate(best_paths(automaton, frames.to(form), lengths)):
        assert float(of_frames[n].nan_to_num().sum()) == (n + 1) * len(path.labels if path else [])
        expected.update({arc: (n + 1) * times for arc, times in Counter(path.arcs if path else []).items()})
    assert of_arcs.tolist() == [expected[arc] for arc in range(automaton.arcs)]


def hard(dtype: torch.dtype) -> tuple[Automaton, Tensor]:
    """A ring of 70 states that 21 examples run around, with emissions far apart."""
    draw = random.Random(3)
    arcs = [(i, (i + step) % 70, draw.randrange(6), draw.gauss(0, 1)) for i in range(70) for step in (0, 1, 1, 5)]
    torch.manual_seed(3)
    frames = (
        torch.randn(21, 50, 6, dtype=torch.float64) * torch.logspace(-1, 2.5, 21, dtype=torch.float64)[:, None, None]
    )
    return Automaton.of(70, arcs, 0, range(70)).to(dtype), frames.to(dtype)


def test_far_apart_emissions_and_many_lanes_are_no_obstacle(form: torch.dtype) -> None:
    lengths = torch.tensor([50 - n for n in range(21)])
    exact, frames = hard(torch.float64)
    expected = path_sum(exact, frames, lengths), gradients(exact, frames, lengths)
    automaton, given = hard(form)
    sums, slopes = path_sum(automaton, given, lengths), gradients(automaton, given, lengths)
    torch.testing.assert_close(sums.double(), expected[0], rtol=1e-5, atol=1e-4)
    for ours, right in zip(slopes, expected[1], strict=True):
        torch.testing.assert_close(ours.double(), right, rtol=1e-3, atol=2e-3)
    read = sum((n + 1) * (50 - n) for n in range(21))
    assert float(slopes[0].sum()) == pytest.approx(read, rel=1e-4)


def test_a_constant_on_a_frame_adds_to_the_sum_and_states_may_be_renumbered(form: torch.dtype) -> None:
    automaton, frames = hard(form)
    frames = frames[:5]
    sums = path_sum(automaton, frames)
    shifted = frames.clone()
    shifted[:, 7] += 2.0
    torch.testing.assert_close(path_sum(automaton, shifted), sums + 2.0)
    torch.testing.assert_close(torch.cat([path_sum(automaton, one[None]) for one in frames]), sums)
    order = torch.randperm(70)
    place = order.argsort().numpy()
    structure = automaton.structure
    moved = type(structure).of(70, place[structure.source], place[structure.target], structure.input)
    again = Automaton(moved, automaton.weight, automaton.start[order], automaton.final[order])
    torch.testing.assert_close(path_sum(again, frames), sums)


def test_a_gradient_without_memory_of_its_own(form: torch.dtype) -> None:
    automaton, frames = hard(form)
    weight = automaton.weight.clone().requires_grad_()
    path_sum(automaton.reweighted(weight), frames).sum().backward()
    assert weight.grad is not None
    assert float(weight.grad.sum()) == pytest.approx(21 * 50, rel=1e-4)


def test_no_states_no_arcs_no_frames_and_no_examples(form: torch.dtype) -> None:
    empty = Automaton.of(1, []).to(form)
    frames = torch.zeros(2, 3, 1, dtype=form)
    assert path_sum(empty, frames).tolist() == [-math.inf] * 2
    assert best_paths(empty, frames) == [None, None]
    stays = Automaton.of(1, [], final=0).to(form)
    assert path_sum(stays, frames, torch.tensor([0, 1])).tolist() == [0.0, -math.inf]
    assert path_sum(stays, frames[:, :0]).tolist() == [0.0, 0.0]
    assert path_sum(stays, frames[:0]).tolist() == []
    assert best_score(stays, frames[:0]).tolist() == []


def test_what_is_not_a_number_stays_one_and_only_in_its_own_example(form: torch.dtype) -> None:
    automaton, frames = hard(form)
    frames = frames[:6].clone()
    frames[2, 7, 3] = math.nan
    frames[4, 40, 0] = math.nan
    lengths = torch.tensor([50, 50, 50, 50, 40, 50])  # beyond the end of the fifth it does not count
    frames.requires_grad_()
    sums = path_sum(automaton, frames, lengths)
    assert sums.isnan().tolist() == [False, False, True, False, False, False]
    (slope,) = torch.autograd.grad(sums[sums.isfinite()].sum(), frames)
    assert bool(slope.isfinite().all())
    wrong = automaton.reweighted(automaton.weight.clone().index_fill_(0, torch.tensor([3]), math.nan))
    assert bool(path_sum(wrong, frames[:1]).isnan().all())


WRONG = [
    (lambda: Automaton.of(2, [(0, 2, 1)]), "arc 0: its target is 2, and there are 2 states"),
    (lambda: Automaton.of(2, [(0, 1, -2)]), "arc 0: its input label is -2, below -1"),
    (lambda: Automaton.of(2, [], start=2), "start: there is no state 2 among 2"),
    (lambda: path_sum(Automaton.of(1, [(0, 0, 4)]), torch.zeros(1, 1, 3)), "reads label 4, and frames have 3 columns"),
    (lambda: path_sum(Automaton.of(1, []), torch.zeros(1, 3)), "frames have the shape"),
    (lambda: path_sum(beside([Automaton.of(1, [])] * 2), torch.zeros(3, 1, 1)), "2 automata cannot read 3 examples"),
    (lambda: path_sum(Automaton.of(1, []), torch.zeros(1, 1, 1), torch.tensor([2])), "whole numbers from 0 to 1"),
    (lambda: path_sum(Automaton.of(1, []), torch.zeros(1, 1, 1), torch.tensor([0.5])), "whole numbers from 0 to 1"),
    (
        lambda: path_sum(Automaton.of(4, [(0, 1, -1), (1, 2, -1), (2, 1, -1), (2, 3, 0)]), torch.zeros(1, 1, 1)),
        "arcs without input form a cycle: 1 -> 2 -> 1",
    ),
    (lambda: Automaton.of(1, [(0, 0, 0)]).reweighted(torch.zeros(2)), "cannot have weight of shape"),
    (lambda: path_sum(Automaton.of(1, []), [[0.0]]), "frames are a tensor .*, not a list"),  # type: ignore[arg-type]
    (lambda: n_best(Automaton.of(1, []), torch.zeros(1, 1, 1), -1), "k is how many paths, not -1"),
    (lambda: sample(Automaton.of(1, []), torch.zeros(1, 1, 1), 0), "count is how many paths to draw, not 0"),
    (lambda: path_count(Automaton.of(1, []), torch.tensor([2, -1])), r"whole numbers \(N,\) from 0, not \[2, -1\]"),
    (lambda: dot(Automaton.of(1, [(0, 0, 0)]), path=[1]), "the path has arc 1, the automaton 1 arcs"),
    (lambda: dot(Automaton.of(1, [(0, 0, 0)]), shares=torch.zeros(2)), r"shares are \(1,\), one an arc, not \(2,\)"),
]


@pytest.mark.parametrize(("work", "message"), WRONG, ids=[message[:30] for _, message in WRONG])
def test_what_cannot_be_is_said(work: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        work()  # type: ignore[operator]
