"""Batch normalization for tests: its statistics taken anew from examples as they are, under the weights to be tested.

What it gathers in training is of synthetic versions, which differ from what tests see, and of weights that moved
meanwhile; averaged weights have never been seen by it at all. Izmailov et al. (2018), Averaging weights leads to wider
optima and better generalization, section 3.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from ..data.prepare import Prepare
from ..data.source import Source
from ..recipe.draws import generator
from ..recipe.recipe import Recipe
from .system import System
from .world import World


@contextmanager
def recalibrated(system: System, recipe: Recipe, source: Source, prepare: Prepare, world: World) -> Iterator[None]:
    """Within it, running statistics are those of `recipe.recalibrate` training examples; afterwards as they were."""
    norms = [module for module in system.network.modules() if isinstance(module, _BatchNorm)]
    norms = [module for module in norms if module not in system.still]
    if not recipe.recalibrate or not norms:
        yield
        return
    buffers = [buffer for module in norms for buffer in module.buffers()]
    examples = source.part("train")
    before, momenta, training = [buffer.clone() for buffer in buffers], [m.momentum for m in norms], system.training
    chosen = torch.randperm(len(examples), generator=generator(recipe.seed, "recalibrate"))[: recipe.recalibrate]
    system.eval()
    with torch.no_grad():
        size = 2 * recipe.batch
        for turn, rows in enumerate(world.parts(size, len(chosen))):
            seen = min((turn + 1) * size, len(chosen))
            for module in norms:
                module.train()
                module.momentum = (seen - turn * size) / seen  # the mean over all turns
            raw, _, _ = examples.fetch(chosen[rows.start : rows.stop])
            system.output(prepare(raw))
    for module, momentum in zip(norms, momenta, strict=True):
        module.momentum = momentum
    system.train(training)
    try:
        yield
    finally:
        torch._foreach_copy_(buffers, before)
