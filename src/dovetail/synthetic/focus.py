"""Images out of focus, and sharper than they were."""

from __future__ import annotations

import torch
from torch import Tensor

from ..recipe import transform
from .flow import centred
from .transform import Amount, Change, Draw, Probability, Range, require_images, require_pixels, up_to


class Blur:
    def __init__(self, sigma: tuple[float, float], probability: float) -> None:
        self.sigma, self.probability = sigma, probability

    def __call__(self, x: Tensor, draw: Draw) -> Tensor:
        sigma = draw.amount(*self.sigma, self.probability)
        return blurred(x, sigma)


class Sharpen:
    def __init__(self, by: tuple[float, float], sigma: float, probability: float) -> None:
        self.by, self.sigma, self.probability = by, sigma, probability

    def __call__(self, x: Tensor, draw: Draw) -> Tensor:
        by = draw.amount(*self.by, self.probability)[:, None, None, None]
        soft = blurred(x, x.new_full((1,), self.sigma))
        return torch.addcmul(x, by, x - soft).clamp_(0, 1)


def blurred(x: Tensor, sigma: Tensor) -> Tensor:
    """Images (N, C, H, W), each under a Gaussian of its own sigma (N,) or of one for all (1,), as matrix products.

    Near an edge the weights that fall within the image are scaled to a sum of 1.
    """
    n, channels, height, width = x.shape
    across, down = gaussian(width, sigma), gaussian(height, sigma)
    rows = x.reshape(n, channels * height, width) @ across.transpose(1, 2)
    if channels == 1:
        return (down @ rows).view(n, 1, height, width)
    return torch.matmul(down[:, None], rows.view(n, channels, height, width))


def gaussian(size: int, sigma: Tensor) -> Tensor:
    """(N, size, size): the weights with which each place (row) takes every other; the identity for sigma 0."""
    place = centred(size, sigma)
    distance = (place[:, None] - place) ** 2
    weights = (distance * (-0.5 / sigma.clamp(min=1e-3) ** 2)[:, None, None]).exp_()
    return weights / weights.sum(2, keepdim=True)


@transform
def blur(x: Tensor, sigma: Range = 1.0, probability: Probability = 1.0) -> Change:
    """Blur by a Gaussian of `sigma` pixels, 0 to `sigma` or [lowest, highest], drawn for each image.

    >>> import dovetail as dt
    >>> dt.synthetic.blur([0.5, 1.5], probability=0.5)
    blur([0.5, 1.5], probability=0.5)
    """
    require_images(x)
    return Blur(up_to(sigma), probability)


@transform
def sharpen(x: Tensor, by: Range = 1.0, sigma: Amount = 1.0, probability: Probability = 1.0) -> Change:
    """Sharpen by an unsharp mask, x + a (x - blurred x), a from 0 to `by` or [lowest, highest], kept within 0 to 1.

    >>> import dovetail as dt
    >>> dt.synthetic.sharpen(0.5)
    sharpen(0.5)
    """
    require_pixels(x)
    return Sharpen(up_to(by), sigma, probability)
