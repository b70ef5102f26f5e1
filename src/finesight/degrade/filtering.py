"""Blurring a batch with a kernel for each picture, and unsharp masking."""

from __future__ import annotations

import functools
import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.errors import SettingError

__all__ = ["correlated", "filter_each", "filter_one", "unsharp_kernel", "unsharp_mask"]

_USUAL = 25  # the largest kernel but for sharpening: smaller ones are a part of what is kept for it


def filter_each(image: Tensor, kernels: Tensor, *, small: Literal["refuse", "repeat"] = "refuse") -> Tensor:
    """Correlate every picture with its own kernel (not flipped), the border reflected without its last pixel.

    Args:
        image: ``(N, C, H, W)``; both sides larger than half the kernel.
        kernels: ``(N, k, k)``, or ``(1, k, k)`` for all, k odd.
        small: what to do with a picture that has a side of half a kernel or less and cannot be reflected:
            ``repeat`` its border pixels instead.

    Raises:
        SettingError: shapes do not fit, or a picture is smaller than half its kernel.
    """
    n, c, h, w = image.shape
    size = kernels.shape[-1]
    if kernels.shape not in ((n, size, size), (1, size, size)) or size % 2 == 0:
        raise SettingError(f"kernels: expected ({n}, k, k) or (1, k, k) with odd k, got {tuple(kernels.shape)}")
    reflected = min(h, w) > size // 2
    if not reflected and small == "refuse":
        raise SettingError(f"a kernel of {size} needs pictures of at least {size // 2 + 1} pixels a side, got {h}x{w}")
    extended = F.pad(image, (size // 2,) * 4, mode="reflect" if reflected else "replicate")
    filters = kernels.to(image).expand(n, size, size).repeat_interleave(c, 0)[:, None]
    return F.conv2d(extended.reshape(1, n * c, *extended.shape[-2:]), filters, groups=n * c).reshape(n, c, h, w)


def _fast_length(length: int) -> int:
    """The next even number that is a product of 2, 3 and 5 only, for which Fourier transforms are quick."""
    length += length % 2
    while True:
        rest = length
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return length
        length += 2


@functools.lru_cache(maxsize=128)
def _waves(length: int, size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """exp(2 pi i x f / length) of the first ``size`` positions x and all frequencies f, complex ``(size, length)``."""
    with torch.inference_mode(False):  # kept for callers in any mode
        turns = torch.arange(size, device=device)[:, None] * torch.arange(length, device=device) % length
        angle = turns.to(dtype) * (2 * math.pi / length)
        return torch.complex(angle.cos(), angle.sin())


def filter_one(image: Tensor, kernel: Tensor) -> Tensor:
    """What ``filter_each`` does with ``small="repeat"``, at less cost.

    By Fourier transforms: they cost the same for every kernel, less than even the two passes of a separable one, and
    need no preparation for each new size of picture, as convolutions do. The result differs by some 1e-6 of the
    largest value.

    Args:
        image: ``(N, C, H, W)``.
        kernel: ``(k, k)`` for all pictures, or ``(N, k, k)``; k odd.
    """
    radius, (height, width) = kernel.shape[-1] // 2, image.shape[-2:]
    extended = F.pad(image, (radius,) * 4, mode="reflect" if min(height, width) > radius else "replicate")
    return correlated(extended, kernel)


def correlated(extended: Tensor, kernel: Tensor) -> Tensor:
    """Correlation of pictures that carry their border with them, by Fourier transforms.

    Args:
        extended: ``(N, C, H + k - 1, W + k - 1)``.
        kernel: ``(k, k)`` or ``(N, k, k)``, k odd.

    Returns:
        ``(N, C, H, W)``.
    """
    size = kernel.shape[-1]
    tall, wide = extended.shape[-2:]
    high, across = _fast_length(tall), _fast_length(wide)
    # a kernel has few taps: two small products are quicker than a transform of it and its zeros
    taps = kernel.to(extended)
    small = torch.complex(taps, torch.zeros_like(taps))
    most = max(size, _USUAL)
    down, right = (_waves(length, most, extended.dtype, extended.device)[:size] for length in (high, across))
    response = down.T @ small @ right[:, : across // 2 + 1]
    spectrum = torch.fft.rfft2(extended, s=(high, across)).mul_(response if kernel.dim() == 2 else response[:, None])
    rows = torch.fft.ifft(spectrum, dim=-2)[..., : tall - size + 1, :]  # the others are never looked at
    filtered: Tensor = torch.fft.irfft(rows, n=across)
    return filtered[..., : wide - size + 1].contiguous()


def unsharp_kernel(size: int = 51, sigma: float = 0.0) -> Tensor:
    """The row of the Gaussian, float64; ``sigma`` 0 takes OpenCV's rule 0.3 ((size - 1) / 2 - 1) + 0.8."""
    size += 1 - size % 2
    if sigma <= 0:
        sigma = 0.3 * ((size - 1) * 0.5 - 1) + 0.8
    axis = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    row = torch.exp(-(axis**2) / (2 * sigma**2))
    return row / row.sum()


def unsharp_mask(
    image: Tensor, *, weight: float = 0.5, threshold: float = 10.0, size: int = 51, sigma: float = 0.0
) -> Tensor:
    """Sharpen where the residual is above ``threshold`` grey levels, with soft transitions (Real-ESRGAN).

    Args:
        image: ``(N, C, H, W)`` in [0, 1], both sides above half the kernel (26 pixels).
        weight: share of the residual that is added.
        threshold: in 1/255, each channel by itself.
        size, sigma: of the Gaussian; see ``unsharp_kernel``.
    """
    if min(image.shape[-2:]) <= size // 2:
        raise SettingError(f"unsharp masking needs pictures above {size // 2} pixels a side, got {tuple(image.shape)}")
    row = unsharp_kernel(size, sigma)
    kernel = torch.outer(row, row)
    residual = image - filter_one(image, kernel)
    mask = (residual.abs() * 255 > threshold).to(image)
    soft = filter_one(mask, kernel)
    sharp = (image + weight * residual).clamp(0, 1)
    return soft * sharp + (1 - soft) * image
