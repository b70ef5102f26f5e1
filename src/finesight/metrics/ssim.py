"""Structural similarity (Wang et al., 2004)."""

from __future__ import annotations

from torch import Tensor

from finesight.metrics.filtering import correlate, gaussian
from finesight.metrics.inputs import check_pair, crop, double, shrunk

__all__ = ["ssim", "ssim_blue", "ssim_maps"]

WINDOW = 11


def ssim(
    restored: Tensor, truth: Tensor, *, peak: float = 1.0, border: int = 0, clamp: bool = False, shrink: bool = False
) -> Tensor:
    """Mean structural similarity over all channels and the positions where an 11x11 Gaussian window (1.5) fits.

    Args:
        restored, truth: (N, C, H, W) in [0, peak].
        peak: the largest possible value.
        border: pixels left out on each side.
        clamp: set a negative contrast-structure term to 0, as IQA-PyTorch does; the original keeps it.
        shrink: first average the pictures to a short side of about 256, as the authors suggest.

    Returns:
        (N,) float64, at most 1.

    Raises:
        InputError: less than 11 pixels are left on a side.

    >>> import torch
    >>> ramp = torch.linspace(0, 1, 144).reshape(1, 1, 12, 12)
    >>> ssim(ramp, ramp).tolist()
    [1.0]
    """
    check_pair(restored, truth, what="SSIM")
    restored, truth = crop(restored, border), crop(truth, border)
    if shrink:
        restored, truth = shrunk(restored), shrunk(truth)
    luminance, structure = ssim_maps(restored, truth, peak=peak)
    return (luminance * (structure.clamp(min=0) if clamp else structure)).mean(dim=(1, 2, 3))


def ssim_blue(restored: Tensor, truth: Tensor, *, peak: float = 1.0, border: int = 0) -> Tensor:
    """The SSIM of mmediting's super-resolution tables: of a cropped colour picture, the blue channel alone.

    With a border of 0 the published code averages the three channels, and so does this. Use it only to reproduce
    those tables; it is not the SSIM of the picture.
    """
    if border and restored.shape[1] == 3 == truth.shape[1]:
        restored, truth = restored[:, 2:], truth[:, 2:]
    return ssim(restored, truth, peak=peak, border=border)


def ssim_maps(restored: Tensor, truth: Tensor, *, peak: float = 1.0) -> tuple[Tensor, Tensor]:
    """The two factors of SSIM, luminance and contrast times structure: each (N, C, H - 10, W - 10), float64."""
    check_pair(restored, truth, smallest=WINDOW, what="SSIM")
    first, second = double(restored), double(truth)
    taps = gaussian(WINDOW, 1.5, dtype=first.dtype, device=first.device)
    low, high = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    mean1, mean2 = correlate(first, taps), correlate(second, taps)
    product, squares = mean1 * mean2, mean1.square() + mean2.square()
    covariance = correlate(first * second, taps) - product
    variances = correlate(first.square() + second.square(), taps) - squares  # only their sum is needed
    return (2 * product + low) / (squares + low), (2 * covariance + high) / (variances + high)
