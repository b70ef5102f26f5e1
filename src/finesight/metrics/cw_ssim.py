"""Complex-wavelet SSIM (Sampat et al., 2009): structure compared by phase, so that small shifts cost little."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.errors import SettingError
from finesight.metrics.filtering import gaussian
from finesight.metrics.inputs import check_pair, crop, double

__all__ = ["coarsest_bands", "cw_ssim"]

LEVELS, ORIENTATIONS, WINDOW = 4, 8, 7


def cw_ssim(restored: Tensor, truth: Tensor, *, border: int = 0) -> Tensor:
    """Similarity of the coarsest bands of a complex steerable pyramid of 4 levels and 8 orientations; K is 0.

    Correlations are taken over 7x7 windows; positions are weighted by a Gaussian around the middle of the picture
    (sigma a quarter of the band's height).

    Args:
        restored, truth: (N, 1, H, W) in [0, 1]: the rounded grey luma.
        border: pixels left out on each side.

    Returns:
        (N,) float64, 1 for identical pictures.

    Raises:
        InputError: less than 64 pixels are left on a side.
        SettingError: more than one channel.
    """
    check_pair(restored, truth, what="CW-SSIM")
    both = torch.cat([double(crop(restored, border)), double(crop(truth, border))])
    check_pair(both, both, smallest=64, what="CW-SSIM")
    if both.shape[1] != 1:
        raise SettingError(f"CW-SSIM measures one channel, got {both.shape[1]}: pass the luma")
    bands = coarsest_bands(both[:, 0] * 255)  # 2n orientation h w
    count = len(restored)
    first, second = bands[:count], bands[count:]
    product = first * second.conj()
    parts = torch.stack([product.real, product.imag, first.abs().square() + second.abs().square()])
    real, imaginary, energy = F.avg_pool2d(parts.flatten(0, 1), WINDOW, stride=1).unflatten(0, (3, count))
    tiny = torch.finfo(energy.dtype).tiny  # flat pictures have no energy anywhere: they are alike
    similarity = (2 * (real.square() + imaginary.square() + tiny).sqrt() + tiny) / (energy + tiny)
    height, width = similarity.shape[-2:]
    sigma = bands.shape[-2] / 4
    weights = gaussian(height, sigma, dtype=similarity.dtype)[:, None] * gaussian(width, sigma, dtype=similarity.dtype)
    answer: Tensor = (similarity * weights.to(similarity)).sum(dim=(2, 3)).mean(1)
    return answer


def coarsest_bands(image: Tensor) -> Tensor:
    """The oriented complex bands of the fourth level, (N, H, W) -> (N, 8, h, w), by Simoncelli's construction."""
    height, width = image.shape[-2:]
    spectrum = torch.fft.fftshift(torch.fft.fft2(image), dim=(-2, -1))
    log_radius, angle = _polar(height, width, image.dtype, str(image.device))
    spectrum = spectrum * _raised(log_radius, lower=-1.0, rising=False)
    for _ in range(LEVELS - 1):
        rows, columns = _centre(spectrum.shape[-2]), _centre(spectrum.shape[-1])
        spectrum = spectrum[..., rows, columns]
        log_radius, angle = log_radius[rows, columns] + 1, angle[rows, columns]
        spectrum = spectrum * _raised(log_radius, lower=-1.0, rising=False)
    high = _raised(log_radius, lower=-2.0, rising=True)
    order = ORIENTATIONS - 1
    constant = 2 ** (2 * order) * math.factorial(order) ** 2 / (ORIENTATIONS * math.factorial(2 * order))
    bands = []
    for orientation in range(ORIENTATIONS):
        away = torch.remainder(angle - math.pi * orientation / ORIENTATIONS + math.pi, 2 * math.pi) - math.pi
        half = (away.abs() < math.pi / 2).to(away)
        mask = 2 * math.sqrt(constant) * away.cos() ** order * half * high
        band = torch.fft.ifft2(torch.fft.ifftshift(spectrum * mask, dim=(-2, -1)))
        bands.append(band * (-1j) ** order)
    return torch.stack(bands, dim=1)


@lru_cache(maxsize=4)
def _polar(height: int, width: int, dtype: torch.dtype, device: str) -> tuple[Tensor, Tensor]:
    """Logarithm (base 2) of the radius, Nyquist at 0, and the angle of each frequency, zero in the middle."""
    rows = (torch.arange(height, dtype=dtype, device=device) - height // 2) / (height / 2)
    columns = (torch.arange(width, dtype=dtype, device=device) - width // 2) / (width / 2)
    radius = torch.hypot(rows[:, None], columns)
    middle = (height // 2, width // 2)
    radius[middle] = radius[middle[0], middle[1] - 1]
    return radius.log2(), torch.atan2(rows[:, None].expand(-1, width), columns.expand(height, -1))


def _raised(log_radius: Tensor, *, lower: float, rising: bool) -> Tensor:
    """A raised cosine one octave wide from ``lower`` up: square root of its power, rising or falling."""
    place = ((log_radius - lower).clamp(0, 1)) * (math.pi / 2)
    return place.sin() if rising else place.cos()


def _centre(length: int) -> slice:
    """The middle half of a shifted spectrum, as the published pyramid cuts it."""
    middle = math.ceil((length + 0.5) / 2)
    half = math.ceil((length - 0.5) / 2)
    start = middle - math.ceil((half + 0.5) / 2)
    return slice(start, start + half)
