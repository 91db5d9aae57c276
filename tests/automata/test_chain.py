"""Linear chains against the automaton that they are, worked numbers, and labellings one by one."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from automata.test_paths import form as form
from torch import Tensor

from dovetail.automata import Chain, path_sum
from dovetail.recipe.errors import UsageError


def chains(labels: int, dtype: torch.dtype, forbidden: float = 0.0, scale: float = 1.0) -> tuple[Chain, Tensor, Tensor]:
    torch.manual_seed(labels)
    transitions = torch.randn(labels, labels, dtype=torch.float64)
    transitions[torch.rand(labels, labels) < forbidden] = -math.inf
    ends = torch.randn(2, labels, dtype=torch.float64)
    frames = scale * torch.randn(7, 12, labels, dtype=torch.float64)
    lengths = torch.tensor([12, 1, 5, 12, 3, 2, 7])
    for n, length in enumerate(lengths):
        frames[n, length:] = math.nan
    return Chain(*(part.to(dtype) for part in (transitions, *ends))), frames.to(dtype), lengths


def with_slopes(chain: Chain, frames: Tensor, lengths: Tensor, as_automaton: bool) -> list[Tensor]:
    leaves = [one.clone().requires_grad_() for one in (frames, chain.transitions, chain.start, chain.final)]
    own = Chain(*leaves[1:])
    sums = path_sum(own.automaton(), leaves[0], lengths) if as_automaton else own.sum(leaves[0], lengths)
    weighted = torch.arange(1, len(sums) + 1, dtype=sums.dtype) * torch.where(sums > -math.inf, sums, 0.0)
    return [sums.detach(), *torch.autograd.grad(weighted.sum(), leaves)]


@pytest.mark.parametrize("labels", [1, 2, 3, 8, 23, 40])
@pytest.mark.parametrize(("forbidden", "scale"), [(0, 1), (0, 20), (0.3, 1), (0.3, 50), (0.7, 5), (0, 300), (0.5, 300)])
def test_a_chain_is_its_automaton(labels: int, forbidden: float, scale: float, form: torch.dtype) -> None:
    exact = with_slopes(*chains(labels, torch.float64, forbidden, scale), as_automaton=True)
    ours = with_slopes(*chains(labels, form, forbidden, scale), as_automaton=False)
    loose = form == torch.float32
    for one, right in zip(ours, exact, strict=True):
        torch.testing.assert_close(
            one.double(), right, rtol=1e-3 if loose else 1e-9, atol=(2e-3 if scale > 20 else 2e-4) if loose else 1e-9
        )


def test_the_worked_example(form: torch.dtype) -> None:
    transitions = torch.tensor([[0.5, -0.5], [0.0, 1.0]], dtype=form)
    frames = torch.tensor([[[1.0, 0.5], [0.2, 0.8], [0.3, 0.1]]], dtype=form, requires_grad=True)
    chain = Chain(transitions, torch.zeros(2, dtype=form), torch.zeros(2, dtype=form))
    total = chain.sum(frames)
    assert float(total.detach()) == pytest.approx(4.3955274052)
    assert float(chain.score(frames, torch.tensor([[0, 1, 1]])).detach()) == pytest.approx(2.4)
    path, score = chain.best(frames)
    assert path.tolist() == [[1, 1, 1]]
    assert float(score) == pytest.approx(3.4)
    (marginals,) = torch.autograd.grad(total, frames)
    expected = [[0.3925148071, 0.6074851929], [0.2674070498, 0.7325929502], [0.4326314546, 0.5673685454]]
    torch.testing.assert_close(marginals[0], torch.tensor(expected, dtype=form), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("forbidden", [0.0, 0.3])
def test_sum_score_and_best_are_those_of_all_labellings(forbidden: float, form: torch.dtype) -> None:
    chain, frames, lengths = chains(3, form, forbidden)
    sums, (path, best) = chain.sum(frames, lengths), chain.best(frames, lengths)
    for n, length in enumerate(lengths.tolist()):
        if length > 5:
            continue
        labellings = torch.tensor(list(itertools.product(range(3), repeat=length)))
        padded = torch.nn.functional.pad(labellings, (0, 12 - length), value=2)
        many = frames[n].expand(len(padded), -1, -1)
        scores = chain.score(many, padded, lengths[n].expand(len(padded)))
        torch.testing.assert_close(torch.logsumexp(scores, 0), sums[n], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(scores.max(), best[n], atol=1e-4, rtol=1e-4)
        assert path[n, :length].tolist() == labellings[scores.argmax()].tolist()
        assert not path[n, length:].any()


def test_gradients_are_those_of_finite_differences() -> None:
    chain, frames, lengths = chains(3, torch.float64)
    leaves = [one.requires_grad_() for one in (frames.nan_to_num(), chain.transitions, chain.start, chain.final)]
    assert torch.autograd.gradcheck(lambda x, *scores: Chain(*scores).sum(x, lengths), leaves)


def test_what_is_impossible_is_minus_infinity_and_has_no_gradient(form: torch.dtype) -> None:
    frames = torch.zeros(2, 3, 2, dtype=form, requires_grad=True)
    never = torch.full((2, 2), -math.inf, dtype=form)
    sums = Chain(never, torch.zeros(2, dtype=form), torch.zeros(2, dtype=form)).sum(frames, torch.tensor([3, 1]))
    assert sums.tolist() == [-math.inf, pytest.approx(math.log(2))]
    (slope,) = torch.autograd.grad(sums[1], frames)
    assert bool(slope.isfinite().all())
    with pytest.raises(UsageError, match="2 whole numbers from 1 to 3, not"):
        Chain(never, never[0], never[0]).sum(frames, torch.tensor([0, 1]))


def test_shapes_that_do_not_go_together_are_refused_before_any_kernel_sees_them(form: torch.dtype) -> None:
    zeros = torch.zeros(3, 3, dtype=form)
    for shapes in ((zeros, zeros[0, :2], zeros[0]), (zeros[:, :2], zeros[0], zeros[0]), (zeros, zeros[0], zeros)):
        with pytest.raises(UsageError, match=r"a chain takes \(labels, labels\), \(labels,\) and \(labels,\), not"):
            Chain(*shapes)
    chain = Chain(zeros, zeros[0], zeros[0])
    for columns in (2, 5):
        frames = torch.zeros(2, 4, columns, dtype=form)
        for work in (chain.sum, chain.best):
            with pytest.raises(UsageError, match=r"frames are \(examples, frames, 3 labels\), not"):
                work(frames)
    with pytest.raises(UsageError, match="do not go with frames"):
        chain.score(torch.zeros(2, 4, 3, dtype=form), torch.zeros(2, 3, dtype=torch.int64))


def test_what_is_not_a_number_stays_one(form: torch.dtype) -> None:
    chain, frames, lengths = chains(3, form)
    frames = frames.clone()
    frames[3, 2, 1] = math.nan
    frames.requires_grad_()
    sums = chain.sum(frames, lengths)
    assert sums.isnan().tolist() == [n == 3 for n in range(7)]
    (slope,) = torch.autograd.grad(sums[sums.isfinite()].sum(), frames)
    assert bool(slope[:3].isfinite().all())
    assert bool(Chain(chain.transitions, chain.start * math.nan, chain.final).sum(frames, lengths).isnan().all())


def test_scores_of_another_type_are_not_read_as_single_precision() -> None:
    chain, frames, lengths = chains(3, torch.float32)
    mixed = Chain(chain.transitions, chain.start.double(), chain.final)
    torch.testing.assert_close(mixed.sum(frames, lengths).float(), chain.sum(frames, lengths))
