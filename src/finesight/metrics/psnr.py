"""Peak signal-to-noise ratio."""

from __future__ import annotations

from torch import Tensor

from finesight.metrics.inputs import check_pair, crop, double

__all__ = ["mse", "psnr"]


def mse(restored: Tensor, truth: Tensor, *, border: int = 0) -> Tensor:
    """Mean squared difference over channels and pixels, computed in float64.

    Args:
        restored, truth: (N, C, H, W) of one range.
        border: pixels left out on each side.

    Returns:
        (N,) float64, in squared units of the range.
    """
    check_pair(restored, truth, what="the mean squared error")
    difference = double(crop(restored, border)) - double(crop(truth, border))
    return difference.square().mean(dim=(1, 2, 3))


def psnr(restored: Tensor, truth: Tensor, *, peak: float = 1.0, border: int = 0) -> Tensor:
    """10 log10(peak² / mean squared difference): over all channels; infinite for identical pictures.

    Args:
        restored, truth: (N, C, H, W) in [0, peak]. For PSNR-Y pass ``luma(restored)`` and ``luma(truth)``.
        peak: the largest possible value.
        border: pixels left out on each side (super-resolution tables: the scale).

    Returns:
        (N,) float64, dB.

    >>> import torch
    >>> psnr(torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 0.1)).round(decimals=4).tolist()
    [20.0]
    """
    return 10 * (peak**2 / mse(restored, truth, border=border)).log10()
