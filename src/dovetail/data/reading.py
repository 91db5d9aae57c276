"""New inputs for a trained system, read by what its facts say of the training data."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..recipe.errors import DataError
from ..recipe.facts import Input
from .arrays import finite, read_array
from .columns import Columns, read_table
from .encode import encode
from .folder import read_image
from .source import shape_text
from .statistics import border_brightness


def read(input: Input, paths: Sequence[Path], invert: bool = False) -> tuple[list[str], Tensor]:
    """Names and stored values (N, ...) of images, of the rows of CSV or Parquet files, or of .npy arrays.

    `invert` swaps light and dark of images. Raises `DataError`, naming the file, for what cannot be read.
    """
    for path in paths:
        if not path.is_file():
            raise DataError(f"{path}: there is no such file")
    if input.form == "image":
        channels, *size = input.shape
        images = [read_image(path, channels, size, input.fit) for path in paths]
        if invert:
            images = [255 - image for image in images]
        for path, image in zip(paths, images, strict=True):
            _warn_of_background(path, image, input.border)
        return [str(path) for path in paths], torch.stack(images)
    names, pieces = [], []
    for path in paths:
        piece = (
            encode(read_table(path), input)
            if input.form == "table"
            else check_array(input, read_array(Path(), str(path)))
        )
        names += [str(path)] if len(piece) == 1 else [f"{path}:{row}" for row in range(1, len(piece) + 1)]
        pieces.append(piece)
    return names, torch.cat(pieces)


def _warn_of_background(path: Path, image: Tensor, border: float) -> None:
    own = border_brightness(image[None])
    if abs(own - border) > 128:
        light, dark = ("light", "dark") if own > border else ("dark", "light")
        remark = f"{path}: its background is {light}, the training images' is {dark}; try --invert"
        print(remark, file=sys.stderr)


def check_array(input: Input, inputs: Any) -> Tensor:
    """An array given in Python as stored values (N, ...); raises `DataError` where its shape or values do not fit."""
    if isinstance(inputs, Tensor):
        inputs = inputs.detach().cpu().numpy()
    array = np.asarray(inputs)
    if input.form == "table":
        if array.ndim != 2 or array.shape[1] != len(input.columns):
            names = ", ".join(column.name for column in input.columns)
            raise DataError(
                f"expected rows of {len(input.columns)} columns ({names}), got {shape_text(list(array.shape))}"
            )
        cells = {
            c.name: ["" if v is None or v != v else str(v) for v in array[:, i]] for i, c in enumerate(input.columns)
        }
        return encode(Columns("array", cells, list(range(len(array)))), input)
    if input.form == "image" and array.ndim == len(input.shape) and list(array.shape[1:]) == input.shape[1:]:
        array = array[:, None] if input.shape[0] == 1 else array
    if list(array.shape[1:]) != input.shape:
        wanted = f"(N, {', '.join(map(str, input.shape))})"
        raise DataError(f"expected inputs {wanted}, got ({', '.join(map(str, array.shape))})")
    if input.form == "image":
        if array.dtype.kind not in "uif" or (array.size and (array.min() < 0 or array.max() > 255)):
            raise DataError("expected images with values of 0 to 255")
        return torch.from_numpy(np.ascontiguousarray(array.round().astype(np.uint8)))
    return finite(array, "inputs")
