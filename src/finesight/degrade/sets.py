"""The eight low-resolution test sets that super-resolution with dropout is measured on.

Kong et al., "Reflash Dropout in Image Super-Resolution", CVPR 2022: blur, Pillow's bicubic, noise, JPEG, the first and
the last two there or not. All of it on 8-bit pictures, with the rounding that the published scripts have: OpenCV's
Gaussian in fixed point, and noise that is cut off, not rounded.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from finesight.errors import SettingError

__all__ = ["SETS", "Parameters", "apply", "blurred", "noisy", "sample", "shrunk"]

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Parameters:
    """What happens to one picture.

    Args:
        blur: standard deviation of the Gaussian of 21x21 on the large picture; ``None`` without.
        noise: standard deviation in grey levels of the small picture's noise; 0 without.
        noise_seed: what decides the noise.
        quality: of the JPEG file at the end; ``None`` without.
    """

    blur: float | None = None
    noise: float = 0.0
    noise_seed: int = 0
    quality: int | None = None


SETS: dict[str, Parameters] = {
    "bicubic": Parameters(),
    "blur2-bicubic": Parameters(blur=2.0),
    "bicubic-noise20": Parameters(noise=20.0),
    "bicubic-jpeg50": Parameters(quality=50),
    "blur2-bicubic-noise20": Parameters(blur=2.0, noise=20.0),
    "blur2-bicubic-jpeg50": Parameters(blur=2.0, quality=50),
    "bicubic-noise20-jpeg50": Parameters(noise=20.0, quality=50),
    "blur2-bicubic-noise20-jpeg50": Parameters(blur=2.0, noise=20.0, quality=50),
}
"""By name (the published ones spell "jepg"); the noise's seed is drawn by ``sample``."""


def sample(name: str, generator: torch.Generator) -> Parameters:
    """A set's parameters with a seed for the noise."""
    wanted = SETS[name]
    seed = int(torch.randint(2**31 - 1, (), generator=generator))
    return Parameters(wanted.blur, wanted.noise, seed, wanted.quality)


def _fixed_row(sigma: float, size: int) -> NDArray[np.int64]:
    """The Gaussian in 1/256, each rounding error carried to the next tap, the rest in the middle: sum 256."""
    axis = np.arange(size) - (size - 1) / 2
    row = np.exp(-(axis**2) / (2 * sigma**2))
    row *= 256 / row.sum()
    fixed, carried = np.zeros(size, np.int64), 0.0
    for place in range(size // 2):
        wanted = row[place] + carried
        fixed[place] = fixed[-1 - place] = round(wanted)
        carried = wanted - fixed[place]
    fixed[size // 2] = 256 - fixed.sum()
    return fixed


def blurred(pixels: Pixels, sigma: float, *, size: int = 21) -> Pixels:
    """OpenCV's Gaussian of 8-bit pictures, bit for bit: fixed point, rounded once, the border mirrored.

    Args:
        pixels: uint8 ``(H, W, C)``, both sides above half of ``size``.
        sigma: in pixels.
        size: of the kernel, odd.
    """
    radius, (height, width) = size // 2, pixels.shape[:2]
    if min(height, width) <= radius:
        raise SettingError(f"a blur of {size}x{size} needs pictures above {radius} pixels a side, got {height}x{width}")
    row = _fixed_row(sigma, size)
    wide = np.pad(pixels.astype(np.int64), ((radius, radius), (radius, radius), (0, 0)), mode="reflect")
    across = sum(weight * wide[:, tap : tap + width] for tap, weight in enumerate(row))
    both = sum(weight * across[tap : tap + height] for tap, weight in enumerate(row))
    return np.asarray((both + (1 << 15)) >> 16, np.uint8)


def shrunk(pixels: Pixels, scale: float) -> Pixels:
    """Pillow's bicubic, antialiased, to ``int(side / scale)``."""
    size = (int(pixels.shape[1] / scale), int(pixels.shape[0] / scale))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))


def noisy(pixels: Pixels, standard: NDArray[np.float64], sigma: float) -> Pixels:
    """The picture with ``sigma`` grey levels times ``standard`` normal numbers ``(C, H, W)``, clipped, cut to uint8."""
    moved = pixels.astype(np.float64) / 255 + standard.transpose(1, 2, 0) * (sigma / 255)
    return np.asarray(moved.clip(0, 1) * 255, np.uint8)


def compressed(pixels: Pixels, quality: int) -> Pixels:
    """Through a JPEG file (Pillow's: 4:2:0)."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))


def apply(pixels: Pixels, parameters: Parameters, *, scale: int = 4) -> Pixels:
    """Degrade one picture.

    Args:
        pixels: uint8 RGB ``(H, W, 3)``.
        parameters: from ``SETS`` or ``sample``.
        scale: how much smaller the result is; rows and columns beyond a multiple of it are part of the last pixel.

    Returns:
        uint8 ``(H // scale, W // scale, 3)``.
    """
    if parameters.blur is not None:
        pixels = blurred(pixels, parameters.blur)
    small = shrunk(pixels, scale)
    if parameters.noise:
        generator = torch.Generator().manual_seed(parameters.noise_seed)
        standard = torch.randn(3, *small.shape[:2], generator=generator, dtype=torch.float64)
        small = noisy(small, standard.numpy(), parameters.noise)
    return small if parameters.quality is None else compressed(small, parameters.quality)
