"""Antialiased bicubic resizing as Pillow does it: what TTSR and DIC were trained on.

Pillow's kernel has a = -0.5 and is widened when shrinking; ``finesight.degrade.resize`` is MATLAB's form, which differs
at the borders, and torch's plain bicubic has a = -0.75 and no antialiasing.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from finesight.errors import InputError

__all__ = ["bicubic", "bicubic_8bit", "scaled_size"]

_FRACTION = 22  # bits after the point of Pillow's integer weights


def scaled_size(size: tuple[int, int], factor: float) -> tuple[int, int]:
    """Both sides times ``factor``, rounded half up, at least 1.

    >>> scaled_size((41, 6), 1 / 4)
    (10, 2)
    """
    return max(int(size[0] * factor + 0.5), 1), max(int(size[1] * factor + 0.5), 1)


def bicubic(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (..., H, W) in [0, 1] to ``size`` without rounding, clamped to [0, 1]; differentiable."""
    # torch's own antialiased bicubic answers wrongly for an output of width 1 (torch 2.13: off by 0.03 of 1)
    rows = _resize_rows(image, size[1])
    return _resize_rows(rows.transpose(-1, -2), size[0]).transpose(-1, -2).clamp(0, 1)


def bicubic_8bit(levels: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize 8-bit levels (..., H, W) to ``size`` exactly as Pillow does: rows, rounding, columns, rounding.

    Pillow 13 takes the cheaper axis first; the published checkpoints come from the versions before it.

    Raises:
        InputError: the levels are not ``uint8``.
    """
    if levels.dtype != torch.uint8:
        raise InputError(f"8-bit resizing takes uint8 levels, got {levels.dtype}.")
    rows = _resize_rows(levels, size[1])
    return _resize_rows(rows.transpose(-1, -2), size[0]).transpose(-1, -2)


def _resize_rows(image: Tensor, length: int) -> Tensor:
    """The last axis to ``length``; integers with Pillow's integer weights, rounded."""
    if image.shape[-1] == length:
        return image
    positions, weights = _taps(image.shape[-1], length)
    if image.dtype == torch.uint8:
        whole = (weights * (1 << _FRACTION) + weights.sign() / 2).trunc().long()
        total = torch.full((*image.shape[:-1], length), 1 << (_FRACTION - 1), dtype=torch.int64, device=image.device)
        for position, weight in zip(positions.to(image.device), whole.to(image.device), strict=True):
            total += image.index_select(-1, position).long() * weight
        return (total >> _FRACTION).clamp(0, 255).to(torch.uint8)
    result = image.new_zeros(*image.shape[:-1], length)
    for position, weight in zip(positions.to(image.device), weights.to(image), strict=True):
        result = result + image.index_select(-1, position) * weight
    return result


def _taps(before: int, after: int) -> tuple[Tensor, Tensor]:
    """Positions and weights (float64, of sum 1) of every output pixel, each (taps, after)."""
    scale = before / after
    stretch = max(scale, 1.0)
    centre = (np.arange(after) + 0.5) * scale
    first = np.maximum(np.trunc(centre - 2 * stretch + 0.5), 0).astype(np.int64)
    last = np.minimum(np.trunc(centre + 2 * stretch + 0.5), before).astype(np.int64)
    positions = first + np.arange((last - first).max())[:, None]
    distance = np.abs((positions - centre + 0.5) / stretch)
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    weights = np.where(distance < 1, near, np.where(distance < 2, far, 0.0))
    weights = np.where(positions < last, weights, 0.0)
    return torch.from_numpy(np.minimum(positions, before - 1)), torch.from_numpy(weights / weights.sum(axis=0))
