"""Means and deviations of a training part, exact and independent of any order."""

from __future__ import annotations

import torch
from torch import Tensor

from ..recipe.facts import Target


def image_statistics(images: Tensor) -> tuple[list[float], list[float]]:
    """Mean and deviation of each channel of uint8 images (N, C, H, W); a constant channel deviates by 1."""
    means, deviations = [], []
    values = torch.arange(256, dtype=torch.float64)
    for channel in images.unbind(1):
        counts = torch.bincount(channel.reshape(-1).int(), minlength=256).double()
        mean = float((counts * values).sum() / counts.sum())
        variance = float((counts * (values - mean) ** 2).sum() / counts.sum())
        means.append(mean)
        deviations.append(variance**0.5 or 1.0)
    return means, deviations


def border_brightness(images: Tensor) -> float:
    """The mean value along the edges of uint8 images (N, C, H, W): what their background looks like."""
    edges = [images[..., 0, :], images[..., -1, :], images[..., :, 0], images[..., :, -1]]
    return float(torch.stack([edge.double().mean() for edge in edges]).mean())


def channel_statistics(x: Tensor) -> tuple[list[float], list[float]]:
    """Mean and deviation of each feature of (N, F), or each channel of (N, C, ...); constants deviate by 1."""
    wide = x.double().transpose(0, 1).reshape(x.shape[1], -1)
    constant = wide.amin(1) == wide.amax(1)  # its deviation is rounding, which would be divided by
    return wide.mean(1).tolist(), torch.where(constant, 1.0, wide.std(1, correction=0)).tolist()


def class_target(names: list[str], targets: Tensor) -> Target:
    """Facts of a class target, counted on the training part."""
    return Target("class", len(names), names, torch.bincount(targets, minlength=len(names)).tolist())


def number_target(names: list[str], targets: Tensor) -> Target:
    """Facts of a target of numbers (N, components), from the training part."""
    mean, deviation = channel_statistics(targets)
    return Target("numbers", targets.shape[1], names, [], mean, deviation)
