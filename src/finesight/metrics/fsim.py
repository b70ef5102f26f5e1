"""Feature similarity (Zhang et al., 2011): phase congruency and gradients, with colour as FSIMc."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
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

    Transforms are computed in the pictures' own precision, as published (float32 is within 1e-6 of float64).
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
    both = torch.cat([crop(restored, border), crop(truth, border)])
    check_pair(both, both, smallest=16, what="FSIM")
    colour = colour and both.shape[1] == 3
    # FSIM without colour averages one plane instead of three: both are linear
    both = shrunk(both if colour else luma_levels(both, "gray") / 255)
    luma = luma_levels(both, "gray")
    count = len(restored)
    congruency = _phase_congruency(luma[:count, 0], luma[count:, 0])
    gradient = _scharr(luma)[:, 0]
    similarity = _similarity(congruency[0], congruency[1], 0.85)
    similarity = similarity * _similarity(gradient[:count], gradient[count:], 160)
    if colour:
        planes = chroma(both * 255)
        alike = _similarity(planes[:count], planes[count:], 200)
        similarity = similarity * (alike[:, 0] * alike[:, 1]).abs() ** 0.03
    weight = torch.maximum(congruency[0], congruency[1])
    return double(similarity * weight).sum(dim=(1, 2)) / double(weight).sum(dim=(1, 2))


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


@dataclass(frozen=True)
class _Bank:
    """Log-Gabor filters of one picture size.

    Args:
        even, odd: (orientation, scale, H, 2 W) halves of each filter under k -> -k; every value stands twice, once for
            the real and once for the imaginary part of a spectrum. The even half gives the real response of a picture,
            the odd half its imaginary one; so two pictures, one as the real and one as the imaginary part of what is
            transformed, share every transform and every later step.
        spread: (orientation,) what the noise estimate sums over pairs of filters.
        power: (orientation,) sum of squares of the finest filter.
    """

    even: Tensor
    odd: Tensor
    spread: Tensor
    power: Tensor


@functools.lru_cache(maxsize=2)
def _filters(height: int, width: int, dtype: torch.dtype, device: str) -> _Bank:
    """The published code transforms each filter back and sums products of the real parts over the picture; the real
    part belongs to the even half of the filter, so Parseval gives the same sums from the filters themselves."""
    bank = _log_gabor(height, width)
    mirrored = bank.flip(-1, -2).roll((1, 1), (-2, -1))
    even, odd = (bank + mirrored) / 2, (bank - mirrored) / 2
    gram = torch.einsum("oshw,othw->ost", even, even)
    squares = gram.diagonal(dim1=1, dim2=2).sum(1)
    spread = 2 * squares + 4 * gram.triu(1).sum(dim=(1, 2))
    power = bank[:, 0].square().sum(dim=(1, 2))
    return _Bank(
        *(part.repeat_interleave(2, dim=-1).to(device, dtype) for part in (even, odd)),
        *(part.to(device, dtype) for part in (spread, power)),
    )


def _log_gabor(height: int, width: int) -> Tensor:
    """(orientation, scale, H, W) float64, zero frequency first."""
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
    return torch.stack(radial) * angular[:, None]


def _phase_congruency(first: Tensor, second: Tensor) -> Tensor:
    """Two batches (N, H, W) of levels -> phase congruency (2, N, H, W), filter by filter: that stays in the cache."""
    bank = _filters(first.shape[-2], first.shape[-1], first.dtype, str(first.device))
    pairs = [_congruency_of_pair(one, other, bank) for one, other in zip(first, second, strict=True)]
    return torch.stack(pairs, dim=1)


def _congruency_of_pair(first: Tensor, second: Tensor, bank: _Bank) -> Tensor:
    """(2, H, W). Between the transforms every array holds both pictures, pixel by pixel in turns: (..., H, 2 W)."""
    spectrum = torch.fft.fft2(torch.complex(first, second))
    straight = torch.view_as_real(spectrum).flatten(-2)
    turned = torch.view_as_real(spectrum * -1j).flatten(-2)
    energy_sum = torch.full_like(straight, EPSILON)
    amplitude_sum = torch.full_like(straight, EPSILON)
    for orientation in range(ORIENTATIONS):
        responses, amplitudes = [], []
        for scale in range(SCALES):  # one at a time stays in the cache
            real, imaginary = (
                _back(straight * bank.even[orientation, scale]),
                _back(turned * bank.odd[orientation, scale]),
            )
            responses.append((real, imaginary))
            amplitudes.append((real * real).addcmul_(imaginary, imaginary).sqrt_())
        finest = amplitudes[0].unflatten(-1, (-1, 2)).unbind(-1)
        power = torch.stack([_median(one) for one in finest]).square() / math.log(2) / bank.power[orientation]
        tau = (power * bank.spread[orientation] / 2).sqrt()
        threshold = tau * (math.sqrt(math.pi / 2) + NOISE_DEVIATIONS * math.sqrt(2 - math.pi / 2)) / 1.7
        energy_sum.add_(_energy(responses).sub_(threshold.repeat(first.shape[-1])).clamp(min=0))
        for amplitude in amplitudes:
            amplitude_sum.add_(amplitude)
    congruency: Tensor = (energy_sum / amplitude_sum).unflatten(-1, (-1, 2)).movedim(-1, 0)
    return congruency


def _median(values: Tensor) -> Tensor:
    """The lower median; without gradients on a CPU by NumPy's selection, which is ten times quicker."""
    if values.requires_grad or values.device.type != "cpu":
        return values.flatten().median()
    middle = (values.numel() - 1) // 2
    chosen: Tensor = torch.from_numpy(np.partition(values.numpy().ravel(), middle)[middle : middle + 1])[0]
    return chosen


def _back(product: Tensor) -> Tensor:
    """Pictures from spectra; in both, real and imaginary parts stand in turns."""
    found: Tensor = torch.fft.ifft2(torch.view_as_complex(product.unflatten(-1, (-1, 2))))
    return torch.view_as_real(found).flatten(-2)


def _energy(responses: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Sum over scales of (e me + o mo - |e mo - o me|), (me, mo) the direction of the responses' sum."""
    even, odd = (functools.reduce(torch.add, parts) for parts in zip(*responses, strict=True))
    length = (even * even).addcmul_(odd, odd).sqrt_() + EPSILON
    even_share, odd_share = even / length, odd / length
    energy: Tensor = (even * even_share).addcmul_(odd, odd_share)  # the sum over scales of the first two terms
    for real, imaginary in responses:
        energy.sub_((real * odd_share).addcmul_(imaginary, even_share, value=-1).abs())
    return energy
