"""A stopwatch for things that take microseconds to seconds, on processors and on GPUs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

_LEAST = 3  # calls


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was told."""
    if device.type != "cpu":
        torch.accelerator.synchronize()


def seconds(call: Callable[[], Any], device: torch.device, budget: float) -> float:
    """The median time of a call: after two calls to warm up, as many as fit into `budget` seconds, three of them."""
    return interleaved([call], device, budget)[0]


def interleaved(calls: Sequence[Callable[[], Any]], device: torch.device, budget: float) -> list[float]:
    """The median time of each call, all of them in turn, so that a machine whose speed drifts is fair to them."""
    for _ in range(2):
        for call in calls:
            call()
    synchronize(device)
    found: list[list[float]] = [[] for _ in calls]
    until = time.perf_counter() + budget * len(calls)
    while len(found[0]) < _LEAST or time.perf_counter() < until:
        for call, times in zip(calls, found, strict=True):
            begun = time.perf_counter()
            call()
            synchronize(device)
            times.append(time.perf_counter() - begun)
    return [statistics.median(times) for times in found]
