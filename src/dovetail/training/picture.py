"""A picture of training images, each beside versions of it as the recipe's transforms make them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..data.prepare import Prepare
from ..recipe.draws import Draws
from ..recipe.errors import UsageError
from ..recipe.facts import Facts
from ..recipe.recipe import Recipe, load
from ..synthetic.synthesis import Synthesis
from .machine import dtype_of
from .run import make_source

_TILE = 56  # pixels that an image is shown at, at least
_GAP = 2


def show_data(recipe: str | Recipe, *overrides: str, rows: int = 8, versions: int = 9, to: str | None = None) -> Path:
    """Write a PNG with a row for each of the first training images: the image itself, then synthetic versions of it.

    The versions are what training would see of these examples in its first steps. `to` is the file, RECIPE-data.png
    unless given. Raises `UsageError` for data that are not images, and where the file cannot be written.
    """
    described = load(recipe, list(overrides)) if isinstance(recipe, str) else recipe
    source = make_source(described.data, Path.cwd())
    raw, _, _ = source.part("train").fetch(torch.arange(min(rows, source.facts.sizes["train"])))
    path = Path(to or f"{Path(recipe).stem if isinstance(recipe, str) else 'recipe'}-data.png")
    image = grid(described, source.facts, raw, versions)
    try:
        image.save(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise UsageError(f"cannot write the picture {path}: {reason}") from None
    return path


def grid(recipe: Recipe, facts: Facts, raw: Tensor, versions: int) -> Any:
    """The picture as a Pillow image."""
    from PIL import Image

    shape = facts.input.shape
    if len(shape) != 3 or shape[0] not in (1, 3):
        raise UsageError(f"--data shows images of 1 or 3 channels, and an example of these data is {shape}")
    prepare = Prepare(facts.input, torch.device("cpu"), dtype_of(recipe))
    columns = [prepare.values(raw)]
    synthesis, draws = Synthesis(recipe.synthetic, facts.input), Draws(recipe.seed)
    for draws.step in range(versions if recipe.synthetic else 0):
        columns.append(synthesis(columns[0].clone(), draws)[0])
    tiles = torch.stack(columns, 1)
    if facts.input.form != "image":
        tiles = (tiles - tiles.min()) / (tiles.max() - tiles.min()).clamp(min=1e-9)
    bytes_ = tiles.mul(255).round().clamp(0, 255).byte()
    for axis in (1, 2):
        bytes_ = bytes_.repeat_interleave(max(1, -(-_TILE // shape[axis])), axis + 2)
    n, m, channels, height, width = bytes_.shape
    sheet = torch.full((channels, n * (height + _GAP), m * (width + _GAP) + 2 * _GAP), 128, dtype=torch.uint8)
    for i in range(n):
        for j in range(m):
            top, left = i * (height + _GAP), j * (width + _GAP) + (2 * _GAP if j else 0)
            sheet[:, top : top + height, left : left + width] = bytes_[i, j]
    array = sheet[:, : -_GAP or None, : -_GAP or None].permute(1, 2, 0).numpy()
    return Image.fromarray(array[:, :, 0] if channels == 1 else array)
