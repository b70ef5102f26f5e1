"""Colour for pixels that nobody sees: without it, enlarging drags their black or white into visible edges."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .picture import Picture, Pixels

__all__ = ["bleed"]

Floats = NDArray[np.float32]
ROWS = 512  # even: rows of the full picture handled at a time


def bleed(picture: Picture) -> Picture:
    """Give every fully transparent pixel the colour of the visible ones around it; visible pixels and alpha stay.

    Push-pull (Gortler et al., The Lumigraph, 1996): averages weighted by alpha are taken over ever larger squares, and
    holes are filled from the coarser level. Takes a time proportional to the pixels and, beside the result, half
    a float picture of memory.

    Returns:
        the same picture where nothing is fully transparent, or nothing is visible.
    """
    if picture.alpha is None or bool(picture.alpha.all()) or not bool(picture.alpha.any()):
        return picture
    coarse = _filled(*_halved_from(picture.pixels, picture.alpha))
    return picture.replace(pixels=_fill(picture.pixels, picture.alpha, coarse))


def _halved_from(pixels: Pixels, alpha: Pixels) -> tuple[Floats, Floats]:
    """Sums over squares of 2 x 2: colour times alpha (h, w, c), and alpha (h, w), which 1 = all four opaque."""
    height, width = alpha.shape
    shape = ((height + 1) // 2, (width + 1) // 2)
    colour = np.empty((*shape, pixels.shape[2]), np.float32)
    weight = np.empty(shape, np.float32)
    peak = np.float32(4 * (np.iinfo(alpha.dtype).max if alpha.dtype.kind == "u" else 1))
    for start in range(0, height, ROWS):
        rows = alpha[start : start + ROWS].astype(np.float32) / peak
        into = slice(start // 2, start // 2 + (rows.shape[0] + 1) // 2)
        weight[into] = _sum_squares(rows)
        colour[into] = _sum_squares(pixels[start : start + ROWS].astype(np.float32) * rows[:, :, None])
    return colour, weight


def _sum_squares(array: NDArray[Any]) -> NDArray[Any]:
    """Sums over squares of 2 x 2; missing ones at the lower and right border count as 0."""
    tall = array[0::2].copy()
    tall[: array.shape[0] // 2] += array[1::2]
    wide = tall[:, 0::2].copy()
    wide[:, : array.shape[1] // 2] += tall[:, 1::2]
    return wide


def _filled(colour: Floats, weight: Floats) -> Floats:
    """The mean colour everywhere: colour / weight where there is weight, from the coarser level where there is not."""
    seen = weight > 0
    safe = np.where(seen, weight, np.float32(1))[:, :, None]
    mean = colour / safe
    if bool(seen.all()) or min(weight.shape) == 1 == max(weight.shape):
        return np.asarray(mean, np.float32)
    coarser = _filled(_sum_squares(colour), _sum_squares(weight))
    share = np.minimum(weight, np.float32(1))[:, :, None]
    return np.asarray(mean * share + _doubled(coarser, weight.shape) * (1 - share), np.float32)


def _doubled(array: Floats, shape: tuple[int, ...]) -> Floats:
    """Twice the size, linear between the centres of the squares, cut to `shape`."""
    for axis, size in enumerate(shape[:2]):
        first, last = np.take(array, [0], axis), np.take(array, [-1], axis)
        padded = np.concatenate([first, array, last], axis)
        count = array.shape[axis]
        middle = np.take(padded, range(1, count + 1), axis)
        before, after = np.take(padded, range(count), axis), np.take(padded, range(2, count + 2), axis)
        pairs = np.stack([0.75 * middle + 0.25 * before, 0.75 * middle + 0.25 * after], axis + 1)
        joined = pairs.reshape(*array.shape[:axis], 2 * count, *array.shape[axis + 1 :])
        array = np.take(joined, range(size), axis)
    return array.astype(np.float32, copy=False)


def _fill(pixels: Pixels, alpha: Pixels, coarse: Floats) -> Pixels:
    """The pixels, where alpha is 0 taken from a picture of half the size."""
    result = pixels.copy()
    height, width = alpha.shape
    for start in range(0, height, ROWS):
        stop = min(start + ROWS, height)
        hidden = alpha[start:stop] == 0
        if not hidden.any():
            continue
        above = max(0, start // 2 - 1)  # one more row of squares on both sides, so that blocks of rows meet smoothly
        below = min(coarse.shape[0], (stop + 1) // 2 + 1)
        fine = _doubled(coarse[above:below], (2 * (below - above), width))[start - 2 * above : stop - 2 * above]
        colours = fine[hidden]
        result[start:stop][hidden] = colours if pixels.dtype == np.float32 else np.rint(colours)
    return result
