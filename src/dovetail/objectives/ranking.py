"""Ranking: scores that put examples in the right order, whatever their values."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from ..recipe import objective
from ..recipe.facts import Target
from ..recipe.sequences import Sequences
from ..recipe.spec import sees_time
from .classification import require, wide
from .objective import Objective, Statistics


class Ranking(Objective):
    """What is judged together is a list: the batch, or each sequence of items."""

    width = 1

    def __init__(self, data: Target, loss: str, margin: float, k: int) -> None:
        super().__init__()
        require(data, ("numbers", "class"), "ranking")
        if data.form == "numbers" and data.width != 1:
            raise ValueError(f"ranks by one number, the data have {data.width}")
        self.kind, self.least, self.k = loss, margin, k

    def loss(self, output: Any, target: Any) -> Tensor:
        """(N,): what each example, or each list, costs."""
        scores, worth, inside = _lists(output, target)
        below = _below(worth, inside)
        gap = scores[:, :, None] - scores[:, None, :]  # how far one is above another
        if self.kind == "pairwise":
            each = torch.where(below, -F.logsigmoid(gap), 0.0).sum(2)
        elif self.kind == "plackett_luce":
            after = (worth[:, None, :] <= worth[:, :, None]) & inside[:, None, :] & inside[:, :, None]
            rest = torch.where(after, scores[:, None, :], -torch.inf).logsumexp(2)
            each = torch.where(inside, rest - scores, 0.0)
        else:
            short = torch.where(below, self.least - gap, -torch.inf)
            each = self._warp(short) if self.kind == "warp" else self._top(short)
        return each.sum(1) if isinstance(output, Sequences) else each[0]

    def _warp(self, short: Tensor) -> Tensor:
        violators = short > 0
        rank = violators.sum(2)
        harmonic = torch.cat([rank.new_zeros(1).double(), (1 / torch.arange(1, short.shape[2] + 1).double()).cumsum(0)])
        weight = (harmonic.to(short.device)[rank] / rank.clamp(min=1)).to(short.dtype)
        return weight * torch.where(violators, short, 0.0).sum(2)

    def _top(self, short: Tensor) -> Tensor:
        best = short.topk(min(self.k, short.shape[2]), 2).values
        there = best > -torch.inf
        mean = torch.where(there, best, 0.0).sum(2) / there.sum(2).clamp(min=1)
        return mean.clamp(min=0)

    def count(self, target: Any) -> Tensor:
        """(N,): for `pairwise` the pairs that an example comes first in, else 1 an item."""
        values = target.values if isinstance(target, Sequences) else target
        _, worth, inside = _lists(target if isinstance(target, Sequences) else values, target)
        each = _below(worth, inside).sum(2).float() if self.kind == "pairwise" else inside.float()
        return each.sum(1) if isinstance(target, Sequences) else each[0]

    def decode(self, output: Any) -> Any:
        """The scores themselves: the higher comes first."""
        return output.having(output.values[:, 0]) if isinstance(output, Sequences) else output[:, 0]

    @torch.no_grad()
    def measure(self, output: Any, target: Any) -> Statistics:
        scores, worth, inside = _lists(output, target)
        below = _below(worth, inside)
        gap = scores[:, :, None] - scores[:, None, :]
        wrong = (below & (gap < 0)).double().sum() + 0.5 * (below & (gap == 0)).double().sum()
        return {
            "count": inside.double().sum(),
            "pairs": below.double().sum(),
            "wrong": wrong,
            "loss": self.loss(output, target).double().sum(),
            "items": self.count(target).double().sum(),
        }

    def summary(self, statistics: Statistics) -> dict[str, float]:
        """`error`, the share of pairs in the wrong order (half of those with equal scores), and the mean `loss`."""
        s = {name: float(value) for name, value in statistics.items()}
        return {"error": s["wrong"] / max(s["pairs"], 1.0), "loss": s["loss"] / max(s["items"], 1.0)}

    def describe(self, output: Any) -> list[dict[str, Any]]:
        if isinstance(output, Sequences):
            each = torch.split(output.values[:, 0], output.lengths.tolist())
            return [{"scores": scores.tolist()} for scores in each]
        return [{"score": score} for score in output[:, 0].tolist()]

    def fits(self, shape: Any) -> bool:
        return len(shape) == 2 and shape[1] == 1


def _lists(output: Any, target: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Scores, worths and which of them there are, (lists, items)."""
    if isinstance(output, Sequences):
        scores, worth = output.having(output.values.reshape(len(output.values), -1)[:, 0]), target.values
        worths = target.having(worth.reshape(len(worth), -1)[:, 0])
        places = torch.arange(output.longest, device=output.device)
        return _wide(scores.padded()), worths.padded(), places < output.lengths[:, None]
    scores, worth = output.reshape(len(output), -1)[:, 0], target.reshape(len(target), -1)[:, 0]
    return _wide(scores[None]), worth[None], torch.ones_like(worth[None], dtype=torch.bool)


def _wide(scores: Tensor) -> Tensor:
    return scores.to(wide(scores)) if scores.is_floating_point() else scores


def _below(worth: Tensor, inside: Tensor) -> Tensor:
    """(lists, i, j): whether item j is worth less than item i."""
    both = inside[:, :, None] & inside[:, None, :]
    return (worth[:, None, :] < worth[:, :, None]) & both


@objective
@sees_time
def ranking(
    data: Target,
    loss: Literal["pairwise", "warp", "top", "plackett_luce"] = "pairwise",
    margin: Annotated[float, Field(gt=0)] = 1.0,
    k: Annotated[int, Field(gt=0)] = 1,
) -> Objective:
    """Put examples in the order of a number (or of graded classes): of what is judged together, a batch or a list.

        pairwise        sum over i, j with y_i > y_j of log(1 + e^-(f_i - f_j)), divided by the pairs
        warp            sum over i of L(r_i) times the mean over violators j of margin - f_i + f_j,
                        r_i violators: y_j < y_i and f_j > f_i - margin,  L(r) = 1 + 1/2 + ... + 1/r
        top             sum over i of max(0, mean of the k largest margin - f_i + f_j, y_j < y_i)
        plackett_luce   -log of the probability of the whole order, choosing the best first:
                        sum over i of log(sum over j with y_j <= y_i of e^f_j) - f_i

    The error is the share of pairs in the wrong order. An example's loss depends on the others of its list, so batches
    make a difference. Shapes: output (N, 1), target (N, 1) or (N,), each (N, T, ...) as sequences. Raises `ValueError`
    for other targets. Burges et al. (2005), RankNet; Weston, Bengio and Usunier (2011), WSABIE, with all violators
    instead of sampled ones; Lapin, Hein and Schiele (2015), Top-k multiclass SVM; Plackett (1975).

    >>> import dovetail as dt, torch
    >>> from dovetail.recipe.facts import Target
    >>> scores, worth = torch.tensor([[2.0], [1.0], [0.5]]), torch.tensor([[3.0], [2.0], [1.0]])
    >>> round(float(dt.ranking("plackett_luce").make(Target("numbers", 1)).loss(scores, worth).sum()), 4)
    0.9384
    """
    return Ranking(data, loss, margin, k)
