"""Feature similarity (Zhang et al., 2011): phase congruency and gradients, with colour as FSIMc."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.metrics.colour import chroma, luma_levels
from finesight.metrics.inputs import check_pair, crop, double, shrunk

__all__ = ["fsim"]

SCALES, ORIENTATIONS = 4, 4
SMALLEST_WAVELENGTH, FACTOR = 6.0, 2.0
SIGMA_RADIUS, SIGMA_ANGLE = 0.55, math.pi / 4.8
NOISE_DEVIATIONS = 2.0
EPSILON = torch.finfo(torch.float32).eps


def fsim(restored: Tensor, truth: Tensor, *, border: int = 0, colour: bool = True) -> Tensor:
    """Similarity of phase congruency and gradient, weighted by phase congruency; 1 for identical pictures.

    Pictures whose short side is above 383 pixels are first averaged to about 256, as the authors do.

    Args:
        restored, truth: (N, 3, H, W) RGB in [0, 1], or (N, 1, H, W).
        border: pixels left out on each side.
        colour: FSIMc, which adds the I and Q channels of YIQ; a picture of one channel has none.

    Returns:
        (N,) float64.

    Raises:
        InputError: less than 16 pixels are left on a side.
    """
    check_pair(restored, truth, what="FSIM")
    both = torch.cat([double(crop(restored, border)), double(crop(truth, border))])
    check_pair(both, both, smallest=16, what="FSIM")
    both = shrunk(both)
    luma = luma_levels(both, "gray")
    count = len(restored)
    congruency = _phase_congruency(luma[:, 0])
    gradient = _scharr(luma)[:, 0]
    similarity = _similarity(congruency[:count], congruency[count:], 0.85)
    similarity = similarity * _similarity(gradient[:count], gradient[count:], 160)
    if colour and both.shape[1] == 3:
        planes = chroma(both * 255)
        alike = _similarity(planes[:count], planes[count:], 200)
        similarity = similarity * (alike[:, 0] * alike[:, 1]).abs() ** 0.03
    weight = torch.maximum(congruency[:count], congruency[count:])
    return (similarity * weight).sum(dim=(1, 2)) / weight.sum(dim=(1, 2))


def _similarity(first: Tensor, second: Tensor, constant: float) -> Tensor:
    return (2 * first * second + constant) / (first.square() + second.square() + constant + EPSILON)


def _scharr(image: Tensor) -> Tensor:
    """Gradient magnitude with the 3-10-3 filter over 16; zeros lie outside."""
    padded = F.pad(image / 16, (1, 1, 1, 1))
    across = padded[..., 2:] - padded[..., :-2]
    down = padded[..., 2:, :] - padded[..., :-2, :]
    across = 3 * (across[..., :-2, :] + across[..., 2:, :]) + 10 * across[..., 1:-1, :]
    down = 3 * (down[..., :-2] + down[..., 2:]) + 10 * down[..., 1:-1]
    return (across.square() + down.square() + EPSILON).sqrt()


def _axis(length: int) -> Tensor:
    """Frequencies of one axis, -1/2 to 1/2 with zero in the middle; an odd length reaches both ends (Kovesi's grid)."""
    if length % 2:
        half = (length - 1) // 2
        return torch.arange(-half, half + 1, dtype=torch.float64) / max(length - 1, 1)
    return torch.arange(-length // 2, length // 2, dtype=torch.float64) / length


@lru_cache(maxsize=4)
def _filters(height: int, width: int, dtype: torch.dtype, device: str) -> tuple[Tensor, Tensor, Tensor]:
    """Filters (orientation, scale, H, W), then for each orientation what the noise estimate needs of them.

    The published code transforms each filter back and sums products of the real parts over the picture; the real
    part belongs to the even half of the filter, so Parseval gives the same sums from the filters themselves.
    """
    rows, columns = torch.fft.ifftshift(_axis(height)), torch.fft.ifftshift(_axis(width))
    radius = torch.hypot(rows[:, None], columns)
    angle = torch.atan2(-columns.expand(height, -1), rows[:, None].expand(-1, width))
    radius[0, 0] = 1
    lowpass = 1 / (1 + (radius / 0.45) ** 30)
    radial = []
    for scale in range(SCALES):
        wavelength = SMALLEST_WAVELENGTH * FACTOR**scale
        gabor = (-((radius * wavelength).log() ** 2) / (2 * math.log(SIGMA_RADIUS) ** 2)).exp() * lowpass
        gabor[0, 0] = 0
        radial.append(gabor)
    turns = torch.arange(ORIENTATIONS, dtype=torch.float64)[:, None, None] * (math.pi / ORIENTATIONS)
    away = torch.atan2((angle - turns).sin(), (angle - turns).cos())
    angular = (-away.square() / (2 * SIGMA_ANGLE**2)).exp()
    bank = torch.stack(radial) * angular[:, None]
    even = (bank + bank.flip(-1, -2).roll((1, 1), (-2, -1))) / 2
    gram = torch.einsum("oshw,othw->ost", even, even)
    squares = gram.diagonal(dim1=1, dim2=2).sum(1)
    spread = 2 * squares + 4 * gram.triu(1).sum(dim=(1, 2))
    noise_power = bank[:, 0].square().sum(dim=(1, 2))
    return bank.to(device, dtype), spread.to(device, dtype), noise_power.to(device, dtype)


def _phase_congruency(luma: Tensor) -> Tensor:
    """(N, H, W) levels -> phase congruency (N, H, W)."""
    bank, spread, noise_power = _filters(*luma.shape[-2:], luma.dtype, str(luma.device))
    spectrum = torch.fft.fft2(luma)
    energy_sum = torch.full_like(luma, EPSILON)
    amplitude_sum = torch.full_like(luma, EPSILON)
    for orientation in range(ORIENTATIONS):
        response = torch.fft.ifft2(spectrum[:, None] * bank[orientation])  # n scale h w
        amplitude = response.abs()
        total = response.sum(1)
        # sum over scales of (e me + o mo - |e mo - o me|), (me, mo) the mean direction of the scales
        direction = total / (total.abs() + EPSILON)
        turned = response * direction.conj()[:, None]
        energy = (turned.real - turned.imag.abs()).sum(1)
        median = amplitude[:, 0].flatten(1).square().median(dim=1).values
        power = median / math.log(2) / noise_power[orientation]
        tau = (power * spread[orientation] / 2).sqrt()
        threshold = tau * (math.sqrt(math.pi / 2) + NOISE_DEVIATIONS * math.sqrt(2 - math.pi / 2)) / 1.7
        energy_sum = energy_sum + (energy - threshold[:, None, None]).clamp(min=0)
        amplitude_sum = amplitude_sum + amplitude.sum(1)
    return energy_sum / amplitude_sum
