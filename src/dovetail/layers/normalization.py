"""Normalization: signals kept at unit scale between layers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from ..recipe import layer

Small = Annotated[float, Field(gt=0)]


@layer
def batchnorm(
    x: Tensor, momentum: Annotated[float, Field(gt=0, le=1)] = 0.1, eps: Small = 1e-5, affine: bool = True
) -> nn.Module:
    """Normalize each channel over the batch, y = w (x - mean) / sqrt(variance + eps) + b.

    In evaluation mean and variance are running averages, r <- (1 - momentum) r + momentum * batch's, of which the
    variance divides by one less than the count. Shapes: (N, C) or (N, C, *S) with 1 to 3 spatial axes, unchanged.
    Raises `ValueError` for other numbers of axes. Ioffe and Szegedy (2015), Batch normalization.

    >>> import dovetail as dt, torch
    >>> dt.build([dt.batchnorm()], torch.zeros(1, 2))(torch.tensor([[1.0, 5.0], [3.0, 9.0]]))
    tensor([[-1.0000, -1.0000], [ 1.0000,  1.0000]], grad_fn=<NativeBatchNormBackward0>)
    """
    if x.dim() not in (2, 3, 4, 5):
        raise ValueError(f"expects an input (N, C) or (N, C, *S) with up to 3 spatial axes, got {x.dim()} axes")
    kind = (nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[x.dim() - 2]
    return kind(x.shape[1], eps=eps, momentum=momentum, affine=affine)


@layer
def layernorm(
    x: Tensor, axes: Annotated[int, Field(gt=0)] | None = None, eps: Small = 1e-5, affine: bool = True
) -> nn.Module:
    """Normalize each example over its last `axes` axes (all of them unless given), y = w (x - mean) / deviation + b.

    Shapes: (N, ...), unchanged. Raises `ValueError` where there are not as many axes. Ba, Kiros and Hinton (2016),
    Layer normalization.

    >>> import dovetail as dt, torch
    >>> dt.build([dt.layernorm(affine=False)], torch.zeros(1, 2))(torch.tensor([[1.0, 5.0]]))
    tensor([[-1.0000,  1.0000]])
    """
    own = x.dim() - 1
    if axes is not None and axes > own:
        raise ValueError(f"axes: {axes}, but an example has {own}")
    return nn.LayerNorm(list(x.shape[-(axes or own) :]), eps=eps, elementwise_affine=affine)


@layer
def localnorm(
    x: Tensor, size: Annotated[int, Field(gt=0)] = 5, alpha: Small = 1e-4, beta: Small = 0.75, k: Small = 1.0
) -> nn.Module:
    """Local response normalization, y[c] = x[c] / (k + alpha / size * sum over `size` channels around c of x^2)^beta.

    Shapes: (N, C, *S), unchanged. Raises `ValueError` without a spatial axis. Krizhevsky, Sutskever and Hinton (2012),
    ImageNet classification with deep convolutional neural networks, section 3.3 (whose alpha is not divided by the
    size).

    >>> import dovetail as dt, torch
    >>> dt.build([dt.localnorm(size=1, alpha=3.0, beta=0.5)], torch.zeros(1, 1, 1))(torch.ones(1, 1, 1))
    tensor([[[0.5000]]])
    """
    if x.dim() < 3:
        raise ValueError("expects an input (N, C, *S) with a spatial axis at least")
    return nn.LocalResponseNorm(size, alpha, beta, k)
