"""How systems are described: specs, their registry, the YAML language and the builder."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .spec import Kind

if TYPE_CHECKING:
    from torch import Tensor, nn

layer: Kind[Any, nn.Module] = Kind("layer", "layers")  # of a tensor, or of sequences
init: Kind[Any, Callable[..., Any]] = Kind("init", "inits")
objective: Kind[Any, nn.Module] = Kind("objective", "objectives")
rule: Kind[Any, Any] = Kind("rule", "rules")
schedule: Kind[Any, Callable[[int], float]] = Kind("schedule", "schedules")
average: Kind[Any, Callable[[int], float]] = Kind("average", "averages")
source: Kind[Any, Any] = Kind("source", "sources")
transform: Kind[Tensor, Any] = Kind("transform", "transforms")
range: Kind[None, Any] = Kind("range", "ranges")
kinds: tuple[Kind[Any, Any], ...] = (
    layer, init, objective, rule, schedule, average, source, transform, range,
)  # fmt: skip
