"""Visual information fidelity (Sheikh and Bovik, 2006), in the wavelet domain and its pixel-domain form."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.errors import InputError, SettingError
from finesight.metrics.filtering import correlate, correlate_plane, gaussian
from finesight.metrics.inputs import check_pair, crop, double

__all__ = ["PyramidFilters", "vif", "vif_pixel"]

PyramidFilters = dict[str, Tensor]
"""``lo0filt`` (5, 5), ``lofilt`` (9, 9) and ``bfilts`` (49, 6) of matlabPyrTools' steerable pyramid of order 5."""

LEVELS = 4
PATCH = 3
NOISE = 0.4  # variance of the neural noise
TINY = 1e-12


def vif(restored: Tensor, truth: Tensor, filters: PyramidFilters, *, border: int = 0) -> Tensor:
    """Information that the restored picture keeps of the truth (vector Gaussian scale mixtures on a steerable pyramid).

    Everything is computed in float64; the published float32 covariance loses small eigenvalues on drawn pictures
    (up to 0.4 % of the value, 3e-5 on photographs).

    Args:
        restored, truth: (N, 1, H, W) in [0, 1]: the grey luma, rounded to 8-bit levels.
        filters: the published pyramid filters (``finesight.evaluate`` reads them).
        border: pixels left out on each side.

    Returns:
        (N,) float64: 1 for identical pictures, above 1 for an enhancement of contrast.

    Raises:
        SettingError: a filter lacks, or pictures have more than one channel.
        InputError: pictures are too small for the coarsest level (about 100 pixels).
    """
    first, second = _prepared(restored, truth, border, "VIF")
    lacking = {"lo0filt", "lofilt", "bfilts"} - set(filters)
    if lacking:
        raise SettingError(f"VIF needs the pyramid filters {', '.join(sorted(lacking))}: sp5_filters.npz holds them")
    lo0, lo, bands = (filters[name].to(first) for name in ("lo0filt", "lofilt", "bfilts"))
    kernels = [bands[:, index].reshape(7, 7).T for index in (0, 3)]
    level1, level2 = _reflected(first, lo0), _reflected(second, lo0)
    kept = information = first.new_zeros(len(first))
    for level in range(LEVELS):
        window = 2 ** (LEVELS - level) + 1  # 17, 9, 5, 3 from fine to coarse
        for kernel in kernels:
            gained, total = _band_information(_reflected(level1, kernel), _reflected(level2, kernel), window)
            kept, information = kept + gained, information + total
        if level < LEVELS - 1:
            level1, level2 = _reflected(level1, lo, stride=2), _reflected(level2, lo, stride=2)
    return kept / (information + TINY)


def _prepared(restored: Tensor, truth: Tensor, border: int, what: str) -> tuple[Tensor, Tensor]:
    check_pair(restored, truth, what=what)
    if restored.shape[1] != 1:
        raise SettingError(f"{what} measures one channel, got {restored.shape[1]}: pass the luma")
    return double(crop(restored, border))[:, 0] * 255, double(crop(truth, border))[:, 0] * 255


def _reflected(image: Tensor, kernel: Tensor, *, stride: int = 1) -> Tensor:
    edge = kernel.shape[0] // 2
    _fits(image, edge)
    padded = F.pad(image[:, None], (edge, edge, edge, edge), mode="reflect")[:, 0]
    return correlate_plane(padded, kernel, stride=stride)


def _fits(image: Tensor, edge: int) -> None:
    if min(image.shape[-2:]) <= edge:
        raise InputError("VIF needs larger pictures (about 100 pixels a side): its coarsest level has nothing left")


