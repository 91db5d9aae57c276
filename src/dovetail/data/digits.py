"""Scikit-learn's built-in scanned digits, shown as MNIST shows its own."""

from __future__ import annotations

from pathlib import Path

import torch
from torch.nn.functional import interpolate, pad

from ..recipe import source
from .images import LabelledImages, Normalize
from .source import InMemory, Source
from .split import Share


class Digits(LabelledImages):
    def read(self) -> tuple[list[str], InMemory, None]:
        from sklearn.datasets import load_digits

        data = load_digits()
        strokes = torch.from_numpy(data.images)[:, None] * (255 / 16)  # 8x8 counts of 0 to 16
        glyphs = interpolate(strokes, (20, 20), mode="bilinear", align_corners=False)
        images = pad(glyphs, (4, 4, 4, 4)).round().to(torch.uint8)
        return [str(digit) for digit in range(10)], InMemory(images, torch.from_numpy(data.target)), None


@source
def digits(
    here: Path, test: Share = 0.2, validation: Share = 0.0, split: int = 0, normalize: Normalize = "standard"
) -> Source:
    """1,797 scanned handwritten digits that come with scikit-learn, at 28x28: no files, no download.

    The 8x8 originals are enlarged to 20x20 in a frame of 4 pixels, as MNIST centres its digits. `split` seeds the
    split. Alpaydin and Kaynak (1998), Optical recognition of handwritten digits.

    >>> import dovetail as dt
    >>> facts = dt.digits().make(Path()).facts
    >>> facts.input.shape, facts.sizes
    ([1, 28, 28], {'train': 1437, 'validation': 0, 'test': 360})
    """
    return Digits("digits", validation, test, split, normalize)
