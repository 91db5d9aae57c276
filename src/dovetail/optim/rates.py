"""Schedules: the rate as a pure function of the step t = 0, 1, 2, ..., never stored."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from ..recipe import schedule
from ..recipe.recipe import Optimizer
from ..recipe.span import Length, Span
from ..recipe.spec import Schedules

Rate = Annotated[float, Field(ge=0)]
Above = Annotated[float, Field(gt=0)]
Schedule = Callable[[int], float]


@schedule
def constant(span: Span, value: Rate = 0.01) -> Schedule:
    """The same rate at every step.

    >>> import dovetail as dt
    >>> dt.constant(0.1).make(Span(epoch=10, total=100))(7)
    0.1
    """
    return lambda t: value


@schedule
def piecewise(span: Span, values: list[Rate], at: list[Length]) -> Schedule:
    """Constant pieces: `values[k]` from `at[k - 1]` on.

    Units: `at` in steps, epochs or percent of the run, rising. Raises `ValueError` unless there is one value more than
    changes.

    >>> import dovetail as dt
    >>> rate = dt.piecewise([0.1, 0.01], at=["50 %"]).make(Span(epoch=10, total=100))
    >>> rate(49), rate(50)
    (0.1, 0.01)
    """
    if len(values) != len(at) + 1:
        raise ValueError(f"{len(at)} changes need {len(at) + 1} values, got {len(values)}")
    changes = [span.steps(length) for length in at]
    if changes != sorted(changes):
        raise ValueError(f"the changes must rise, got {', '.join(map(str, at))}")
    return lambda t: values[bisect_right(changes, t)]


@schedule
def polynomial(span: Span, alpha: Above = 0.1, beta: Above = 1.0, gamma: Rate = 0.5) -> Schedule:
    """Polynomial decay, rate(t) = alpha / (beta + t)^gamma.

    gamma is 1/2 for convex problems, 1 for strongly convex ones, 3/4 where the iterates are averaged. Robbins and Monro
    (1951), A stochastic approximation method; Bottou (2010), Large-scale machine learning with stochastic gradient
    descent.

    >>> import dovetail as dt
    >>> dt.polynomial(1.0, beta=1.0, gamma=0.5).make(Span(epoch=10, total=100))(3)
    0.5
    """
    return lambda t: float(alpha / (beta + t) ** gamma)


@schedule
def exponential(span: Span, alpha: Above = 0.1, beta: Rate = 1e-3) -> Schedule:
    """Exponential decay, rate(t) = alpha e^(-beta t); all travel together is at most alpha / (1 - e^-beta).

    >>> import dovetail as dt
    >>> round(dt.exponential(0.1, beta=0.01).make(Span(epoch=10, total=100))(100), 10)
    0.0367879441
    """
    return lambda t: alpha * math.exp(-beta * t)


@schedule
def cosine(span: Span, start: Above = 0.1, end: Rate = 0.0, over: Length = "100 %") -> Schedule:
    """Half a cosine, rate(t) = end + (start - end) (1 + cos(pi t / T)) / 2, then `end`.

    Units: T = `over`, in steps, epochs or percent of the run. Loshchilov and Hutter (2017), SGDR, equation 5.

    >>> import dovetail as dt
    >>> round(dt.cosine(0.1).make(Span(epoch=10, total=100))(50), 10)
    0.05
    """
    length = max(span.steps(over), 1)
    return lambda t: end + (start - end) * (1 + math.cos(math.pi * min(t / length, 1.0))) / 2


@schedule
def slope(span: Span, start: Rate = 0.1, end: Rate = 0.0, over: Length = "100 %") -> Schedule:
    """A straight line, rate(t) = start + (end - start) t / T, then `end`.

    Units: T = `over`, in steps, epochs or percent of the run.

    >>> import dovetail as dt
    >>> round(dt.slope(0.1).make(Span(epoch=10, total=100))(25), 10)
    0.075
    """
    length = max(span.steps(over), 1)
    return lambda t: start + (end - start) * min(t / length, 1.0)


@schedule
def then(span: Span, parts: Schedules, at: list[Length]) -> Schedule:
    """One schedule after the other: `parts[k]` from `at[k - 1]` on, each beginning at its own step 0.

    Units: `at` in steps, epochs or percent of the run, rising; a part's percent are of its own length. Raises
    `ValueError` unless there is one part more than changes.

    >>> import dovetail as dt
    >>> rate = dt.then([dt.slope(0.0, 0.1), dt.cosine(0.1)], at=["20 %"]).make(Span(epoch=10, total=100))
    >>> [round(rate(t), 10) for t in (0, 10, 20, 60, 100)]
    [0.0, 0.05, 0.1, 0.05, 0.0]
    """
    if len(parts) != len(at) + 1:
        raise ValueError(f"{len(at)} changes need {len(at) + 1} schedules, got {len(parts)}")
    changes = [0, *(span.steps(length) for length in at)]
    if changes != sorted(changes):
        raise ValueError(f"the changes must rise, got {', '.join(map(str, at))}")
    ends = [*changes[1:], max(span.total, changes[-1])]
    rates = [part.make_at(f"then.parts[{k}]", Span(span.epoch, ends[k] - changes[k])) for k, part in enumerate(parts)]

    def rate(t: int) -> float:
        k = bisect_right(changes, t) - 1
        value: float = rates[k](t - changes[k])
        return value

    return rate


def scheduled(settings: Optimizer, span: Span) -> Schedule:
    """A recipe's rate at each step; the first `warmup` steps climb in a straight line, rate(t) (t + 1) / warmup."""
    rate: Schedule = settings.rate.make_at("optimizer.rate", span)
    steps = span.steps(settings.warmup)
    return rate if steps <= 1 else lambda t: rate(t) * min((t + 1) / steps, 1.0)
