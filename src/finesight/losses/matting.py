"""Losses of alpha mattes: of what they compose, and of their pyramid of details.

Everywhere ``alpha`` and ``truth`` are ``(N, 1, H, W)`` in [0, 1] and ``unknown`` is ``(N, 1, H, W)``: 1 where the
trimap leaves the alpha open, 0 elsewhere. Losses are masked means over the unknown pixels; none unknown gives 0.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.losses import pixel
from finesight.losses.pixel import Reduction
from finesight.nn.trimap import UNKNOWN

__all__ = ["charbonnier_composition", "composed", "l1_composition", "laplacian", "mse_composition", "unknown_weight"]

_TOLERANCE = 1e-3  # of a level between classes, for trimaps that come as 128 / 255


def unknown_weight(trimap: Tensor) -> Tensor:
    """1 where a trimap is unknown, 0 elsewhere, ``(N, 1, H, W)``.

    Args:
        trimap: classes 0, 1, 2 of ``nn.trimap``, ``(N, 1, H, W)``, or one-hot ``(N, 3, H, W)``.
    """
    if trimap.shape[1] == 3:
        return trimap[:, UNKNOWN : UNKNOWN + 1]
    return ((trimap - UNKNOWN).abs() < _TOLERANCE).to(trimap.dtype)


def composed(alpha: Tensor, foreground: Tensor, background: Tensor) -> Tensor:
    """``alpha F + (1 - alpha) B`` (``(N, 3, H, W)``)."""
    return alpha * foreground + (1 - alpha) * background


def _composition(
    between: Callable[..., Tensor],
    alpha: Tensor,
    foreground: Tensor,
    background: Tensor,
    merged: Tensor,
    unknown: Tensor | None,
    reduction: Reduction,
) -> Tensor:
    return between(composed(alpha, foreground, background), merged, unknown, reduction=reduction)


def charbonnier_composition(
    alpha: Tensor,
    foreground: Tensor,
    background: Tensor,
    merged: Tensor,
    unknown: Tensor | None = None,
    *,
    reduction: Reduction = "mean",
) -> Tensor:
    """Charbonnier between what alpha composes and the picture (Deep Image Matting, equation 3).

    Args:
        alpha: estimated.
        foreground, background, merged: true colours and the picture, ``(N, 3, H, W)`` in one range.
        unknown: where it counts; the mean is over its pixels times three colours.
        reduction: of ``losses.pixel``; ``sample-mean`` is what IndexNet uses.
    """
    return _composition(pixel.charbonnier, alpha, foreground, background, merged, unknown, reduction)


def l1_composition(
    alpha: Tensor,
    foreground: Tensor,
    background: Tensor,
    merged: Tensor,
    unknown: Tensor | None = None,
    *,
    reduction: Reduction = "mean",
) -> Tensor:
    """The same with absolute differences."""
    return _composition(pixel.l1, alpha, foreground, background, merged, unknown, reduction)


def mse_composition(
    alpha: Tensor,
    foreground: Tensor,
    background: Tensor,
    merged: Tensor,
    unknown: Tensor | None = None,
    *,
    reduction: Reduction = "mean",
) -> Tensor:
    """The same with squared differences."""
    return _composition(pixel.mse, alpha, foreground, background, merged, unknown, reduction)


def laplacian(alpha: Tensor, truth: Tensor, unknown: Tensor | None = None, *, levels: int = 4) -> Tensor:
    """Sum over a Laplacian pyramid of 2^level times the mean absolute difference (Hou and Liu, ICCV 2019).

    Args:
        levels: of the pyramid; sides must be at least ``2 ** levels``.
    """
    total = alpha.new_zeros(())
    weight = torch.ones_like(alpha) if unknown is None else unknown
    difference = alpha - truth  # the pyramid is linear
    for level in range(levels):
        smaller = F.avg_pool2d(_blurred(difference), 2, ceil_mode=True)
        size = difference.shape[-2:]
        larger = F.interpolate(smaller, scale_factor=2.0, mode="bilinear")[..., : size[0], : size[1]]
        total = total + 2**level * pixel.reduced((difference - larger).abs(), weight)
        difference = smaller
        weight = F.avg_pool2d(weight, 2, ceil_mode=True)
    return total


def _blurred(image: Tensor) -> Tensor:
    """The binomial filter 1 4 6 4 1 along both axes, borders repeated."""
    taps = image.new_tensor([1.0, 4, 6, 4, 1]) / 16
    padded = F.pad(image, (2, 2, 2, 2), mode="replicate")
    return F.conv2d(F.conv2d(padded, taps.view(1, 1, 1, 5)), taps.view(1, 1, 5, 1))
