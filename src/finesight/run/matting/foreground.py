"""The colours of the foreground where it is mixed with the background.

"Fast Multi-Level Foreground Estimation" (Germer, Uelwer, Conrad and Harmeling, ICPR 2020), arXiv 2006.14970: from one
pixel up to the picture's size, each size starts from the one below and is relaxed a few times. All pixels of a size
are relaxed at once (Jacobi), and the largest size in strips, so that memory stays bounded.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from finesight.progress import Cancel
from finesight.run.pixels import most_of

__all__ = ["estimate_foreground"]

Floats = NDArray[np.float32]

_REGULAR = np.float32(1e-5)  # equation 4: how smooth colours are where alpha is constant
_GRADIENT = np.float32(1.0)  # and how much more where it changes
_SMALL_SIDE, _SMALL_STEPS, _LARGE_STEPS = 32, 10, 2  # section 3
_STRIP = 256  # rows


def estimate_foreground(pixels: NDArray[Any], alpha: Floats, *, cancel: Cancel | None = None) -> NDArray[Any]:
    """The foreground's colours: the picture's own where alpha is 1, without the background's where it is less.

    Takes about 30 bytes a pixel beside the arguments and the result.

    Args:
        pixels: ``(H, W, c)`` of uint8, uint16 or floats in [0, 1].
        alpha: ``(H, W)`` in [0, 1].
        cancel: looked at between strips.

    Returns:
        The same shape and type. Where alpha is 0 the colours of the nearest foreground; nothing of the background.
    """
    height, width = alpha.shape
    count = max(1, int(np.ceil(np.log2(max(height, width)))))
    sizes = [(round(height ** (i / count)), round(width ** (i / count))) for i in range(count)]
    front = back = _at(pixels, alpha, (1, 1))[0]  # any colours: the first relaxation forgets them
    for size in sizes:
        image, level = _at(pixels, alpha, size)
        front, back = (_nearest(one, size) for one in (front, back))
        front, back = _relaxed(image, level, front, back)
    out = np.empty_like(pixels)
    for top in range(0, height, _STRIP):
        if cancel is not None:
            cancel.check()
        bottom = min(height, top + _STRIP)
        first, last = max(0, top - _LARGE_STEPS), min(height, bottom + _LARGE_STEPS)
        rows = np.arange(first, last) * front.shape[0] // height
        columns = np.arange(width) * front.shape[1] // width
        image = _floats(pixels[first:last])
        level = alpha[first:last]
        own = [one[np.ix_(rows, columns)] for one in (front, back)]
        found = _relaxed(image, level, own[0], own[1], steps=None if max(height, width) > _SMALL_SIDE else _SMALL_STEPS)
        strip = found[0][top - first : bottom - first]
        opaque = level[top - first : bottom - first] >= 1
        out[top:bottom] = np.where(opaque[:, :, None], pixels[top:bottom], _back_to(strip, pixels.dtype))
    return out


def _floats(pixels: NDArray[Any]) -> Floats:
    found: Floats = pixels.astype(np.float32) / np.float32(most_of(pixels.dtype))
    return np.clip(found, 0, 1)


def _back_to(values: Floats, dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind == "f":
        return values.astype(dtype)
    found: NDArray[Any] = np.rint(values * np.float32(most_of(dtype))).astype(dtype)
    return found


def _at(pixels: NDArray[Any], alpha: Floats, size: tuple[int, int]) -> tuple[Floats, Floats]:
    """Picture and alpha at a smaller size, nearest pixels."""
    rows, columns = (np.arange(n) * length // n for n, length in zip(size, alpha.shape, strict=True))
    place = np.ix_(rows, columns)
    return _floats(pixels[place]), alpha[place]


def _nearest(image: Floats, size: tuple[int, int]) -> Floats:
    rows, columns = (np.arange(n) * length // n for n, length in zip(size, image.shape[:2], strict=True))
    return image[np.ix_(rows, columns)]


def _relaxed(
    image: Floats, alpha: Floats, front: Floats, back: Floats, *, steps: int | None = None
) -> tuple[Floats, Floats]:
    """Both colours of every pixel, from those of its four neighbours: the 2x2 system of equation 10, several times."""
    if steps is None:
        steps = _SMALL_STEPS if max(alpha.shape) <= _SMALL_SIDE else _LARGE_STEPS
    weights = [_REGULAR + _GRADIENT * np.abs(alpha - _shifted(alpha, axis, way)) for axis, way in _NEIGHBOURS]
    total = sum(weights[1:], weights[0])
    inverse = 1 - alpha
    first, mixed, last = alpha * alpha + total, alpha * inverse, inverse * inverse + total
    size = (first * last - mixed * mixed)[:, :, None]
    for _ in range(steps):
        sums = [
            sum(w[:, :, None] * _shifted(one, axis, way) for w, (axis, way) in zip(weights, _NEIGHBOURS, strict=True))
            for one in (front, back)
        ]
        ahead = alpha[:, :, None] * image + sums[0]
        behind = inverse[:, :, None] * image + sums[1]
        front = np.clip((last[:, :, None] * ahead - mixed[:, :, None] * behind) / size, 0, 1)
        back = np.clip((first[:, :, None] * behind - mixed[:, :, None] * ahead) / size, 0, 1)
    return front, back


_NEIGHBOURS = ((0, 1), (0, -1), (1, 1), (1, -1))


def _shifted(image: Floats, axis: int, way: int) -> Floats:
    """The neighbour on one side; beyond the border the pixel itself."""
    length = image.shape[axis]
    return np.take(image, np.clip(np.arange(length) + way, 0, length - 1), axis=axis)
