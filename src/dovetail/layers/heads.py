"""Several heads on one body: the main answer, and auxiliary ones that only training listens to."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from pydantic import Field
from torch import Tensor, nn

from ..recipe import layer
from ..recipe.build import build_and_push, told_of
from ..recipe.spec import Layers, sees_time


class Heads(NamedTuple):
    """A network's main output, and side outputs with the weights of their losses."""

    main: Any  # a tensor, or sequences
    sides: tuple[tuple[Any, float], ...]


def main_of(output: Any) -> Any:
    """The answer itself, whether or not there are side heads beside it."""
    return output.main if isinstance(output, Heads) else output


class Forked(nn.Module):
    """A side head and the rest of the network, on one input; in evaluation the side head rests."""

    def __init__(self, side: nn.Module, main: nn.Module, weight: float) -> None:
        super().__init__()
        self.side, self.main, self.weight = side, main, weight

    def forward(self, x: Any) -> Any:
        if not self.training:
            return self.main(x)
        side, output = self.side(x), self.main(x)
        further = output.sides if isinstance(output, Heads) else ()
        return Heads(main_of(output), ((side, self.weight), *further))


@layer
@sees_time
def heads(x: Tensor, main: Layers, side: Layers, weight: Annotated[float, Field(ge=0)] = 0.3) -> nn.Module:
    """Put an auxiliary head beside the rest of the network: loss = loss(main) + weight * loss(side).

    Both chains take the input and end as the objective wants it; `main` may hold further heads. It must be the
    network's last layer. In evaluation the side is not computed. Szegedy et al. (2015), Going deeper with convolutions,
    section 5.

    >>> import dovetail as dt, torch
    >>> network = dt.build([dt.heads(main=[dt.linear(9), dt.linear(2)], side=[dt.linear(2)])], torch.zeros(1, 4))
    >>> network(torch.zeros(5, 4)).sides[0][0].shape, network.eval()(torch.zeros(5, 4)).shape
    (torch.Size([5, 2]), torch.Size([5, 2]))
    """
    beside = build_and_push(side, x, ".heads.side")[0]
    return told_of(Forked(beside, build_and_push(main, x, ".heads.main")[0], weight), x)
