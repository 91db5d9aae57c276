"""Colours changed: every change of brightness, contrast, saturation and hue is one 3x3 matrix and an offset."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..recipe import transform
from .transform import Change, Draw, Probability, Range, around, factors, require_pixels, up_to

LUMA = (0.299, 0.587, 0.114)  # how bright red, green and blue look (ITU-R BT.601)
_YIQ = [[0.299, 0.587, 0.114], [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]]


class Color:
    def __init__(self, channels: int, ends: dict[str, tuple[float, float]], probability: float) -> None:
        self.ends, self.probability = ends, probability
        self.luma = torch.tensor(LUMA if channels == 3 else [1.0])
        self.yiq = torch.tensor(_YIQ, dtype=torch.float64)
        self.rgb = torch.linalg.inv(self.yiq)

    def __call__(self, x: Tensor, draw: Draw) -> Tensor:
        n, channels = x.shape[:2]
        luma = self.luma.to(x)
        pixels = x.flatten(2)
        mean = pixels.mean(2)
        one = torch.eye(channels, device=x.device, dtype=x.dtype)
        matrix, offset = one.expand(n, channels, channels), x.new_zeros(n, channels)
        whether = draw.chosen(self.probability)
        for name, (low, high) in self.ends.items():
            amount = draw.uniform(low, high)
            if name == "brightness":
                matrix, offset = matrix * amount[:, None, None], offset * amount[:, None]
            elif name == "contrast":
                grey = (((matrix @ mean[:, :, None])[:, :, 0] + offset) @ luma)[:, None]
                matrix, offset = matrix * amount[:, None, None], offset * amount[:, None] + (1 - amount[:, None]) * grey
            elif name == "pca":
                spread = pixels - mean[:, :, None]
                covariance = spread @ spread.transpose(1, 2) / pixels.shape[2]
                offset = offset + (covariance @ draw.normal(channels, 1))[:, :, 0] * amount[:, None]
            else:
                step = self._saturation(amount, one, luma) if name == "saturation" else self._hue(amount)
                matrix, offset = step @ matrix, (step @ offset[:, :, None])[:, :, 0]
        matrix = one + whether[:, None, None] * (matrix - one)
        offset = whether[:, None] * offset
        return torch.baddbmm(offset[:, :, None], matrix, pixels).clamp_(0, 1).view_as(x)

    @staticmethod
    def _saturation(amount: Tensor, one: Tensor, luma: Tensor) -> Tensor:
        """Between the pixel's own grey (0), itself (1) and beyond."""
        return luma.expand_as(one) + amount[:, None, None] * (one - luma)

    def _hue(self, turn: Tensor) -> Tensor:
        """A rotation about the axis of greys, in the plane of I and Q; a turn is 1."""
        cosine, sine = (turn * (2 * math.pi)).cos(), (turn * (2 * math.pi)).sin()
        rotation = torch.zeros(len(turn), 3, 3, device=turn.device, dtype=turn.dtype)
        rotation[:, 0, 0] = 1
        rotation[:, 1, 1] = rotation[:, 2, 2] = cosine
        rotation[:, 1, 2], rotation[:, 2, 1] = -sine, sine
        turned: Tensor = self.rgb.to(turn) @ rotation @ self.yiq.to(turn)
        return turned


@transform
def color(
    x: Tensor,
    brightness: Range = 0.0,
    contrast: Range = 0.0,
    saturation: Range = 0.0,
    hue: Range = 0.0,
    pca: Range = 0.0,
    probability: Probability = 1.0,
) -> Change:
    """Transform RGB values: one affine map of colours an image, v' = A v + o, kept within 0 to 1.

    `brightness` and `contrast` are factors (about 0, about the image's mean grey), `saturation` the distance from a
    pixel's own grey, all 1 - r to 1 + r or [lowest, highest]; `hue` turns colours about the axis of greys by up to r of
    a full turn; `pca` adds a C z, C the covariance of the image's own colours, z normal, a from 0 to r. Grey images
    have brightness and contrast. Raises `ValueError` for other options on images without three channels.
    Krizhevsky, Sutskever and Hinton (2012), section 4.1: their p lambda alpha, summed over principal components, is
    distributed as 0.1 C z, here without finding the components, and with each image's own covariance.

    >>> import dovetail as dt
    >>> dt.synthetic.color(brightness=0.2, hue=[-0.05, 0.05])
    color(0.2, hue=[-0.05, 0.05])
    """
    require_pixels(x)
    ends = {"brightness": factors(brightness), "contrast": factors(contrast), "saturation": factors(saturation)}
    ends = {name: pair for name, pair in ends.items() if pair != (1, 1)}
    ends |= {name: pair for name, pair in (("hue", around(hue)), ("pca", up_to(pca))) if pair != (0, 0)}
    if x.shape[1] != 3 and set(ends) - {"brightness", "contrast"}:
        words = ", ".join(sorted(set(ends) - {"brightness", "contrast"}))
        raise ValueError(f"{words}: images with three channels have colours, these have {x.shape[1]}")
    return Color(x.shape[1], ends, probability)
