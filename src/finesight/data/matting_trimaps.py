"""Trimaps from alphas, by the two published ways: erosion and dilation, and distance. Levels 0, 128 and 255."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from finesight.errors import SettingError
from finesight.nn.trimap import distances_to

__all__ = ["dilated", "ellipse", "eroded", "trimap_by_distance", "trimap_by_morphology"]

Bytes = NDArray[np.uint8]


def ellipse(size: int) -> NDArray[np.bool_]:
    """OpenCV's elliptic element ``(size, size)``; of even size it is lopsided.

    >>> ellipse(4).astype(int).tolist()
    [[0, 0, 1, 0], [0, 1, 1, 1], [1, 1, 1, 1], [0, 1, 1, 1]]

    Raises:
        SettingError: a size below 1.
    """
    if size < 1:
        raise SettingError(f"an element has at least one pixel a side, got {size}.")
    element = np.zeros((size, size), bool)
    for row, (first, last) in enumerate(_spans(size)):
        element[row, first : last + 1] = True
    return element


def _spans(size: int) -> list[tuple[int, int]]:
    """First and last column of each row of the element."""
    radius = size // 2
    found = []
    for row in range(size):
        half = round(math.sqrt(radius**2 - (row - radius) ** 2))
        found.append((max(0, radius - half), min(size - 1, radius + half)))
    return found


def _highest(plane: Tensor, size: int) -> Tensor:
    """The maximum under the element as it is, anchored at ``size // 2``; pixels outside do not count."""
    height, width = plane.shape
    anchor = size // 2
    padded = F.pad(plane, (anchor, size - 1 - anchor, anchor, size - 1 - anchor), value=-torch.inf)
    best = torch.full_like(plane, -torch.inf)
    for row, (first, last) in enumerate(_spans(size)):
        strip = padded[row : row + height, first : first + width + last - first]
        best = torch.maximum(best, F.max_pool1d(strip[None], last - first + 1, 1)[0])
    return best


def dilated(alpha: Bytes, size: int, *, iterations: int = 1) -> Bytes:
    """The largest value under an elliptic element of ``size`` pixels, ``(H, W)`` uint8."""
    plane = torch.from_numpy(alpha.astype(np.float32))
    for _ in range(iterations):
        plane = _highest(plane, size)
    found: Bytes = plane.numpy().astype(np.uint8)
    return found


def eroded(alpha: Bytes, size: int, *, iterations: int = 1) -> Bytes:
    """The smallest value under an elliptic element of ``size`` pixels, ``(H, W)`` uint8."""
    return 255 - dilated(255 - alpha, size, iterations=iterations)


def trimap_by_morphology(
    alpha: Bytes, erode: int, dilate: int, *, erode_iterations: int = 1, dilate_iterations: int = 1
) -> Bytes:
    """255 where the eroded alpha is, 0 where the dilated one is, else 128.

    Args:
        alpha: ``(H, W)`` uint8.
        erode, dilate: sizes of the elliptic elements, pixels; published training draws each from 1 to 29.
        erode_iterations, dilate_iterations: how often.

    Returns:
        ``(H, W)`` uint8.
    """
    trimap = np.full_like(alpha, 128)
    trimap[eroded(alpha, erode, iterations=erode_iterations) == 255] = 255
    trimap[dilated(alpha, dilate, iterations=dilate_iterations) == 0] = 0
    return trimap


def trimap_by_distance(alpha: Bytes, threshold: float) -> Bytes:
    """128 within ``threshold`` pixels (Euclidean) of anything neither 0 nor 255; elsewhere 255 where alpha is, else 0.

    Args:
        alpha: ``(H, W)`` uint8.
        threshold: published training draws it from 1 to 19.

    Returns:
        ``(H, W)`` uint8.
    """
    trimap: Bytes = np.where(alpha == 255, 255, 0).astype(np.uint8)
    near = distances_to(torch.from_numpy((alpha > 0) & (alpha < 255)))
    trimap[near.numpy() <= threshold] = 128
    return trimap
