"""Elastic distortion: images bent as if a hand had trembled."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from ..recipe import transform
from .flow import Flow, centred
from .transform import Amount, Draw, Probability, Range, Warp, require_images, up_to


class Elastic(Warp):
    def __init__(self, alpha: tuple[float, float], sigma: float, probability: float) -> None:
        self.alpha, self.sigma, self.probability = alpha, sigma, probability

    def warp(self, flow: Flow, draw: Draw) -> None:
        kind = flow.affine.dtype, flow.affine.device
        f, g = (smooth_basis(size, self.sigma, *kind) for size in (flow.height, flow.width))
        alpha = draw.amount(*self.alpha, self.probability) * math.sqrt(1 / 3)  # the deviation of U(-1, 1)
        flow.bend(draw.normal(2, f.shape[1], g.shape[1]) * alpha[:, None, None, None], f, g)


@lru_cache
def smooth_basis(
    size: int, sigma: float, dtype: torch.dtype = torch.float64, device: torch.device | None = None
) -> Tensor:
    """B (size, R) such that B z is white noise blurred by a Gaussian of `sigma` pixels, for z normal, R small.

    The blurred noise's covariance is K = G G^T, G the Gaussian's weights over a line that reaches beyond both ends; B
    holds K's eigenvectors times the roots of its eigenvalues, those that matter: the variance left out is below 1e-5.
    """
    reach = math.ceil(4 * sigma)
    position = centred(size, torch.empty(0, dtype=torch.float64))
    beyond = centred(size + 2 * reach, position)
    weights = (-((position[:, None] - beyond) ** 2) / (2 * sigma**2)).exp() / (sigma * math.sqrt(2 * math.pi))
    weights /= weights.sum(1, keepdim=True)
    values, vectors = torch.linalg.eigh(weights @ weights.T)
    values, vectors = values.flip(0).clamp_(min=0), vectors.flip(1)
    left_out = 1 - values.cumsum(0) / values.sum()
    rank = int((left_out > 1e-5).sum()) + 1
    signs = torch.where(vectors[0] < 0, -1.0, 1.0)  # an eigenvector's sign is anybody's choice
    basis: Tensor = (vectors * signs * values.sqrt())[:, :rank]
    return basis.to(device, dtype)


@transform
def elastic(x: Tensor, alpha: Range = 34.0, sigma: Amount = 4.0, probability: Probability = 1.0) -> Warp:
    """Displace every pixel by smooth noise: d = alpha * (Gaussian of `sigma` pixels over noise uniform in -1 to 1).

    dx and dy are drawn by themselves, in pixels; alpha is a number, or drawn from [lowest, highest]. The displacement
    has Simard's covariance and is normal, which a sum of a hundred uniform numbers nearly is; so a hundred or two
    random numbers an image make it, instead of two a pixel. Simard, Steinkraus and Platt (2003), Best practices for
    convolutional neural networks, section 2.

    >>> import dovetail as dt
    >>> dt.synthetic.elastic(alpha=20, sigma=4)
    elastic(20.0)
    """
    require_images(x)
    if not sigma:
        raise ValueError("sigma is above 0: the displacement is smooth over that many pixels")
    return Elastic(up_to(alpha) if isinstance(alpha, list) else (alpha, alpha), sigma, probability)
