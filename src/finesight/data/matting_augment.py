"""Augmentations of GCA's training (mmediting 0.16.1): random affine maps, jitter of hue, two foregrounds in one.

Each takes what was drawn as numbers; ``draw_affine`` and ``draw_jitter`` draw them. Arrays are uint8 or float32.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = [
    "Affine",
    "Jitter",
    "composed_levels",
    "draw_affine",
    "draw_jitter",
    "jittered",
    "two_foregrounds",
    "warped",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Affine:
    """One affine map: degrees, pixels, factors; the flips are 1 or -1."""

    angle: float = 0.0
    translate: tuple[float, float] = (0.0, 0.0)
    scale: tuple[float, float] = (1.0, 1.0)
    shear: float = 0.0
    flip: tuple[int, int] = (1, 1)

    def inverse(self, height: int, width: int) -> NDArray[np.float64]:
        """From output to input about the centre, ``(2, 3)``."""
        angle, shear = math.radians(self.angle), math.radians(self.shear)
        across, down = (flip / scale for flip, scale in zip(self.flip, self.scale, strict=True))
        size = math.cos(angle + shear) * math.cos(angle) + math.sin(angle + shear) * math.sin(angle)
        linear = np.array(
            [
                [math.cos(angle) * across, math.sin(angle + shear) * across],
                [-math.sin(angle) * down, math.cos(angle + shear) * down],
            ]
        )
        linear /= size
        centre = np.array([width * 0.5 - 0.5, height * 0.5 - 0.5])
        offset = centre - linear @ (centre + np.array(self.translate))
        return np.concatenate([linear, offset[:, None]], axis=1)


def draw_affine(generator: torch.Generator, height: int, width: int) -> Affine:
    """As published: up to 30 degrees (none of pictures below 1024 pixels), 0.8 to 1.25 times, sheared by up to 10."""

    def between(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    angle = between(-30, 30) if max(height, width) >= 1024 else 0.0
    scale = (between(0.8, 1.25), between(0.8, 1.25))
    shear = between(-10, 10)
    flips = [1 if float(torch.rand((), generator=generator)) < 0.5 else -1 for _ in range(2)]
    return Affine(angle=angle, scale=scale, shear=shear, flip=(flips[0], flips[1]))


def warped(picture: NDArray[np.uint8], affine: Affine) -> NDArray[np.uint8]:
    """The nearest pixel, zero outside; ``(H, W)`` or ``(H, W, C)``."""
    height, width = picture.shape[:2]
    matrix = affine.inverse(height, width)
    rows, columns = np.mgrid[:height, :width]
    x, y = (np.rint(row[0] * columns + row[1] * rows + row[2]).astype(np.int64) for row in matrix)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    found = np.zeros_like(picture)
    found[inside] = picture[y[inside], x[inside]]
    return found


@dataclass(frozen=True, slots=True)
class Jitter:
    """One jitter of colours: degrees added to the hue, and uniform numbers in [0, 1) for saturation and value."""

    hue: float
    saturation: float
    value: float


def draw_jitter(generator: torch.Generator) -> Jitter:
    """As published: a whole number of degrees from -40 to 39."""
    saturation, value = (float(torch.rand((), generator=generator)) for _ in range(2))
    return Jitter(float(torch.randint(-40, 40, (), generator=generator)), saturation, value)


def jittered(colours: NDArray[np.float32], alpha: NDArray[np.uint8], jitter: Jitter) -> NDArray[np.float32]:
    """Colours of other hue, saturation and brightness.

    Saturation and value move by at most a tenth of their distance to 1.1, the mean being taken where alpha is above 0;
    what leaves [0, 1] is mirrored back. Nothing changes where alpha is 0 everywhere (published code has NaN there).

    Args:
        colours: RGB ``(H, W, 3)`` in [0, 255].
        alpha: ``(H, W)``.
    """
    if not alpha.any():
        return colours
    hue, saturation, value = _to_hsv(colours / np.float32(255))
    hue = np.remainder(hue + jitter.hue, 360)
    moved = []
    for plane, drawn in ((saturation, jitter.saturation), (value, jitter.value)):
        room = 1.1 - plane[alpha > 0].mean()
        shifted = np.abs(plane + np.float32(drawn * room / 5 - room / 10))
        moved.append(np.where(shifted > 1, 2 - shifted, shifted))
    found: NDArray[np.float32] = (_to_rgb(hue, *moved) * 255).astype(np.float32)
    return found


def _to_hsv(colours: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Hue in degrees, saturation and value in [0, 1]."""
    red, green, blue = np.moveaxis(colours.astype(np.float32), -1, 0)
    value, low = colours.max(-1), colours.min(-1)
    apart = value - low
    size = np.where(apart > 0, apart, 1)
    hue = np.select(
        [value == red, value == green],
        [60 * (green - blue) / size, 120 + 60 * (blue - red) / size],
        240 + 60 * (red - green) / size,
    )
    return np.where(hue < 0, hue + 360, hue), np.where(value > 0, apart / np.maximum(value, 1e-30), 0), value


def _to_rgb(
    hue: NDArray[np.float32], saturation: NDArray[np.float32], value: NDArray[np.float32]
) -> NDArray[np.float32]:
    place = np.remainder(hue / 60 + np.array([5, 3, 1], hue.dtype)[:, None, None], 6)
    share = np.clip(np.minimum(place, 4 - place), 0, 1)
    found: NDArray[np.float32] = np.moveaxis(value - value * saturation * share, 0, -1)
    return found


def composed_levels(
    front: NDArray[np.float32], back: NDArray[np.float32], alpha: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """``front`` over ``back`` in levels of [0, 255], float32 ``(H, W, 3)``; alpha ``(H, W)``."""
    share = alpha.astype(np.float32)[..., None] / np.float32(255)
    found: NDArray[np.float32] = front.astype(np.float32) * share + back.astype(np.float32) * (1 - share)
    return found


def two_foregrounds(
    front: NDArray[np.float32], alpha: NDArray[np.uint8], second: NDArray[np.float32], second_alpha: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """One foreground over another as a new foreground, with its alpha ``1 - (1 - a)(1 - b)``, truncated to 8 bits."""
    first, other = (plane.astype(np.float32) / np.float32(255) for plane in (alpha, second_alpha))
    together = 1 - (1 - first) * (1 - other)
    return composed_levels(front, second, alpha), (together * 255).astype(np.uint8)
