"""Between pictures as arrays, in any depth, and batches of float32 tensors on a device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Pixels", "View", "most_of", "quantise", "to_tensor"]


Pixels: TypeAlias = NDArray[Any]
"""(H, W, channels) of uint8, uint16 or floating point."""


def most_of(dtype: np.dtype) -> int:
    """The integer that stands for 1.0: 255, 65535, or 1 for floating point.

    >>> most_of(np.dtype("uint16"))
    65535
    """
    return int(np.iinfo(dtype).max) if dtype.kind == "u" else 1


def to_tensor(crop: Pixels, device: torch.device) -> Tensor:
    """``(..., h, w, c)`` uint8, uint16 or floats to float32 ``(..., c, h, w)`` on ``device``, integers over their most.

    Bytes travel to the device as they are and are converted there. ``crop`` is not changed.
    """
    tensor = torch.from_numpy(np.array(crop, order="C", copy=True)).to(device)
    tensor = tensor.movedim(-1, -3).to(torch.float32, memory_format=torch.contiguous_format)
    most = most_of(crop.dtype)
    return tensor.div_(most) if most > 1 else tensor


def quantise(pixels: Tensor, dtype: np.dtype) -> Pixels:
    """Float ``(..., c, h, w)`` on any device to ``(..., h, w, c)`` of ``dtype``.

    For integers clipped to [0, 1] and rounded half to even. Floating point results are neither clipped nor rounded.
    """
    pixels = pixels.movedim(-3, -1)
    if dtype.kind == "f":
        return pixels.contiguous().cpu().numpy().astype(dtype, copy=False)
    pixels = pixels.clamp(0, 1).mul_(most_of(dtype)).round_()
    if dtype == np.uint8:
        return pixels.to(torch.uint8).contiguous().cpu().numpy()
    return pixels.to(torch.int32).contiguous().cpu().numpy().astype(dtype)


@dataclass(frozen=True, slots=True)
class View:
    """A picture ``(H, W, c)`` with a frame of ``frame`` pixels around it that copies nothing.

    The frame continues the picture ``wrap``ped around (textures that tile) or mirrored, and is how a picture below a
    network's smallest size is fed: ``height`` and ``width`` count the frame, ``top``, ``left`` say where the picture
    begins. Without frame a crop is a plain slice.
    """

    pixels: Pixels
    rows: Pixels | None = None
    columns: Pixels | None = None
    top: int = 0
    left: int = 0

    @property
    def height(self) -> int:
        """Rows, the frame included."""
        return self.pixels.shape[0] if self.rows is None else len(self.rows)

    @property
    def width(self) -> int:
        """Columns, the frame included."""
        return self.pixels.shape[1] if self.columns is None else len(self.columns)

    @classmethod
    def wrapped(cls, pixels: Pixels, frame: int) -> View:
        """The picture continued by itself on all sides, ``frame`` pixels wide (it may be larger than the picture)."""
        rows, columns = (np.arange(-frame, length + frame) % length for length in pixels.shape[:2])
        return cls(pixels, rows, columns, top=frame, left=frame)

    @classmethod
    def at_least(cls, pixels: Pixels, minimum: int) -> View:
        """The picture, mirrored downwards and to the right up to ``minimum`` pixels a side where it has fewer.

        The border pixel is not repeated, except where the side has one pixel only.
        """
        height, width = pixels.shape[:2]
        if min(height, width) >= minimum:
            return cls(pixels)
        return cls(pixels, _mirrored(height, max(height, minimum)), _mirrored(width, max(width, minimum)))

    def crop(self, top: int, bottom: int, left: int, right: int) -> Pixels:
        """Pixels ``(bottom - top, right - left, c)`` of the framed picture."""
        if self.rows is None or self.columns is None:
            return self.pixels[top:bottom, left:right]
        part: Pixels = self.pixels[np.ix_(self.rows[top:bottom], self.columns[left:right])]
        return part


def _mirrored(length: int, wanted: int) -> Pixels:
    period = max(1, 2 * (length - 1))
    position = np.arange(wanted) % period
    mirrored: Pixels = np.where(position < length, position, period - position)
    return mirrored
