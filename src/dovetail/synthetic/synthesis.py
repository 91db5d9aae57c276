"""The transforms of a recipe in their order, over batches; warps that follow one another resample once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from ..recipe.draws import Draws
from ..recipe.facts import Input
from ..recipe.place import fail
from ..recipe.spec import Spec
from .flow import Flow
from .mixup import Mix, Mixup
from .transform import Draw, Warp


class Synthesis:
    """Makes synthetic versions of a batch (N, C, H, W) of images whose values go from 0 to 1.

    The same seed, step and row of the step's batch give the same version, whatever else there is in the batch. Raises
    `RecipeError` for transforms that do not suit the data.

    >>> import dovetail as dt
    >>> synthesis = Synthesis([dt.synthetic.shift(1), dt.synthetic.rotate(10)], Input("image", [1, 28, 28], "uint8"))
    >>> synthesis(torch.zeros(5, 1, 28, 28), Draws(seed=0))[0].shape
    torch.Size([5, 1, 28, 28])
    """

    def __init__(self, specs: Sequence[Spec], input: Input) -> None:
        example = torch.empty((2, *input.shape), dtype=getattr(torch, input.dtype), device="meta")
        transforms = []
        for index, spec in enumerate(specs):
            made: Any = spec.make_at(f"synthetic[{index}]", example)
            if isinstance(made, Mixup) and index < len(specs) - 1:
                fail("mixes finished images, so put it last", f"synthetic[{index}] mixup", spec.place)
            transforms.append((f"synthetic.{index}", made))
        self.mixes = bool(transforms) and isinstance(transforms[-1][1], Mixup)
        self.groups = [(warps, list(run)) for warps, run in groupby(transforms, lambda one: isinstance(one[1], Warp))]

    def __call__(self, x: Tensor, draws: Draws) -> tuple[Tensor, Mix | None]:
        """Synthetic versions of the rows from `draws.first` on of step `draws.step`; where it mixes, of all rows."""
        mix = None
        for warps, run in self.groups:
            flow = Flow(x) if warps else None
            for purpose, transform in run:
                draw = Draw(draws, purpose, x)
                if flow is not None:
                    transform.warp(flow, draw)
                elif isinstance(transform, Mixup):
                    x, mix = transform.mix(x, draw)
                else:
                    x = transform(x, draw)
            if flow is not None:
                x = flow.resample(x)
        return x, mix
