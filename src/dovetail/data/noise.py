"""Noise: data without files, so that any network can be shown, timed and checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field

from ..recipe import source
from ..recipe.draws import generator
from ..recipe.facts import Facts, Input, Target
from .source import Examples, InMemory, Source, fingerprint, sizes
from .statistics import class_target, number_target

Above = Annotated[int, Field(gt=0)]


class Noise(Source):
    def __init__(self, shape: list[int], classes: int | None, outputs: int, size: int) -> None:
        self.shape, self.classes, self.outputs, self.size = shape, classes, outputs, size

    def load(self) -> tuple[Facts, dict[str, Examples]]:
        draw = generator(0, "noise")
        x = torch.randn(self.size, *self.shape, generator=draw)
        if self.classes is None:
            y = torch.randn(self.size, self.outputs, generator=draw)
            target: Target = number_target([f"y{i}" for i in range(self.outputs)], y)
        else:
            y = torch.randint(self.classes, (self.size,), generator=draw)
            target = class_target([str(number) for number in range(self.classes)], y)
        whole, empty = InMemory(x, y), torch.empty(0, dtype=torch.int64)
        parts: dict[str, Examples] = {"train": whole, "validation": whole.select(empty), "test": whole.select(empty)}
        return Facts(Input("array", self.shape, "float32"), target, sizes(parts), fingerprint(x, y)), parts


@source
def noise(
    here: Path,
    shape: list[Above],
    classes: Annotated[int, Field(ge=2)] | None = 10,
    outputs: Above = 1,
    size: Above = 256,
) -> Source:
    """Normal random inputs of a shape, with random classes, or `outputs` random numbers where classes is nothing.

    >>> import dovetail as dt
    >>> dt.noise([3, 224, 224], classes=1000, size=2).make(Path()).facts.target.width
    1000
    """
    return Noise(shape, classes, outputs, size)
