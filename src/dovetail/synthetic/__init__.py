"""Synthetic examples: images moved, bent, recoloured and mixed as they are trained on, a batch at a time."""

from .color import color
from .damage import cutout, erase, noise
from .elastic import elastic
from .focus import blur, sharpen
from .geometry import crop, flip, rotate, scale, shear, shift, squeeze
from .mixup import mixup

__all__ = [
    "blur", "color", "crop", "cutout", "elastic", "erase", "flip", "mixup", "noise", "rotate", "scale", "sharpen",
    "shear", "shift", "squeeze",
]  # fmt: skip
