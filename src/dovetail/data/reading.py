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
from ..recipe.sequences import Sequences, joined
from .array_files import read_array
from .arrays import finite
from .encode import encode
from .folder import read_images
from .line_images import line_of
from .paths import require_file
from .sentences import given_sentences, read_sentences
from .statistics import border_brightness
from .tabular import Columns, cell, read_table
from .templates import numbered
from .texts import NEXT, given_lines, read_lines


def read(input: Input, paths: Sequence[Path], invert: bool = False) -> tuple[list[str], Any]:
    """Names and stored values (N, ...) of images, of the rows of CSV or Parquet files, of .npy arrays, or of sentences.

    `invert` swaps light and dark of images. Raises `DataError`, naming the file, for what cannot be read.
    """
    for path in paths:
        require_file(path, f": name the files, {path}/*" if path.is_dir() else "")
    names, pieces = [], []
    for path in paths:
        piece = _stored(input, path)
        if input.form == "image":
            piece = 255 - piece if invert else piece
            _warn_of_background(path, piece, input.border)
        elif isinstance(piece, Sequences) and not input.fields:
            piece = piece.having(255 - piece.values) if invert else piece
            _warn_of_background(path, piece.values[None, None], input.border)
        names += [str(path)] if len(piece) == 1 else [f"{path}:{row}" for row in range(1, len(piece) + 1)]
        pieces.append(piece)
    return names, joined(pieces)


def _stored(input: Input, path: Path) -> Any:
    if path.suffix.lower() == ".npy" or input.form == "array":
        return check_array(input, read_array(Path(), str(path)), str(path))
    if input.form == "table":
        return encode(read_table(path), input)
    if input.form == "sequence" and input.fields:
        if input.unit:
            return numbered(read_lines(path, input.unit, input.aim == NEXT), input)
        return numbered(read_sentences(path, input.names, input.aim), input)
    if input.form == "sequence":
        return _line(input, path)
    channels, *size = input.shape
    return torch.stack(read_images([path], channels, size, input.fit))


def _line(input: Input, path: Path) -> Sequences:
    """An image of a line."""
    if len(input.shape) != 2:
        raise DataError(f"{path}: the run takes {input.told} at every place, which no file can be read as: give arrays")
    columns = line_of(path, input.shape[1])
    return Sequences(columns, torch.tensor([len(columns)]))


def _lines(input: Input, inputs: Any) -> Sequences:
    """Sequences given in Python, each an array (places, ...) of values from 0 to 255."""
    arrays = [np.asarray(one) for one in inputs]
    for number, one in enumerate(arrays):
        if list(one.shape[1:]) != input.shape[1:] or not len(one):
            wanted = ", ".join(map(str, input.shape[1:]))
            raise DataError(f"sequence {number}: expected an array (places, {wanted}), got {one.shape}")
        if one.min() < 0 or one.max() > 255:
            raise DataError(f"sequence {number}: expected values of 0 to 255, got {one.min()} to {one.max()}")
    values = np.concatenate(arrays).round().astype(np.uint8)
    return Sequences(torch.from_numpy(values), torch.tensor([len(one) for one in arrays]))


def _sentences(input: Input, inputs: Any) -> Sequences:
    """Sentences given in Python: lists of words, or where lines are sequences, texts."""
    if input.unit:
        return numbered(given_lines(inputs, input.unit, input.aim == NEXT), input)
    return numbered(given_sentences(inputs, input.known), input)


def _warn_of_background(path: Path, images: Tensor, border: float) -> None:
    own = border_brightness(images)
    if abs(own - border) > 128:
        light, dark = ("light", "dark") if own > border else ("dark", "light")
        remark = f"{path}: its background is {light}, the training images' is {dark}; try --invert"
        print(remark, file=sys.stderr)


def check_array(input: Input, inputs: Any, name: str = "inputs") -> Any:
    """An array given in Python as stored values (N, ...), or sentences; raises `DataError` where they do not fit."""
    if input.form == "sequence":
        return _sentences(input, inputs) if input.fields else _lines(input, inputs)
    if isinstance(inputs, Tensor):
        inputs = (inputs.float() if inputs.dtype == torch.bfloat16 else inputs).detach().cpu().numpy()
    try:
        array = np.asarray(inputs)
    except ValueError:
        raise DataError(f"{name}: rows of different lengths") from None
    if input.form == "table":
        if array.ndim != 2 or array.shape[1] != len(input.columns):
            names = ", ".join(column.name for column in input.columns)
            raise DataError(f"{name}: expected rows of {len(input.columns)} columns ({names}), got {array.shape}")
        cells = {c.name: ["" if v is None else cell(str(v)) for v in array[:, i]] for i, c in enumerate(input.columns)}
        return encode(Columns(name, cells, list(range(len(array)))), input)
    if input.form == "image" and array.ndim == len(input.shape) and list(array.shape[1:]) == input.shape[1:]:
        array = array[:, None] if input.shape[0] == 1 else array
    if list(array.shape[1:]) != input.shape or array.ndim == 0:
        raise DataError(f"{name}: expected (N, {', '.join(map(str, input.shape))}), got {array.shape}")
    if array.dtype.kind not in "fiub":
        raise DataError(f"{name}: expected numbers, got {array.dtype}")
    if input.form == "array":
        return finite(array, name)
    if array.size and not (array.min() >= 0 and array.max() <= 255):
        raise DataError(f"{name}: expected images with values of 0 to 255, got {array.min()} to {array.max()}")
    if array.dtype.kind == "f" and array.size and array.max() <= 1 and (array != array.round()).any():
        raise DataError(f"{name}: expected images with values of 0 to 255, got 0 to 1; multiply them by 255")
    return torch.from_numpy(np.ascontiguousarray(array.round().astype(np.uint8)))
