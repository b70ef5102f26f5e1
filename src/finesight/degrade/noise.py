"""Noise of sensors: Gaussian and Poisson, in colour or grey, as fields that are added to a picture in [0, 1]."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["gaussian_field", "poisson_field", "poisson_levels", "with_noise"]

_LUMA = (0.299, 0.587, 0.114)


def gaussian_field(standard: Tensor, sigma: Tensor | float) -> Tensor:
    """``standard`` normal numbers, ``(N, 1 or 3, H, W)``, times ``sigma`` grey levels (one number or ``(N,)``)."""
    amount = torch.as_tensor(sigma, dtype=standard.dtype, device=standard.device).reshape(-1, 1, 1, 1)
    return standard * amount / 255


def poisson_levels(image: Tensor) -> float:
    """2^ceil(log2(number of distinct grey levels)) of one picture: how finely its light is counted."""
    return float(2 ** math.ceil(math.log2(len(torch.unique(image)))))


def _levels_8bit(gray_levels: Tensor) -> float:
    """``poisson_levels`` of whole numbers 0..255: a histogram instead of a sort."""
    used = torch.zeros(256, dtype=torch.bool, device=gray_levels.device)
    used[gray_levels.flatten().long()] = True
    return float(2 ** math.ceil(math.log2(int(used.sum()))))


def poisson_field(image: Tensor, scale: Tensor | float, *, gray: bool, generator: torch.Generator | None) -> Tensor:
    """Photon noise: (Poisson(V y) / V - y) scale, where y is the picture on the 8-bit grid and V ``poisson_levels``.

    Args:
        image: ``(N, 3, H, W)`` RGB in [0, 1]; V is counted for each picture.
        scale: strength, one number or ``(N,)``.
        gray: the field of the luma for all channels, ``(N, 1, H, W)``.
        generator: where chance comes from.
    """
    if gray:
        weights = torch.tensor(_LUMA).to(image).reshape(1, 3, 1, 1)
        image = (image * weights).sum(1, keepdim=True)
    gray_levels = (image * 255).round().clamp(0, 255)
    levels = gray_levels / 255
    counts = torch.tensor([_levels_8bit(one) for one in gray_levels]).to(image).reshape(-1, 1, 1, 1)
    drawn = torch.poisson(levels * counts, generator=generator) / counts
    amount = torch.as_tensor(scale, dtype=image.dtype, device=image.device).reshape(-1, 1, 1, 1)
    return (drawn - levels) * amount


def with_noise(image: Tensor, field: Tensor, *, rounded: bool = False) -> Tensor:
    """The picture with a field added, clipped to [0, 1]; ``rounded`` brings it to the 8-bit grid."""
    noisy = image + field
    if rounded:
        noisy = (noisy * 255).round() / 255
    return noisy.clamp(0, 1)
