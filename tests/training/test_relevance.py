"""Examples that matter are seen more often: how often, from which state, and told by whom."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import dovetail as dt
from dovetail.recipe.errors import RecipeError
from dovetail.recipe.facts import Target
from dovetail.recipe.recipe import Relevance, recipe_of
from dovetail.training import Trainer
from dovetail.training.evaluate import ALONE
from dovetail.training.machine import resolved
from dovetail.training.relevance import Relevances
from dovetail.training.run import make_source


def relevances(count: int, share: float) -> Relevances:
    return Relevances(count, Relevance(share=share), seed=1, world=ALONE)


def counted(order: torch.Tensor, count: int) -> list[int]:
    return torch.bincount(order, minlength=count).tolist()


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_at_first_every_example_is_seen_once(share: float) -> None:
    first, second = relevances(1000, share).order(0), relevances(1000, share).order(1)
    assert counted(first, 1000) == counted(second, 1000) == [1] * 1000
    assert not torch.equal(first, second)


def test_places_go_by_relevance() -> None:
    ours = relevances(8, share=0.5)
    ours.hear(torch.arange(8), torch.tensor([12.0, 4.0, 0, 0, 0, 0, 0, 0]))
    counts = torch.zeros(8)
    for _ in range(200):
        ours.heard.zero_()  # nothing new is heard
        counts += torch.bincount(ours.order(ours.epoch + 1), minlength=8)
        if ours.epoch == 1:
            ours.relevance = torch.tensor([12.0, 4.0, 0, 0, 0, 0, 0, 0], dtype=torch.float64)
    expected = [0.5 + 8 * 0.5 * 0.75, 0.5 + 8 * 0.5 * 0.25, *[0.5] * 6]
    assert (counts / 200).tolist() == pytest.approx(expected, abs=0.1)


def test_what_was_heard_in_an_epoch_decides_the_next() -> None:
    ours = relevances(4, share=1.0)
    ours.hear(torch.tensor([0, 1]), torch.tensor([2.0, 0.0]))
    ours.hear(torch.tensor([0, 2, 3]), torch.tensor([4.0, 0.0, torch.nan]))
    drawn = ours.order(1)
    assert ours.relevance.tolist() == [3.0, 0.0, 0.0, 1.0]  # the mean; what is no number is not heard
    assert counted(drawn, 4) == [3, 0, 0, 1]


def test_its_state_goes_on_where_it_was() -> None:
    one, other = relevances(50, 0.7), relevances(50, 0.7)
    one.hear(torch.arange(50), torch.rand(50))
    one.order(1)
    one.hear(torch.arange(20), torch.rand(20))
    other.load(one.tensors())
    assert torch.equal(one.order(2), other.order(2))


def test_margins_are_of_the_right_class_against_the_best_other() -> None:
    three, two = Target("class", 3), Target("class", 2)
    scores = torch.tensor([[1.0, 4.0, 2.0], [5.0, 1.0, 1.0]])
    target = torch.tensor([0, 0])
    assert dt.softmax().make(three).margin(scores, target).tolist() == [-3.0, 4.0]
    assert dt.nearest().make(three).margin(scores, target).tolist() == [1.0, -4.0]
    assert dt.logistic().make(two).margin(torch.tensor([[2.0], [2.0]]), torch.tensor([1, 0])).tolist() == [2.0, -2.0]


def test_hard_examples_are_seen_more_often_in_a_run() -> None:
    """Half the labels of one class are wrong: their examples come up more often than the others."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(400, 2, generator=g)
    y = (x[:, 0] > 0).long()
    y[:40] = 1 - y[:40]
    seen = torch.zeros(400)

    described = recipe_of(
        {
            "network": [dt.linear("outputs")],
            "objective": dt.softmax(),
            "data": dt.arrays(x=x.numpy(), y=y.numpy(), test=0),
            "optimizer": {"rate": 0.1},
            "epochs": 10,
            "batch": 40,
            "relevance": {"by": "loss", "share": 0.5},
        }
    )
    trainer = Trainer(resolved(described), make_source(described.data, Path()), Path("nothing"))
    trainer.system.train()
    while trainer.t < trainer.span.total:
        if trainer.t >= trainer.span.epoch:
            seen[trainer.feed.batches.indices(trainer.t)] += 1
        trainer.step()
    assert float(seen[:40].mean()) > 1.7 * float(seen[40:].mean())
    assert float(seen[40:].mean()) > 3  # half of the places are for all alike


def test_only_objectives_with_margins_have_margins() -> None:
    with pytest.raises(RecipeError, match="the objective 'squares' has no margin; take by: loss"):
        dt.train("linear-regression", "relevance.by=margin", run="no")
