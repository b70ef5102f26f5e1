"""Losses between pictures, pixel by pixel, with masks as mmediting 0.16.1 counts them.

Everywhere ``restored`` and ``truth`` are ``(N, C, H, W)`` and ``mask`` is ``(N, 1, H, W)`` or ``(N, C, H, W)``: it
multiplies the loss of each element, and a mean is then over the masked elements only.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.errors import SettingError

__all__ = ["Reduction", "charbonnier", "gradient", "l1", "mse", "reduced", "total_variation"]

Reduction = Literal["mean", "sum", "none", "sample-mean"]
_SMALL = 1e-12  # an all-zero mask gives 0, not NaN


def reduced(loss: Tensor, mask: Tensor | None = None, reduction: Reduction = "mean") -> Tensor:
    """Elementwise ``loss`` to what training minimises.

    Args:
        loss: ``(N, C, H, W)``.
        mask: weights of the elements, or ``None`` for all equal.
        reduction: ``mean`` over the (masked) elements, ``sum``, ``none`` (masked, not reduced), or ``sample-mean``:
            the mean of each sample's own masked mean.

    Raises:
        SettingError: an unknown reduction, or a mask that does not fit.
    """
    if reduction not in ("mean", "sum", "none", "sample-mean"):
        raise SettingError(f"reduction: expected mean, sum, none or sample-mean, got {reduction}")
    if mask is not None:
        n, c, h, w = loss.shape
        if mask.shape not in ((n, 1, h, w), (n, c, h, w)):
            raise SettingError(f"mask: expected {(n, 1, h, w)} or {(n, c, h, w)}, got {tuple(mask.shape)}")
        mask = mask.expand_as(loss)
        loss = loss * mask
    if reduction == "none":
        return loss
    if reduction == "sum":
        return loss.sum()
    if reduction == "sample-mean":
        weight = torch.ones_like(loss) if mask is None else mask
        return (loss.sum((1, 2, 3)) / (weight.sum((1, 2, 3)) + _SMALL)).mean()
    return loss.mean() if mask is None else loss.sum() / (mask.sum() + _SMALL)


def l1(restored: Tensor, truth: Tensor, mask: Tensor | None = None, *, reduction: Reduction = "mean") -> Tensor:
    """|restored - truth|."""
    return reduced((restored - truth).abs(), mask, reduction)


def mse(restored: Tensor, truth: Tensor, mask: Tensor | None = None, *, reduction: Reduction = "mean") -> Tensor:
    """(restored - truth)^2."""
    return reduced((restored - truth).square(), mask, reduction)


def charbonnier(
    restored: Tensor,
    truth: Tensor,
    mask: Tensor | None = None,
    *,
    epsilon: float = 1e-12,
    reduction: Reduction = "mean",
) -> Tensor:
    """sqrt((restored - truth)^2 + epsilon): L1 with a round bottom (Lai et al., CVPR 2017).

    Args:
        epsilon: inside the root and not squared, as published implementations have it.
    """
    return reduced(torch.sqrt((restored - truth).square() + epsilon), mask, reduction)


def total_variation(image: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean absolute difference of vertical neighbours plus that of horizontal ones.

    Args:
        mask: ``(N, 1, H, W)``; a difference takes the mask of its upper or left pixel, and each direction is a masked
            mean of its own (inpainting: only the hole is smoothed).
    """
    down = l1(image[:, :, :-1], image[:, :, 1:], None if mask is None else mask[:, :, :-1])
    right = l1(image[:, :, :, :-1], image[:, :, :, 1:], None if mask is None else mask[:, :, :, :-1])
    return down + right


def gradient(restored: Tensor, truth: Tensor, mask: Tensor | None = None, *, reduction: Reduction = "mean") -> Tensor:
    """L1 between Sobel gradients, along x plus along y; each channel by itself, zero padding.

    The published code accepts one channel only; there the two are equal.
    """
    across = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]]).to(restored)
    total = restored.new_zeros(())
    for kernel in (across, across.T):
        filters = kernel[None, None].repeat(restored.shape[1], 1, 1, 1)
        first, second = (F.conv2d(p, filters, padding=1, groups=p.shape[1]) for p in (restored, truth))
        total = total + l1(first, second, mask, reduction=reduction)
    return total