def _band_information(restored: Tensor, truth: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """What one subband keeps and what it holds: both (N,)."""
    height, width = (side // PATCH * PATCH for side in truth.shape[-2:])
    restored, truth = restored[..., :height, :width], truth[..., :height, :width]
    gain, noise = _channel(restored, truth, window)
    margin = math.ceil(((window - 1) / 2) / PATCH)
    if min(gain.shape[-2:]) <= 2 * margin:
        raise InputError("VIF needs larger pictures (about 100 pixels a side): a subband has nothing left")
    field, eigenvalues = _reference_model(truth)
    inner = (..., slice(margin, gain.shape[-2] - margin), slice(margin, gain.shape[-1] - margin))
    gain, noise, field = (part[inner].flatten(1) for part in (gain, noise, field))  # n blocks
    signal = field[:, :, None] * eigenvalues[:, None, :]  # n blocks 9
    kept = torch.log2(1 + signal * (gain.square() / (noise + NOISE))[:, :, None])
    return kept.sum(dim=(1, 2)), torch.log2(1 + signal / NOISE).sum(dim=(1, 2))


def _channel(restored: Tensor, truth: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """Gain and noise variance of the distortion of each 3x3 block, from box sums around the block's centre."""
    edge = window // 2
    _fits(truth, edge)
    products = torch.stack([truth, restored, truth * truth, restored * restored, truth * restored], dim=1)
    padded = F.pad(products, (edge, edge, edge, edge), mode="reflect")
    sums = correlate(padded[..., 1:, 1:], truth.new_ones(window), stride=PATCH)  # centres at 1, 4, 7, ...
    area = window**2
    mean1, mean2 = sums[:, 0] / area, sums[:, 1] / area
    variance1 = (sums[:, 2] - area * mean1.square()).clamp(min=0)
    variance2 = (sums[:, 3] - area * mean2.square()).clamp(min=0)
    covariance = sums[:, 4] - area * mean1 * mean2
    gain = covariance / (variance1 + TINY)
    noise = (variance2 - gain * covariance) / area
    flat1, flat2 = variance1 < TINY, variance2 < TINY
    noise = torch.where(flat1, variance2, noise)  # as published: not divided by the area here
    gain = torch.where(flat1 | flat2, torch.zeros_like(gain), gain)
    noise = torch.where(flat2, torch.zeros_like(noise), noise)
    noise = torch.where(gain < 0, variance2, noise)
    return gain.clamp(min=0), noise.clamp(min=TINY)


def _reference_model(truth: Tensor) -> tuple[Tensor, Tensor]:
    """The scale of each 3x3 block of the truth and the eigenvalues of the covariance of its patches."""
    height, width = truth.shape[-2] - PATCH + 1, truth.shape[-1] - PATCH + 1
    shifts = [truth[:, y : y + height, x : x + width] for x in range(PATCH) for y in range(PATCH)]  # column-major
    patches = torch.stack(shifts, dim=1)  # n 9 h w
    vectors = patches.flatten(2)
    vectors = vectors - vectors.mean(dim=2, keepdim=True)
    covariance = vectors @ vectors.transpose(1, 2) / vectors.shape[2]
    blocks = patches[..., ::PATCH, ::PATCH]
    whitened = (torch.linalg.pinv(covariance, hermitian=True) @ blocks.flatten(2)).reshape(blocks.shape)
    return (blocks * whitened).sum(1) / PATCH**2, torch.linalg.eigvalsh(covariance)


def vif_pixel(restored: Tensor, truth: Tensor, *, border: int = 0) -> Tensor:
    """VIF in the pixel domain: four scales, Gaussian windows of 17, 9, 5 and 3 pixels, noise variance 2.

    The multi-scale form that the authors publish as ``vifp_mscale``: cheaper, needs no parameters, other numbers.

    Args:
        restored, truth: (N, 1, H, W) in [0, 1]: the grey luma.
        border: pixels left out on each side.

    Returns:
        (N,) float64: 1 for identical pictures.

    Raises:
        InputError: less than 41 pixels are left on a side.
    """
    first, second = _prepared(restored, truth, border, "pixel-domain VIF")
    if min(first.shape[-2:]) < 41:
        raise InputError(f"pixel-domain VIF needs at least 41x41 pixels, got {first.shape[-1]}x{first.shape[-2]}")
    kept = information = first.new_zeros(len(first))
    for scale in range(LEVELS):
        taps_count = 2 ** (LEVELS - scale) + 1
        taps = gaussian(taps_count, taps_count / 5, dtype=first.dtype, device=first.device)
        if scale:
            first, second = correlate(first, taps)[..., ::2, ::2], correlate(second, taps)[..., ::2, ::2]
        gained, total = _pixel_information(first, second, taps)
        kept, information = kept + gained, information + total
    return kept / (information + 1e-10)


def _pixel_information(restored: Tensor, truth: Tensor, taps: Tensor) -> tuple[Tensor, Tensor]:
    noise_power, tiny = 2.0, 1e-10
    products = torch.stack([truth, restored, truth * truth, restored * restored, truth * restored])
    mean1, mean2, square1, square2, product = correlate(products, taps)
    variance1 = (square1 - mean1.square()).clamp(min=0)
    variance2 = (square2 - mean2.square()).clamp(min=0)
    covariance = product - mean1 * mean2
    gain = covariance / (variance1 + tiny)
    noise = variance2 - gain * covariance
    flat1, flat2 = variance1 < tiny, variance2 < tiny
    noise = torch.where(flat1, variance2, noise)
    variance1 = torch.where(flat1, torch.zeros_like(variance1), variance1)
    gain = torch.where(flat1 | flat2, torch.zeros_like(gain), gain)
    noise = torch.where(flat2, torch.zeros_like(noise), noise)
    noise = torch.where(gain < 0, variance2, noise).clamp(min=tiny)
    gain = gain.clamp(min=0)
    kept = torch.log10(1 + gain.square() * variance1 / (noise + noise_power))
    return kept.sum(dim=(1, 2)), torch.log10(1 + variance1 / noise_power).sum(dim=(1, 2))
