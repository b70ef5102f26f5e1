"""What goes in and comes out: frames as plain arrays, or as objects that carry pixels and a time."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeAlias

import numpy as np

from finesight.errors import InputError
from finesight.run.particular import enlarge_alpha
from finesight.run.pixels import Pixels

__all__ = ["AnyFrame", "check_pixels", "pixels_of", "with_pixels"]

AnyFrame: TypeAlias = Any
"""``(H, W, 3)`` uint8, uint16 or floats in [0, 1], or a frozen dataclass with such ``pixels`` (``clips.Frame``)."""


def pixels_of(frame: AnyFrame) -> Pixels:
    """The pixels of a frame of either kind, ``(H, W, 3)``.

    Raises:
        InputError: no such array.
    """
    pixels = frame if isinstance(frame, np.ndarray) else getattr(frame, "pixels", None)
    if not isinstance(pixels, np.ndarray):
        raise InputError(f"Frames are arrays (height, width, 3) or objects with pixels, not {type(frame).__name__}.")
    return pixels


def check_pixels(pixels: Pixels, index: int, like: Pixels | None) -> None:
    """Refuse a frame that is no colour picture, or differs in size or type from the frame before it.

    Raises:
        InputError: says which frame and what it is.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise InputError(f"Frame {index} has the shape {pixels.shape}; (height, width, 3) is wanted.")
    if pixels.dtype not in (np.uint8, np.uint16) and pixels.dtype.kind != "f":
        raise InputError(f"Frame {index} is of type {pixels.dtype}; uint8, uint16 or floats in [0, 1] are wanted.")
    if like is not None and pixels.shape != like.shape:
        raise InputError(
            f"Frame {index} is {pixels.shape[1]}x{pixels.shape[0]} pixels, the frames before it "
            f"{like.shape[1]}x{like.shape[0]}. Cut the clip there and process the parts one by one."
        )
    if like is not None and pixels.dtype != like.dtype:
        raise InputError(f"Frame {index} is of type {pixels.dtype}, the frames before it of {like.dtype}.")


def with_pixels(frame: AnyFrame, pixels: Pixels, **changes: Any) -> AnyFrame:
    """The same kind of frame with other pixels (and other fields, where it has any); alpha is brought to their size."""
    if isinstance(frame, np.ndarray):
        return pixels
    alpha = getattr(frame, "alpha", None)
    if alpha is not None and alpha.shape != pixels.shape[:2]:
        changes["alpha"] = enlarge_alpha(alpha, (pixels.shape[0], pixels.shape[1]))
    return dataclasses.replace(frame, pixels=pixels, **changes)
