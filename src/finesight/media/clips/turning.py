"""Standing frames upright as the file's display matrix says."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from .types import Pixels

if TYPE_CHECKING:
    import av

__all__ = ["turn_of", "turned"]

_ONE = 1 << 16


def turn_of(frame: av.VideoFrame) -> tuple[int, bool]:
    """Degrees clockwise to the nearest quarter, and whether to mirror from left to right before turning."""
    data: Any = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return 0, False
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(data)[:36])  # shown at (a x + c y, b x + d y), in 1/65536
    mirrored = a * d - b * c < 0
    if mirrored:
        a, b = -a, -b
    if not (a or b):
        return 0, False
    degrees = round(np.degrees(np.arctan2(b, a)) / 90) * 90 % 360
    return int(degrees), mirrored


def turned(pixels: Pixels, rotation: int, mirrored: bool) -> Pixels:
    """(height, width, ...) turned clockwise by 0, 90, 180 or 270 degrees, mirrored first; contiguous."""
    if mirrored:
        pixels = pixels[:, ::-1]
    if rotation:
        pixels = np.rot90(pixels, -rotation // 90)
    return np.ascontiguousarray(pixels)
