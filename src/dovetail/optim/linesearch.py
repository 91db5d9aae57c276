"""Line search: how far to go along a direction, by the strong conditions of Wolfe."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple


class Point(NamedTuple):
    """A place on the line, how far along it, with the function's value and its slope along the line."""

    at: float
    value: float
    slope: float


def wolfe(
    function: Callable[[float], tuple[float, float]],
    value: float,
    slope: float,
    first: float = 1.0,
    decrease: float = 1e-4,
    curvature: float = 0.9,
    most: int = 20,
) -> tuple[float, int]:
    """How far to go, and how often the function was looked at.

        f(t) <= f(0) + decrease * t * f'(0)   and   |f'(t)| <= curvature * |f'(0)|

    `function(t)` gives value and slope at t, `value` and `slope` are those at 0, where it must fall. After `most` looks
    the lowest place so far is taken, which may be 0. Nocedal and Wright (2006), Numerical optimization, algorithms 3.5
    and 3.6, with cubic interpolation.

    >>> wolfe(lambda t: ((t - 3) ** 2, 2 * (t - 3)), value=9.0, slope=-6.0, first=1.0, curvature=0.1)
    (3.0, 2)
    """
    start = before = low = Point(0.0, value, slope)
    high: Point | None = None
    t = first
    for look in range(1, most + 1):
        now = Point(t, *function(t))
        falls = math.isfinite(now.value) and now.value <= value + decrease * t * slope
        if high is None:
            if not falls or (look > 1 and now.value >= before.value):
                low, high = before, now
            elif abs(now.slope) <= -curvature * slope:
                return t, look
            elif now.slope >= 0:
                low, high = now, before
            else:
                low = now
                before, t = now, between(before, now, t + 0.01 * (t - before.at), 10 * t)
                continue
        elif not falls or now.value >= low.value:
            high = now
        else:
            if abs(now.slope) <= -curvature * slope:
                return t, look
            if now.slope * (high.at - low.at) >= 0:
                high = low
            low = now
        width = high.at - low.at
        if abs(width) * abs(low.slope) <= 1e-12 * max(abs(low.value), 1e-300):
            break
        ends = sorted((low.at + 0.1 * width, high.at - 0.1 * width))
        t = between(low, high, *ends)
    return (low.at if low.value < start.value else 0.0), look


def between(a: Point, b: Point, least: float, most: float) -> float:
    """Where the cubic through two points with their slopes is lowest, within bounds; their middle where it has none."""
    if not (math.isfinite(b.value) and math.isfinite(b.slope) and a.at != b.at):
        return (least + most) / 2
    d1 = a.slope + b.slope - 3 * (a.value - b.value) / (a.at - b.at)
    square = d1 * d1 - a.slope * b.slope
    if square < 0:
        return (least + most) / 2
    d2 = math.copysign(math.sqrt(square), b.at - a.at)
    divisor = b.slope - a.slope + 2 * d2
    if divisor == 0:
        return most
    return min(max(b.at - (b.at - a.at) * (b.slope + d2 - d1) / divisor, least), most)
