"""Pixels turned upright."""

from __future__ import annotations

import numpy as np

from .picture import Pixels

__all__ = ["upright"]


def upright(array: Pixels, orientation: int) -> Pixels:
    """Turn (H, W, ...) pixels stored in an EXIF orientation (1..8) so that they stand upright; contiguous."""
    if orientation in (5, 6, 7, 8):  # row 0 of the file is a column of the picture
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return np.ascontiguousarray(array)
