"""CTC's own form against its automata and PyTorch's."""

from __future__ import annotations

import math

import pytest
import torch
from automata.test_paths import form as form
from torch.nn import functional

from dovetail.automata import beside, ctc_sum, path_sum
from dovetail.automata.builders import ctc
from dovetail.recipe.errors import UsageError

TARGETS = [[1, 1, 2], [], [3, 2, 1, 2], [2, 2, 2], [1], [3, 3]]
LENGTHS = torch.tensor([9, 4, 7, 5, 1, 2])


def slopes(sums: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
    weighted = torch.arange(1, len(sums) + 1, dtype=sums.dtype) * torch.where(sums > -math.inf, sums, 0.0)
    return torch.autograd.grad(weighted.sum(), frames)[0]


@pytest.mark.parametrize("scale", [1.0, 30.0, 300.0])
@pytest.mark.parametrize("blank", [0, 4])
def test_it_is_the_sum_of_its_automata(scale: float, blank: int, form: torch.dtype) -> None:
    torch.manual_seed(0)
    frames = scale * torch.randn(6, 9, 5, dtype=torch.float64)
    for n, length in enumerate(LENGTHS):
        frames[n, length:] = math.nan
    frames.requires_grad_()
    given = frames.detach().to(form).requires_grad_()
    exact = path_sum(beside([ctc(t, blank) for t in TARGETS]).to(torch.float64), frames, LENGTHS)
    ours = ctc_sum(given, TARGETS, LENGTHS, blank)
    tolerance = 1e-10 if form == torch.float64 else 1e-5
    torch.testing.assert_close(ours.double(), exact, rtol=tolerance, atol=10 * tolerance)
    assert float(ours[-1].detach()) == -math.inf  # two labels alike in two frames
    torch.testing.assert_close(
        slopes(ours, given).double(), slopes(exact, frames), rtol=1e-3, atol=10 * tolerance * max(scale, 1)
    )


def test_it_is_pytorchs_where_frames_are_probabilities(form: torch.dtype) -> None:
    torch.manual_seed(0)
    inputs = torch.randn(6, 9, 4, dtype=form, requires_grad=True)
    frames = inputs.log_softmax(-1)
    targets, lengths = TARGETS[:5], LENGTHS[:5]
    flat, sizes = torch.tensor(sum(targets, [])), torch.tensor([len(target) for target in targets])  # noqa: RUF017
    theirs = functional.ctc_loss(frames[:5].transpose(0, 1), flat, lengths, sizes, reduction="none")
    ours = -ctc_sum(frames[:5], targets, lengths)
    torch.testing.assert_close(ours, theirs)
    both = [torch.autograd.grad(loss.sum(), inputs, retain_graph=True)[0] for loss in (ours, theirs)]
    torch.testing.assert_close(*both, atol=1e-5, rtol=1e-4)


def test_a_long_string_that_the_network_is_sure_against_is_not_lost(form: torch.dtype) -> None:
    frames = torch.full((1, 120, 3), -40.0, dtype=torch.float64)
    frames[:, :, 0] = 0.0
    frames.requires_grad_()
    given = frames.detach().to(form).requires_grad_()
    target = [[1, 2] * 25]
    exact = path_sum(ctc(target[0], 0).to(torch.float64), frames)
    ours = ctc_sum(given, target)
    torch.testing.assert_close(ours.double(), exact, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(slopes(ours, given).double(), slopes(exact, frames), rtol=1e-3, atol=1e-3)


def test_wrong_targets_are_told() -> None:
    frames = torch.zeros(1, 3, 2)
    with pytest.raises(UsageError, match="target 0 has label 0: expected 0 to 1 but 0, the blank"):
        ctc_sum(frames, [[0]])
    with pytest.raises(UsageError, match="2 targets do not go with 1 examples"):
        ctc_sum(frames, [[1], [1]])
    assert ctc_sum(frames[:0], []).tolist() == []


def test_lengths_beyond_the_frames_are_refused_and_what_is_not_a_number_stays_one(form: torch.dtype) -> None:
    frames = torch.zeros(2, 3, 2, dtype=form)
    for lengths in ([3, 4], [3], [-1, 3]):
        with pytest.raises(UsageError, match="lengths are 2 whole numbers from 0 to 3, not"):
            ctc_sum(frames, [[1], [1]], torch.tensor(lengths))
    frames[1, 0, 0] = math.nan
    assert ctc_sum(frames, [[1], [1]]).isnan().tolist() == [False, True]
    assert not ctc_sum(frames.flip(1), [[1], [1]], torch.tensor([3, 2])).isnan().any()
