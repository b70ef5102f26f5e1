"""MATLAB's ``imresize``: the resampling that makes the low resolution of every bicubic benchmark.

Differs from OpenCV (no antialiasing) and from ``torch.nn.functional.interpolate`` (coefficient -0.75, other border).
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from finesight.errors import SettingError

__all__ = ["Kernel", "Rounding", "output_length", "resize", "resize_8bit", "taps"]

Kernel = Literal["bicubic", "bilinear", "lanczos3"]
Rounding = Literal["half-away", "half-even"]
_WIDTH = {"bicubic": 4.0, "bilinear": 2.0, "lanczos3": 6.0}


def _kernel(x: np.ndarray, kernel: Kernel) -> np.ndarray:
    a = np.abs(x)
    if kernel == "bilinear":
        return np.asarray(np.maximum(1 - a, 0))
    if kernel == "lanczos3":
        return np.asarray(np.where(a < 3, np.sinc(x) * np.sinc(x / 3), 0))
    inner = 1.5 * a**3 - 2.5 * a**2 + 1
    outer = -0.5 * a**3 + 2.5 * a**2 - 4 * a + 2
    return np.asarray(np.where(a <= 1, inner, np.where(a <= 2, outer, 0)))


def output_length(length: int, scale: float) -> int:
    """``ceil(scale * length)``, the size MATLAB gives when it is called with a scale."""
    return math.ceil(scale * length)


def taps(length: int, out: int, scale: float, kernel: Kernel, antialias: bool) -> tuple[np.ndarray, np.ndarray]:
    """For each output position the input positions it reads, mirrored into range, and their weights: (out, taps)."""
    stretch = scale if antialias and scale < 1 else 1.0
    support = _WIDTH[kernel] / stretch
    centre = np.arange(1, out + 1, dtype=np.float64) / scale + (1 - 1 / scale) / 2  # one-based, as MATLAB counts
    left = np.floor(centre - support / 2)
    positions = left[:, None] + np.arange(math.ceil(support) + 2)
    weights = stretch * _kernel(stretch * (centre[:, None] - positions), kernel)
    weights /= weights.sum(1, keepdims=True)
    used = np.any(weights != 0, axis=0)
    positions, weights = positions[:, used].astype(np.int64) - 1, weights[:, used]
    folded = np.mod(positions, 2 * length)
    return np.where(folded < length, folded, 2 * length - 1 - folded), weights


def _sizes(
    height: int, width: int, scale: float | None, size: tuple[int, int] | None
) -> tuple[tuple[int, float], tuple[int, float]]:
    """Output length and scale of rows and of columns."""
    if (scale is None) == (size is None):
        raise SettingError("resize takes either a scale or a size, and exactly one of them")
    if scale is not None:
        if not (math.isfinite(scale) and scale > 0):
            raise SettingError(f"resize needs a positive scale, got {scale}")
        return (output_length(height, scale), scale), (output_length(width, scale), scale)
    assert size is not None
    if min(size) < 1:
        raise SettingError(f"resize needs a size of at least 1x1, got {size[0]}x{size[1]}")
    return (size[0], size[0] / height), (size[1], size[1] / width)


def _along(image: Tensor, axis: int, out: int, scale: float, kernel: Kernel, antialias: bool) -> Tensor:
    """Resample one axis by a sum over taps: no dense matrix, so that long axes stay cheap."""
    if axis == image.dim() - 1:  # whole rows are gathered many times faster than single pixels
        return _along(image.transpose(-1, -2).contiguous(), axis - 1, out, scale, kernel, antialias).transpose(-1, -2)
    index, weight = taps(image.shape[axis], out, scale, kernel, antialias)
    shape = [1] * image.dim()
    shape[axis] = out
    total: Tensor | None = None
    for tap in range(index.shape[1]):
        part = image.index_select(axis, torch.from_numpy(index[:, tap]).to(image.device))
        part = part * torch.from_numpy(weight[:, tap]).to(image).reshape(shape)
        total = part if total is None else total.add_(part) if not part.requires_grad else total + part
    assert total is not None
    return total


def resize(
    image: Tensor,
    *,
    scale: float | None = None,
    size: tuple[int, int] | None = None,
    kernel: Kernel = "bicubic",
    antialias: bool = True,
) -> Tensor:
    """Resample a batch as MATLAB's ``imresize`` does for floating point pictures; differentiable.

    Args:
        image: ``(..., H, W)`` floating point, any range; computed in its own precision with float64 weights.
        scale: output over input size; the output has ``ceil(scale * length)`` pixels and the weights use ``scale``.
        size: ``(height, width)`` of the output; the weights use its ratio on each axis.
        kernel: ``bicubic`` (a = -0.5), ``bilinear`` or ``lanczos3``.
        antialias: widen the kernel when shrinking.

    Returns:
        The resampled batch, not clipped: overshoot is kept.

    >>> resize(torch.ones(1, 3, 8, 6), scale=0.5).shape
    torch.Size([1, 3, 4, 3])

    Raises:
        SettingError: both or none of ``scale`` and ``size`` are given, or one is not positive.
    """
    rows, columns = _sizes(image.shape[-2], image.shape[-1], scale, size)
    order = ((-2, *rows), (-1, *columns)) if rows[1] <= columns[1] else ((-1, *columns), (-2, *rows))
    for axis, out, axis_scale in order:
        image = _along(image, image.dim() + axis, out, axis_scale, kernel, antialias)
    return image.contiguous()


def resize_8bit(
    image: Tensor,
    *,
    scale: float | None = None,
    size: tuple[int, int] | None = None,
    kernel: Kernel = "bicubic",
    antialias: bool = True,
    rounding: Rounding = "half-away",
) -> Tensor:
    """Resample 8-bit pictures exactly as MATLAB does: rounded half away from zero and clipped after *each* axis.

    Args:
        image: uint8 ``(..., H, W)``; the other arguments as in ``resize``.
        rounding: ``half-even`` is what the NTIRE challenge's ``imresize`` does (numpy's rounding).

    Returns:
        uint8, bit for bit MATLAB's (the published x4 inputs of Set5 are reproduced).
    """
    if image.dtype != torch.uint8:
        raise SettingError(f"resize_8bit needs uint8 pictures, got {image.dtype}")
    rows, columns = _sizes(image.shape[-2], image.shape[-1], scale, size)
    order = ((-2, *rows), (-1, *columns)) if rows[1] <= columns[1] else ((-1, *columns), (-2, *rows))
    for axis, out, axis_scale in order:
        exact = _along(image.double(), image.dim() + axis, out, axis_scale, kernel, antialias)
        exact = exact.round_() if rounding == "half-even" else exact.add_(0.5).floor_()
        image = exact.clamp_(0, 255).byte()
    return image.contiguous()
