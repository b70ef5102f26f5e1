"""Resizing as OpenCV does it, which differs from torch in the mode ``area``: exact shares of pixels, not whole ones."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["area_matrix", "resized"]

Mode = Literal["area", "bilinear", "bicubic"]
_SLIVER = 1e-3  # OpenCV leaves out shares of a pixel below this


def area_matrix(old: int, new: int) -> Tensor:
    """What OpenCV's INTER_AREA does along one axis, float64 ``(new, old)``.

    Shrinking is the mean over the new pixel's extent. Enlarging is linear between two pixels only where the new pixel
    lies across their border.
    """
    if new > old:
        return _linear(old, new)
    scale = old / new
    edge = torch.arange(old, dtype=torch.float64)
    start = torch.arange(new, dtype=torch.float64)[:, None] * scale
    extent = (old - start).clamp(max=scale)
    share = (torch.minimum(start + scale, edge + 1) - torch.maximum(start, edge)).clamp(min=0)
    share[share < _SLIVER] = 0
    return share / extent


def resized(image: Tensor, mode: Mode, size: tuple[int, int]) -> Tensor:
    """``cv2.resize`` of ``(N, C, H, W)`` to ``size`` (height, width), at least one pixel each; not clipped."""
    size = (max(1, size[0]), max(1, size[1]))
    old = (image.shape[-2], image.shape[-1])
    if size == old:
        return image
    if mode != "area":
        return F.interpolate(image, size=size, mode=mode)
    if size[0] > old[0] or size[1] > old[1]:  # any axis that grows makes both linear
        down, across = (_linear(a, b) for a, b in zip(old, size, strict=True))
    else:
        down, across = (area_matrix(a, b) for a, b in zip(old, size, strict=True))
    answer: Tensor = down.to(image) @ image @ across.to(image).T
    return answer


def _linear(old: int, new: int) -> Tensor:
    """The rule of axes that grow."""
    scale = old / new
    number = torch.arange(new, dtype=torch.float64)
    low = (number * scale).floor().long().clamp(max=old - 1)
    part = (number + 1) - (low + 1) / scale
    part = torch.where(part <= 0, torch.zeros_like(part), part - part.floor())
    matrix = torch.zeros(new, old, dtype=torch.float64)
    matrix.scatter_add_(1, low[:, None], (1 - part)[:, None])
    matrix.scatter_add_(1, (low + 1).clamp(max=old - 1)[:, None], part[:, None])
    return matrix
