"""Images with noise on them, or with parts missing."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ..recipe import transform
from .transform import Change, Draw, Probability, Range, around, require_images, require_pixels, up_to


class Noise:
    def __init__(self, deviation: tuple[float, float], probability: float) -> None:
        self.deviation, self.probability = deviation, probability

    def __call__(self, x: Tensor, draw: Draw) -> Tensor:
        deviation = draw.amount(*self.deviation, self.probability)
        return torch.addcmul(x, deviation[:, None, None, None], draw.normal(*x.shape[1:]))


@transform
def noise(x: Tensor, deviation: Range = 0.1, probability: Probability = 1.0) -> Change:
    """Add normal noise to every value: its deviation is 0 to `deviation`, or [lowest, highest], of the range 0 to 1.

    Bishop (1995), Training with noise is equivalent to Tikhonov regularization.

    >>> import dovetail as dt
    >>> dt.synthetic.noise([0.05, 0.05])
    noise([0.05, 0.05])
    """
    require_pixels(x)
    return Noise(up_to(deviation), probability)


class Erase:
    """Rectangles painted over: with random values, or with the image's mean."""

    def __init__(
        self, area: tuple[float, float], aspect: tuple[float, float], random: bool, inside: bool, probability: float
    ) -> None:
        self.area, self.aspect, self.random, self.inside, self.probability = area, aspect, random, inside, probability

    def __call__(self, x: Tensor, draw: Draw) -> Tensor:
        height, width = x.shape[2:]
        share = draw.uniform(*self.area)
        narrow = draw.uniform(math.log(self.aspect[0]), math.log(self.aspect[1])).exp()
        tall, wide = (share / narrow).sqrt().clamp_(max=1) * height, (share * narrow).sqrt().clamp_(max=1) * width
        where = draw.uniform(0, 1, 2)
        room = (height - tall, width - wide) if self.inside else (tall.new_tensor(height), wide.new_tensor(width))
        back = (0.0, 0.0) if self.inside else (tall / 2, wide / 2)
        top, left = where[:, 0] * room[0] - back[0], where[:, 1] * room[1] - back[1]
        rows = within(height, top, tall) & draw.chosen(self.probability).bool()[:, None]
        hidden = rows[:, None, :, None] & within(width, left, wide)[:, None, None, :]
        paint = draw.uniform(0, 1, *x.shape[1:]) if self.random else x.mean((2, 3), keepdim=True)
        return torch.where(hidden, paint, x)


def within(size: int, start: Tensor, length: Tensor) -> Tensor:
    """(N, size): the places whose middle lies from `start` on for `length`."""
    middle = torch.arange(size, device=start.device, dtype=start.dtype) + 0.5
    return (middle >= start[:, None]) & (middle < (start + length)[:, None])


@transform
def erase(x: Tensor, area: Range | None = None, aspect: Range | None = None, probability: Probability = 0.5) -> Change:
    """Paint a rectangle over with random values, uniform in 0 to 1.

    `area` is its share of the image, 0.02 to 0.4 unless given as most or [lowest, highest]; `aspect` is its width to
    its height in shares of the image's, 0.3 to 1 / 0.3 unless given, log-uniform. Zhong et al. (2020), Random erasing
    data augmentation.

    >>> import dovetail as dt
    >>> dt.synthetic.erase(area=[0.02, 0.2])
    erase([0.02, 0.2])
    """
    require_pixels(x)
    shares = (0.02, 0.4) if area is None else up_to(area)
    shapes = (0.3, 1 / 0.3) if aspect is None else around(aspect, 1.0)
    if shares[1] > 1 or shapes[0] <= 0:
        raise ValueError(f"area is a share of the image, at most 1, and aspect is above 0, not {area} and {aspect}")
    return Erase(shares, shapes, random=True, inside=True, probability=probability)


@transform
def cutout(x: Tensor, size: Annotated[int, Field(gt=0)] = 8, probability: Probability = 1.0) -> Change:
    """Paint a square of `size` pixels over with the image's mean colour; its middle is anywhere, part may lie outside.

    DeVries and Taylor (2017), Improved regularization of convolutional neural networks with cutout.

    >>> import dovetail as dt
    >>> dt.synthetic.cutout(8)
    cutout()
    """
    require_images(x)
    height, width = x.shape[2:]
    share, aspect = size * size / (height * width), height / width
    return Erase((share, share), (aspect, aspect), random=False, inside=False, probability=probability)
