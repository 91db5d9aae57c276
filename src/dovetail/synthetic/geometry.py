"""Affine transforms: images shifted, scaled, turned, sheared, squeezed, cropped and flipped."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from ..recipe import transform
from .flow import Flow
from .transform import Draw, Probability, Range, Warp, around, factors, require_images

_STEEPEST = 2


class Turn(Warp):
    """A linear map drawn for each image: `entries` gives xx, xy, yx, yy of the backward map from a drawn amount."""

    def __init__(
        self,
        ends: tuple[float, float],
        probability: float,
        neutral: float,
        entries: Callable[[Tensor], tuple[Tensor | float, ...]],
    ) -> None:
        self.ends, self.probability, self.neutral, self.entries = ends, probability, neutral, entries

    def warp(self, flow: Flow, draw: Draw) -> None:
        amount = draw.amount(*self.ends, self.probability, self.neutral)
        linear = amount.new_zeros(draw.rows, 2, 2)
        for place, entry in enumerate(self.entries(amount)):
            linear[:, place // 2, place % 2] = entry
        flow.turn(linear)


class Shift(Warp):
    def __init__(self, ends: tuple[float, float], probability: float, whole: bool) -> None:
        self.ends, self.probability, self.whole = ends, probability, whole

    def warp(self, flow: Flow, draw: Draw) -> None:
        shift = draw.uniform(*self.ends, 2)
        if self.whole:
            shift = shift.round()
        if self.probability < 1:
            shift *= draw.chosen(self.probability)[:, None]
        flow.move(shift)


@transform
def shift(x: Tensor, by: Range = 2.0, probability: Probability = 1.0) -> Warp:
    """Move the image by up to `by` pixels along both axes, each drawn by itself.

    `by` is how far either way, or [lowest, highest]. LeCun et al. (1998), Gradient-based learning applied to document
    recognition, section III B.

    >>> import dovetail as dt
    >>> dt.synthetic.shift(3)
    shift(3.0)
    """
    require_images(x)
    return Shift(around(by), probability, whole=False)


@transform
def scale(x: Tensor, by: Range = 0.15, probability: Probability = 1.0) -> Warp:
    """Magnify the image about its middle by a factor, 1 - `by` to 1 + `by`, or [lowest, highest].

    Raises `ValueError` where a factor could be 0 or less.

    >>> import dovetail as dt
    >>> dt.synthetic.scale([0.5, 1.5])
    scale([0.5, 1.5])
    """
    require_images(x)
    return Turn(factors(by), probability, 1.0, lambda factor: (1 / factor, 0.0, 0.0, 1 / factor))


@transform
def rotate(x: Tensor, degrees: Range = 10.0, probability: Probability = 1.0) -> Warp:
    """Turn the image about its middle by up to `degrees` either way, or by [lowest, highest], against the clock.

    >>> import dovetail as dt
    >>> dt.synthetic.rotate(15)
    rotate(15.0)
    """
    require_images(x)

    def entries(angle: Tensor) -> tuple[Tensor, ...]:
        radians = angle * (math.pi / 180)
        cosine, sine = radians.cos(), radians.sin()
        return cosine, -sine, sine, cosine

    return Turn(around(degrees), probability, 0.0, entries)


@transform
def shear(x: Tensor, by: Range = 0.2, probability: Probability = 1.0) -> Warp:
    """Slant the image: a row moves by `by` times its distance from the middle, as italics do; either way, or a range.

    Raises `ValueError` for slopes above 2, which leave streaks: degrees are for `rotate`.

    >>> import dovetail as dt
    >>> dt.synthetic.shear(0.3)
    shear(0.3)
    """
    require_images(x)
    ends = around(by)
    if max(map(abs, ends)) > _STEEPEST:
        raise ValueError(f"by is a slope of at most {_STEEPEST} (0.2 is about 11 degrees), not {max(map(abs, ends)):g}")
    return Turn(ends, probability, 0.0, lambda slant: (1.0, slant, 0.0, 1.0))


@transform
def squeeze(x: Tensor, by: Range = 0.15, probability: Probability = 1.0) -> Warp:
    """Squeeze the image one way and stretch it the other: widths times s, heights by s, s in 1 - `by` to 1 + `by`.

    Raises `ValueError` where s could be 0 or less. LeCun et al. (1998), section III B.

    >>> import dovetail as dt
    >>> dt.synthetic.squeeze(0.2)
    squeeze(0.2)
    """
    require_images(x)
    return Turn(factors(by), probability, 1.0, lambda factor: (1 / factor, 0.0, 0.0, factor))


class Crop(Warp):
    def __init__(self, area: tuple[float, float], aspect: tuple[float, float], probability: float) -> None:
        self.area, self.probability = area, probability
        self.aspect = math.log(aspect[0]), math.log(aspect[1])

    def warp(self, flow: Flow, draw: Draw) -> None:
        share = draw.uniform(*self.area).sqrt()
        narrow = (draw.uniform(*self.aspect) / 2).exp()
        size = torch.stack([share * narrow, share / narrow], 1).clamp_(max=1)  # of the window, of width and height
        place = draw.uniform(-0.5, 0.5, 2) * (1 - size)  # its middle
        if self.probability < 1:
            chosen = draw.chosen(self.probability)[:, None]
            size, place = 1 + chosen * (size - 1), chosen * place
        flow.move(-place * place.new_tensor([flow.width, flow.height]))
        flow.turn(torch.diag_embed(size))


@transform
def crop(
    x: Tensor,
    pad: Annotated[int, Field(ge=0)] = 4,
    area: Range | None = None,
    aspect: Range = 0.0,
    probability: Probability = 1.0,
) -> Warp:
    """Cut a window out and show it at the image's size.

    By default a window of the same size from the image with `pad` pixels more at each side, at a whole pixel. With
    `area`, [lowest, highest] share of the image or 1 - `area` to 1, a window within it, its width to its height
    as `aspect` says: 1 - `aspect` to 1 + `aspect`, or a range. Szegedy et al. (2015), Going deeper with convolutions,
    section 6. Raises `ValueError` for an area above the whole.

    >>> import dovetail as dt
    >>> dt.synthetic.crop(area=[0.25, 1.0], aspect=[0.75, 1.33])
    crop(area=[0.25, 1.0], aspect=[0.75, 1.33])
    """
    require_images(x)
    if area is None:
        half = pad + 0.5 - 1e-6
        return Shift((-half, half), probability, whole=True)
    low, high = around(area) if isinstance(area, list) else (1 - area, 1.0)
    if not 0 < low <= high <= 1:
        raise ValueError(f"area is a share of the image, above 0 and at most 1, not {area}")
    return Crop((low, high), factors(aspect), probability)


@transform
def flip(x: Tensor, axis: Literal["horizontal", "vertical"] = "horizontal", probability: Probability = 0.5) -> Warp:
    """Mirror the image, `horizontal` (left and right change places) or `vertical`, with a probability.

    >>> import dovetail as dt
    >>> dt.synthetic.flip()
    flip()
    """
    require_images(x)
    sideways = axis == "horizontal"
    return Turn((-1.0, -1.0), probability, 1.0, lambda s: (s, 0.0, 0.0, 1.0) if sideways else (1.0, 0.0, 0.0, s))
