"""The transforms of a recipe in their order, over batches; warps that follow one another resample once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from ..recipe.draws import Draws
from ..recipe.errors import RecipeError
from ..recipe.facts import Input
from ..recipe.place import fail
from ..recipe.sequences import Sequences
from ..recipe.spec import Spec
from .flow import Flow
from .mixup import Mix, Mixup
from .transform import Draw, Warp

_WIDTHS = 16  # lines are made as wide as a multiple of this, so that few widths occur


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
        example = torch.empty((2, *_image(input)), dtype=getattr(torch, input.dtype), device="meta")
        transforms = []
        for index, spec in enumerate(specs):
            made: Any = spec.make_at(f"synthetic[{index}]", example)
            if isinstance(made, Mixup) and index < len(specs) - 1:
                fail("mixes finished images, so put it last", f"synthetic[{index}] mixup", spec.place)
            transforms.append((f"synthetic.{index}", made))
        self.mixes = bool(transforms) and isinstance(transforms[-1][1], Mixup)
        if self.mixes and input.form == "sequence":
            fail("sequences cannot be mixed", f"synthetic[{len(specs) - 1}] mixup", specs[-1].place)
        self.groups = [(warps, list(run)) for warps, run in groupby(transforms, lambda one: isinstance(one[1], Warp))]

    def __call__(self, x: Any, draws: Draws) -> tuple[Any, Mix | None]:
        """Synthetic versions of the rows from `draws.first` on of step `draws.step`; where it mixes, of all rows.

        Of sequences each place is an image, or each is a column of one, as those of lines to read are.
        """
        if not isinstance(x, Sequences):
            return self._images(x, draws)
        if x.values.dim() > 2:
            return x.having(self._images(x.values, draws)[0]), None
        lines = pad(x.padded().transpose(1, 2)[:, None], (0, -x.longest % _WIDTHS))
        changed, _ = self._images(lines, draws)
        return Sequences.of(changed[:, 0].transpose(1, 2), x.lengths), None

    def _images(self, x: Tensor, draws: Draws) -> tuple[Tensor, Mix | None]:
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


def _image(input: Input) -> list[int]:
    """The shape of the images that are changed: of an example, of each of its places, or of all its columns."""
    if input.form != "sequence":
        return input.shape
    if input.fields:
        raise RecipeError("synthetic: there are no synthetic versions of words")
    longest, *place = input.shape
    return [1, place[0], longest] if len(place) == 1 else place
