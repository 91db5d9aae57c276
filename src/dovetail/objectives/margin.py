"""Structured margins: the right tags of a sequence must score higher than all others, the more wrong, the more."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from ..recipe import objective
from ..recipe.facts import Target
from ..recipe.spec import sees_time
from .objective import Objective
from .sequence import ConditionalRandomField


class PathMargin(ConditionalRandomField):
    def __init__(self, data: Target, margin: float, order: int, forbid: bool, words: bool) -> None:
        super().__init__(data, order, forbid, words, "path_margin")
        self.least = margin

    def loss(self, output: Any, target: Any) -> Tensor:
        """(N,): how much the best other tagging, wrong places counted in its favour, is above the right one."""
        values = output.values.detach()
        right = torch.nn.functional.one_hot(target.values, values.shape[1]).to(values)
        rival, _ = self._best(output.having(values + self.least * (1 - right)))
        wrong = rival.having((rival.values != target.values).to(values)).sums()
        lost = self.score(output, rival) - self.score(output, target) + self.least * wrong
        return lost.clamp(min=0)


@objective
@sees_time
def path_margin(
    data: Target,
    margin: Annotated[float, Field(ge=0)] = 1.0,
    order: Literal[1, 2] = 1,
    forbid: bool = False,
    lexicon: bool = False,
) -> Objective:
    """The tags of a sequence as a whole by a margin, the structured hinge.

        loss(f, y) = max over taggings z of (score(f, z) + margin * places where z is wrong) - score(f, y)

    The score, `order`, `forbid` and `lexicon` are those of `crf`. A margin of 0 is the structured perceptron. Shapes:
    output (N, T, tags), target (N, T). Raises `ValueError` for targets that are not tags. Taskar, Guestrin and Koller
    (2004), Max-margin Markov networks; Collins (2002), Discriminative training methods for hidden Markov models.

    >>> import dovetail as dt, torch
    >>> from dovetail.recipe.facts import Target
    >>> from dovetail.recipe.sequences import Sequences
    >>> three, tags = torch.tensor([3]), torch.tensor([0, 1, 1])
    >>> margin = dt.path_margin().make(Target("tags", 2, ["A", "B"]))
    >>> float(margin.loss(Sequences(torch.zeros(3, 2), three), Sequences(tags, three)).detach())
    3.0
    """
    return PathMargin(data, margin, order, forbid, lexicon)
