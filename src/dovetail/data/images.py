"""Images in memory: what every source of uint8 images (N, C, H, W) with classes has in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from ..recipe.errors import DataError
from ..recipe.facts import Facts, Input
from .source import Examples, InMemory, Source, fingerprint, sizes
from .split import split
from .statistics import border_brightness, class_target, image_statistics

Normalize = Annotated[
    Literal["standard", "unit", "none"] | Annotated[list[float], Field(min_length=2, max_length=2)],
    "standard, unit, none or two numbers: what black and white become",
]
Fit = Literal["stretch", "crop", "pad"]


def image_input(images: Tensor, normalize: Normalize, fit: Fit = "stretch") -> Input:
    """How uint8 images become float: `standard` (mean 0, deviation 1 a channel), `unit` (0 to 1), `none`, or two
    numbers, what 0 and 255 become. Raises `DataError` where these are the same.
    """
    shape, border = list(images.shape[1:]), border_brightness(images)
    if isinstance(normalize, list):
        black, white = normalize
        if black == white:
            raise DataError(f"normalize: black and white cannot both become {black:g}")
        deviation = [255 / (white - black)]
        return Input("image", shape, "uint8", [-black * deviation[0]], deviation, fit=fit, border=border)
    if normalize == "none":
        return Input("image", shape, "uint8", fit=fit, border=border)
    if normalize == "unit":
        return Input("image", shape, "uint8", [0.0], [255.0], fit=fit, border=border)
    mean, deviation = image_statistics(images)
    return Input("image", shape, "uint8", mean, deviation, fit=fit, border=border)


class LabelledImages(Source):
    """Images with a class each: one set to split, or a training set and an official test set."""

    def __init__(self, name: str, validation: float, test: float, seed: int, normalize: Normalize) -> None:
        self.name = name
        self.validation, self.test, self.seed, self.normalize = validation, test, seed, normalize

    @abstractmethod
    def read(self) -> tuple[list[str], InMemory, InMemory | None]:
        """Class names, the images to split, and the official test images where there are some."""

    def load(self) -> tuple[Facts, dict[str, Examples]]:
        names, images, official = self.read()
        cut = split(len(images), self.validation, 0 if official else self.test, self.seed, images.targets, self.name)
        parts: dict[str, Examples] = {key: images.select(indices) for key, indices in cut.items()}
        if official:
            parts["test"] = official
        train = parts["train"]
        assert isinstance(train, InMemory)
        tensors = [images.inputs, images.targets]
        if official:
            tensors += [official.inputs, official.targets]
        mark = fingerprint(*tensors, f"{self.validation} {self.test} {self.seed}")
        input = image_input(train.inputs, self.normalize)
        return Facts(input, class_target(names, train.targets), sizes(parts), mark), parts


def as_images(array: Tensor, name: str) -> Tensor:
    """(N, H, W) or (N, C, H, W) uint8 as (N, C, H, W); raises `DataError` for anything else."""
    if array.dtype != torch.uint8 or array.dim() not in (3, 4) or 0 in array.shape[1:]:
        kind = str(array.dtype).removeprefix("torch.")
        raise DataError(f"{name}: expected images (N, H, W) of bytes, got {tuple(array.shape)} of {kind}")
    return array[:, None] if array.dim() == 3 else array
