"""First-order degradation: blur, shrink, noise, JPEG, once each, as pictures from phones and the web carry them.

Settings say what may happen; ``sample`` draws a recorded ``Parameters`` object; ``apply`` carries it out. The same
parameters on the same picture give the same result.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.degrade.codec import file_jpeg
from finesight.degrade.resize import resize

__all__ = ["FirstOrder", "Parameters", "apply", "sample"]

Shrink = Literal["bicubic", "bilinear", "area"]
_SHRINKS: tuple[Shrink, ...] = ("bicubic", "bilinear", "area")


@dataclass(frozen=True, slots=True)
class FirstOrder:
    """What may happen to one picture. Ranges are uniform; blur in pixels of the large picture, noise in grey levels.

    Args:
        blur: range of the two standard deviations of an anisotropic Gaussian.
        blur_probability: otherwise no blur.
        noise: range of the standard deviation of Gaussian noise, in 1/255.
        noise_probability: otherwise no noise.
        gray_noise_probability: share of the noise that is equal in all three channels.
        jpeg: range of the JPEG quality.
        jpeg_probability: otherwise no compression.
    """

    blur: tuple[float, float] = (0.3, 2.4)
    blur_probability: float = 0.7
    noise: tuple[float, float] = (0.5, 8.0)
    noise_probability: float = 0.6
    gray_noise_probability: float = 0.4
    jpeg: tuple[int, int] = (40, 95)
    jpeg_probability: float = 0.85


@dataclass(frozen=True, slots=True)
class Parameters:
    """What happened to one picture: enough to do it again."""

    sigma: tuple[float, float] | None
    angle: float
    shrink: Shrink
    noise: float
    gray_noise: bool
    noise_seed: int
    quality: int | None


def _uniform(generator: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator, dtype=torch.float64))


def sample(settings: FirstOrder, generator: torch.Generator) -> Parameters:
    """Draw what happens to one picture; every draw is made every time, so that settings do not shift each other."""
    chance = torch.rand(4, generator=generator, dtype=torch.float64).tolist()
    sigma = (_uniform(generator, *settings.blur), _uniform(generator, *settings.blur))
    angle = _uniform(generator, 0, math.pi)
    shrink = _SHRINKS[int(torch.randint(3, (), generator=generator))]
    noise = _uniform(generator, *settings.noise)
    seed = int(torch.randint(2**31, (), generator=generator))
    quality = int(torch.randint(settings.jpeg[0], settings.jpeg[1] + 1, (), generator=generator))
    return Parameters(
        sigma=sigma if chance[0] < settings.blur_probability else None,
        angle=angle,
        shrink=shrink,
        noise=noise if chance[1] < settings.noise_probability else 0.0,
        gray_noise=chance[2] < settings.gray_noise_probability,
        noise_seed=seed,
        quality=quality if chance[3] < settings.jpeg_probability else None,
    )


def gaussian_kernel(sigma: tuple[float, float], angle: float) -> Tensor:
    """Anisotropic Gaussian of size ``2 ceil(3 max(sigma)) + 1``, sum 1, float64."""
    radius = max(1, math.ceil(3 * max(sigma)))
    axis = torch.arange(-radius, radius + 1, dtype=torch.float64)
    along = axis[None, :] * math.cos(angle) + axis[:, None] * math.sin(angle)
    across = -axis[None, :] * math.sin(angle) + axis[:, None] * math.cos(angle)
    kernel = torch.exp(-0.5 * ((along / sigma[0]) ** 2 + (across / sigma[1]) ** 2))
    return kernel / kernel.sum()


def _blurred(image: Tensor, kernel: Tensor) -> Tensor:
    radius = kernel.shape[-1] // 2
    padded = F.pad(
        image.transpose(0, 1), (radius,) * 4, mode="reflect" if radius < min(image.shape[-2:]) else "replicate"
    )
    return F.conv2d(padded, kernel.to(image)[None, None]).transpose(0, 1)


def apply(image: Tensor, parameters: Parameters, *, scale: int) -> Tensor:
    """Degrade one picture.

    Args:
        image: ``(1, 3, H, W)`` float RGB in [0, 1], H and W multiples of ``scale``.
        parameters: from ``sample``.
        scale: how much smaller the result is.

    Returns:
        ``(1, 3, H / scale, W / scale)`` in [0, 1], on the 8-bit grid.
    """
    if parameters.sigma is not None:
        image = _blurred(image, gaussian_kernel(parameters.sigma, parameters.angle))
    if parameters.shrink == "area":
        small = F.avg_pool2d(image, scale)
    else:
        small = resize(image, scale=1 / scale, kernel=parameters.shrink)
    if parameters.noise:
        noise = torch.Generator().manual_seed(parameters.noise_seed)
        channels = 1 if parameters.gray_noise else 3
        small = small + parameters.noise / 255 * torch.randn(1, channels, *small.shape[-2:], generator=noise).to(small)
    small = small.clamp(0, 1)
    if parameters.quality is not None:
        return file_jpeg(small, parameters.quality)
    return small.mul(255).round().div(255)
