"""Every layer by itself: how long it takes forward and backward on the very input it gets in the network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ..recipe.build import shape_text, spec_of
from ..recipe.sequences import values_of
from ..training.show import label
from ..training.system import Batch, System
from .clock import seconds
from .peaks import Peaks


@dataclass(frozen=True)
class LayerTime:
    """A layer's milliseconds, GFLOP/s over both directions, and shares of the machine's peaks.

    `bandwidth` counts what must be moved at least: input, output and weights forward, and twice that backward. `memory`
    is its output's, in bytes, which backpropagation may have to keep.
    """

    place: str
    layer: str
    output: str
    forward: float
    backward: float
    gflops: float
    matrix: float
    bandwidth: float
    memory: int


def time_layers(system: System, batch: Batch, precision: str, peaks: Peaks, budget: float) -> list[LayerTime]:
    """Each innermost layer of a recipe's network, timed on a batch of its data, `budget` seconds each way."""
    inputs: dict[str, tuple[nn.Module, Any]] = {}

    def note(place: str, module: nn.Module, x: tuple[Any]) -> None:
        inputs[place] = module, x[0]

    handles = [module.register_forward_pre_hook(partial(note, place)) for place, module in innermost(system.network)]
    with torch.no_grad():
        system.output(batch.input)
    for handle in handles:
        handle.remove()
    rows, first = [], True
    for place, (module, x) in inputs.items():
        rows.append(time_layer(system, place, module, x, first, precision, peaks, budget))
        first = first and not any(p.requires_grad for p in module.parameters())
    return rows


def innermost(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The layers that hold no further ones."""
    for place, module in network.named_modules():
        if module in spec_of and not any(inner in spec_of for inner in module.modules() if inner is not module):
            yield place, module


def time_layer(
    system: System,
    place: str,
    module: nn.Module,
    x: Any,
    first: bool,
    precision: str,
    peaks: Peaks,
    budget: float,
) -> LayerTime:
    """One layer, with the precision of the run; where it is the `first` to learn its input needs no gradient."""
    values: Tensor = values_of(x).detach()
    values.requires_grad_(values.is_floating_point() and not first)
    x = values if isinstance(x, Tensor) else replace(x, values=values)
    wanted = [t for t in (values, *module.parameters()) if t.requires_grad]

    def forward() -> Any:
        with system.precision:
            return module(x)

    with FlopCounterMode(display=False) as counter:
        whole = forward()
    output = values_of(whole)
    ahead = counter.get_total_flops()
    there = seconds(forward, values.device, budget)
    behind, back = 0, 0.0
    if wanted and output.requires_grad:
        slope = torch.ones_like(output)
        with FlopCounterMode(display=False) as counter:
            torch.autograd.grad(output, wanted, slope, retain_graph=True)
        behind = counter.get_total_flops()
        back = seconds(lambda: torch.autograd.grad(output, wanted, slope, retain_graph=True), values.device, budget)
    moved = sum(t.numel() * t.itemsize for t in (values, output, *module.parameters())) * (3 if back else 1)
    time = there + back
    rate = (ahead + behind) / time / 1e9
    peak = peaks.matrix.get(precision, peaks.matrix["float32"])
    return LayerTime(
        place,
        label(spec_of[module]),
        shape_text(whole),
        there * 1e3,
        back * 1e3,
        rate,
        rate / peak,
        moved / time / 1e9 / peaks.copy,
        output.numel() * output.itemsize,
    )
