"""Blur kernels of real-world super-resolution: Gaussian families, sinc, and those of BSRGAN.

Real-ESRGAN (Wang et al., ICCVW 2021) and BSRGAN (Zhang et al., ICCV 2021). All are float64 ``(size, size)`` with an odd
size and sum 1; x runs along columns, y along rows.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from finesight.errors import SettingError

__all__ = ["bsrgan_anisotropic", "bsrgan_isotropic", "gaussian", "padded", "shifted", "sinc"]

Family = Literal["gaussian", "generalized", "plateau"]


def _axis(size: int) -> Tensor:
    if size < 1 or size % 2 == 0:
        raise SettingError(f"kernel size: expected an odd number, got {size}")
    return torch.arange(size, dtype=torch.float64) - (size - 1) / 2


def gaussian(
    size: int,
    sigma_x: float,
    sigma_y: float | None = None,
    *,
    angle: float = 0.0,
    family: Family = "gaussian",
    shape: float = 1.0,
) -> Tensor:
    """A kernel of one of the Gaussian families.

    Args:
        size: width and height, odd.
        sigma_x, sigma_y: standard deviations in pixels; without ``sigma_y`` the kernel is isotropic.
        angle: rotation in radians.
        family: with q the squared Mahalanobis distance, ``gaussian`` is exp(-q/2), ``generalized`` exp(-q^shape / 2)
            and ``plateau`` 1 / (1 + q^shape).
        shape: exponent of the last two families.
    """
    axis = _axis(size)
    if sigma_y is None:
        sigma_y, angle = sigma_x, 0.0
    cosine, sine = math.cos(angle), math.sin(angle)
    along = (axis[None, :] * cosine + axis[:, None] * sine) / sigma_x
    across = (-axis[None, :] * sine + axis[:, None] * cosine) / sigma_y
    q = along**2 + across**2
    if family == "plateau":
        kernel = 1 / (1 + q**shape)
    else:
        kernel = torch.exp(-0.5 * (q if family == "gaussian" else q**shape))
    return kernel / kernel.sum()


def _bessel_j1(x: Tensor) -> Tensor:
    """J1 by its integral, the mean of cos(t - x sin t) over a turn.

    ``torch.special.bessel_j1`` is right to 2e-7 only. The rule of equal steps converges faster than any power for
    periodic functions: 128 steps are exact to rounding up to x = 60, and kernels need pi sqrt(2) 10 = 45.
    """
    turn = torch.arange(128, dtype=torch.float64) * (2 * math.pi / 128)
    return torch.cos(turn - x[..., None] * torch.sin(turn)).mean(-1)


def sinc(size: int, cutoff: float) -> Tensor:
    """Circular low-pass (ringing and overshoot), ``cutoff`` in (0, pi]: w J1(w r) / (2 pi r)."""
    axis = _axis(size)
    radius = torch.sqrt(axis[None, :] ** 2 + axis[:, None] ** 2)
    centre = (size - 1) // 2
    radius[centre, centre] = 1
    distances, place = torch.unique(radius, return_inverse=True)  # by symmetry an eighth of all pixels
    kernel: Tensor = (cutoff * _bessel_j1(cutoff * distances) / (2 * math.pi * distances))[place]
    kernel[centre, centre] = cutoff**2 / (4 * math.pi)
    return kernel / kernel.sum()


def padded(kernel: Tensor, size: int) -> Tensor:
    """The kernel in the middle of zeros, so that kernels of several sizes can be one batch."""
    border = (size - kernel.shape[-1]) // 2
    if border < 0 or (size - kernel.shape[-1]) % 2:
        raise SettingError(f"a kernel of {kernel.shape[-1]} cannot be padded to {size}")
    return torch.nn.functional.pad(kernel, (border,) * 4)


def bsrgan_anisotropic(size: int, angle: float, first: float, second: float) -> Tensor:
    """BSRGAN's anisotropic Gaussian: ``first`` and ``second`` are *variances* along and across ``angle``."""
    axis = _axis(size)
    x, y = axis[None, :], axis[:, None]
    cosine, sine = math.cos(angle), math.sin(angle)
    q = (x * cosine + y * sine) ** 2 / first + (x * sine - y * cosine) ** 2 / second
    kernel = torch.exp(-0.5 * q)
    return kernel / kernel.sum()


def bsrgan_isotropic(size: int, sigma: float) -> Tensor:
    """BSRGAN's isotropic Gaussian; values below machine precision of the largest are zero."""
    axis = _axis(size)
    kernel = torch.exp(-(axis[None, :] ** 2 + axis[:, None] ** 2) / (2 * sigma**2))
    kernel[kernel < torch.finfo(torch.float64).eps * kernel.max()] = 0
    return kernel / kernel.sum()


def shifted(kernel: Tensor, scale: int) -> Tensor:
    """The kernel resampled bilinearly at + (scale - 1) / 2, so that taking every ``scale``-th pixel shifts nothing."""
    size = kernel.shape[-1]
    position = (torch.arange(size, dtype=torch.float64) + (scale - 1) / 2).clamp(0, size - 1)
    low = position.floor().long().clamp(max=size - 2) if size > 1 else position.long()
    high = (low + 1).clamp(max=size - 1)
    part = position - low
    rows = kernel[low] * (1 - part)[:, None] + kernel[high] * part[:, None]
    moved = rows[:, low] * (1 - part) + rows[:, high] * part
    return moved / moved.sum()
