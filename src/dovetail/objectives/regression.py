"""Regression: real numbers, one or several components an example."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from ..recipe import objective
from ..recipe.facts import Target
from .classification import require, wide
from .objective import Objective, Statistics, alike


class Regression(Objective):
    """What objectives over numbers share: the unit of the output, RMSE, mean absolute error and R^2.

    With `standardize` the network answers in standard deviations of the training targets around their mean, which
    suits unit-scale initial weights; losses are then in that unit, decisions and measures always in the data's.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, data: Target, standardize: bool, name: str) -> None:
        super().__init__()
        require(data, ("numbers",), name)
        self.width, self.names = data.width, data.names
        if standardize and not data.mean:
            raise ValueError("standardize needs data that tell the mean and deviation of their targets")
        scaled = standardize
        mean = torch.tensor(data.mean if scaled else [0.0] * data.width, dtype=torch.float64)
        deviation = torch.tensor(data.deviation if scaled else [1.0] * data.width, dtype=torch.float64)
        self.register_buffer("mean", mean.float(), persistent=False)
        self.register_buffer("deviation", deviation.float(), persistent=False)
        self.scaled = scaled
        self.center = data.mean or [0.0] * data.width  # R^2 sums around it, so that float64 sums keep their digits

    def difference(self, output: Tensor, target: Tensor) -> Tensor:
        """(N, components): output minus target, in the unit of the output."""
        alike(output, target)
        output = output.to(wide(output))
        if self.scaled:
            target = (target - self.mean) / self.deviation
        return output - target

    def decode(self, output: Tensor) -> Tensor:
        """(N, components) in the unit of the data."""
        output = output.to(wide(output))
        return output * self.deviation + self.mean if self.scaled else output

    def measure(self, output: Tensor, target: Tensor) -> Statistics:
        residual = (self.decode(output) - target).double()
        offset = target.double() - torch.tensor(self.center, dtype=torch.float64, device=target.device)
        return {
            "count": torch.tensor(len(target), dtype=torch.float64),
            "loss": self.loss(output, target).double().sum(),
            "squares": residual.square().sum(0),
            "absolute": residual.abs().sum(0),
            "sum": offset.sum(0),
            "sum_squares": offset.square().sum(0),
        }

    def summary(self, statistics: Statistics) -> dict[str, float]:
        """`rmse`, mean absolute error `mae`, `r2` (each over all components) and the mean `loss` an example."""
        count = max(float(statistics["count"]), 1.0)
        assert self.width is not None
        squares = float(statistics["squares"].sum())
        total = float((statistics["sum_squares"] - statistics["sum"] ** 2 / count).sum())
        return {
            "rmse": (squares / (count * self.width)) ** 0.5,
            "mae": float(statistics["absolute"].sum()) / (count * self.width),
            "r2": 1.0 - squares / total if total > 0 else float("nan"),
            "loss": float(statistics["loss"]) / count,
        }

    def describe(self, output: Tensor) -> list[dict[str, Any]]:
        rows = self.decode(output).tolist()
        if self.width == 1:
            return [{"value": row[0]} for row in rows]
        return [{"value": dict(zip(self.names, row, strict=True)) if self.names else row} for row in rows]


class Squares(Regression):
    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return self.difference(output, target).square().sum(1) / 2


@objective
def squares(data: Target, standardize: bool = False) -> Objective:
    """Least mean squares: half the squared distance, summed over the components.

        loss(f, y) = 1/2 sum over i of (y[i] - f[i])^2

    Shapes: output and target (N, components). `standardize` lets the network answer in standard deviations around the
    mean of the training targets; the loss is then in that unit. Raises `ValueError` for targets that are not numbers.

    >>> import dovetail as dt, torch
    >>> from dovetail.recipe.facts import Target
    >>> dt.squares().make(Target("numbers", 2)).loss(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 0.0]]))
    tensor([2.5000])
    """
    return Squares(data, standardize, "squares")


class Absolute(Regression):
    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return self.difference(output, target).abs().sum(1)


@objective
def absolute(data: Target, standardize: bool = False) -> Objective:
    """Least absolute deviations, whose best constant is the median.

        loss(f, y) = sum over i of |y[i] - f[i]|

    Shapes: output and target (N, components). `standardize` as in `squares`. Raises `ValueError` for targets that are
    not numbers.

    >>> import dovetail as dt, torch
    >>> from dovetail.recipe.facts import Target
    >>> dt.absolute().make(Target("numbers", 2)).loss(torch.tensor([[1.0, -2.0]]), torch.tensor([[0.0, 0.0]]))
    tensor([3.])
    """
    return Absolute(data, standardize, "absolute")


class Huber(Regression):
    def __init__(self, data: Target, delta: float, standardize: bool) -> None:
        super().__init__(data, standardize, "huber")
        self.delta = delta

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        distance = self.difference(output, target).abs()
        near = distance.clamp(max=self.delta)
        return (near * (distance - near / 2)).sum(1)


@objective
def huber(data: Target, delta: Annotated[float, Field(gt=0)] = 1.0, standardize: bool = False) -> Objective:
    """Squares near the target and absolute deviations beyond `delta`, so that outliers pull with bounded force.

        loss(f, y) = sum over i of h(y[i] - f[i]),   h(r) = r^2 / 2 where |r| <= delta, else delta (|r| - delta / 2)

    Shapes: output and target (N, components); `delta` is in the unit of the output, `standardize` as in `squares`.
    Raises `ValueError` for targets that are not numbers. Huber (1964), Robust estimation of a location parameter.

    >>> import dovetail as dt, torch
    >>> from dovetail.recipe.facts import Target
    >>> dt.huber().make(Target("numbers", 2)).loss(torch.tensor([[0.5, 3.0]]), torch.tensor([[0.0, 0.0]]))
    tensor([2.6250])
    """
    return Huber(data, delta, standardize)
