"""Nearest code: the network answers with distances, and the smallest one decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ..recipe import objective
from ..recipe.facts import Target
from .classification import Classifier, Weights, mean_in_log, wide
from .objective import Objective


class Nearest(Classifier):
    def __init__(self, data: Target, j: float, weights: Weights) -> None:
        super().__init__(data, ("class",), weights)
        self.width, self.j = data.width, j

    def scores(self, output: Tensor) -> Tensor:
        """Minus the distances, and minus j, that of everything which is no class."""
        output = output.to(wide(output))
        return torch.cat([-output, output.new_full((len(output), 1), -self.j)], 1)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        scores = self.scores(output)
        own = output.to(scores.dtype).gather(1, target[:, None])[:, 0]
        return self.weighted(own + scores.logsumexp(1), target)

    def probabilities(self, output: Tensor) -> Tensor:
        return self.scores(output).softmax(1)[:, :-1]

    def margin(self, output: Tensor, target: Tensor) -> Tensor:
        return super().margin(-output, target)

    def pool(self, outputs: Sequence[Tensor]) -> Tensor:
        """The distances whose posterior probabilities are the mean ones."""
        mean = mean_in_log([self.scores(output).log_softmax(1) for output in outputs])
        return self.j + mean[:, -1:] - mean[:, :-1]

    def decode(self, output: Tensor) -> Tensor:
        return output.argmin(1)


@objective
def nearest(data: Target, j: Annotated[float, Field(gt=0)] = 0.1, weights: Weights = None) -> Objective:
    """The class whose code is nearest; the network's outputs are distances, as the layer `rbf` gives.

        loss(y, c) = y[c] + log(e^-j + sum over i of e^-y[i])

    which pulls the right code near and pushes the others away, those alone that are about as near as j, the distance of
    everything that is no class. It is minus the log of the class's posterior probability (MAP). Shapes: output
    (N, classes), target (N,). Raises `ValueError` for targets that are not classes. LeCun et al. (1998),
    Gradient-based learning applied to document recognition, equation 9.

    >>> import dovetail as dt, torch
    >>> from dovetail.recipe.facts import Target
    >>> dt.nearest(j=0.1).make(Target("class", 3)).loss(torch.tensor([[0.14, 6.94, 6.14]]), torch.tensor([0]))
    tensor([0.7151])
    """
    return Nearest(data, j, weights)
