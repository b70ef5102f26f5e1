"""Which pixels are missing: masks of every kind as one boolean array, looked at and grouped."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from finesight import media
from finesight.errors import InputError, SettingError
from finesight.media.picture import Picture
from finesight.run.kinds import as_picture
from finesight.run.pixels import most_of

__all__ = [
    "AnyMask",
    "Box",
    "Hole",
    "as_hole",
    "boxes_hole",
    "checked",
    "colour_hole",
    "fitted",
    "groups",
    "grown",
    "hole_of",
    "transparent_hole",
]

Hole = NDArray[np.bool_]
"""(height, width), True where a pixel is missing."""

Box = tuple[int, int, int, int]
"""Left, top, width and height, in pixels."""

AnyMask = Any
"""A path, a ``Picture``, a PIL image, an array (H, W[, 1]) or a tensor ([1,] H, W): above half is missing; the word
``"alpha"``: what is transparent is missing."""

_MANY = 0.9
_CELL = 16


def hole_of(mask: Picture) -> Hole:
    """Of a picture: missing where its brightest channel lies above half. Grey, black and white, or any colour."""
    brightest = mask.pixels.max(axis=2)
    found: Hole = brightest > most_of(brightest.dtype) / 2
    return found


def transparent_hole(picture: Picture) -> Hole:
    """Missing where the picture is less than half opaque.

    Raises:
        InputError: it has no alpha.
    """
    if picture.alpha is None:
        raise InputError("The mask was to come from alpha, but the picture has none. Give a mask: --mask FILE.")
    found: Hole = picture.alpha < most_of(picture.alpha.dtype) / 2
    return found


def colour_hole(picture: Picture, colour: tuple[int, int, int], *, tolerance: float = 0.0) -> Hole:
    """Missing where a pixel has ``colour``.

    Args:
        colour: red, green and blue, 0 to 255, whatever the picture's depth.
        tolerance: largest difference of a channel, of 255.
    """
    most = most_of(picture.pixels.dtype)
    wanted = np.asarray(colour, np.float64) * (most / 255)
    allowed = max(
        tolerance * most / 255, most / 510 if most > 255 else 0.0
    )  # 8 bits of the colour, of 16 in the picture
    hole: Hole = np.ones(picture.pixels.shape[:2], np.bool_)
    for channel, level in enumerate(wanted):
        plane = picture.pixels[:, :, min(channel, picture.channels - 1)]
        hole &= (plane >= level - allowed - 1e-6) & (plane <= level + allowed + 1e-6)
    return hole


def boxes_hole(height: int, width: int, boxes: Sequence[Box]) -> Hole:
    """Missing inside boxes; what lies beyond the picture is cut off.

    Raises:
        SettingError: a box without pixels, or one wholly outside.
    """
    hole: Hole = np.zeros((height, width), np.bool_)
    for left, top, wide, tall in boxes:
        inside = wide > 0 and tall > 0 and left < width and top < height and left + wide > 0 and top + tall > 0
        if not inside:
            raise SettingError(
                f"The box {left},{top},{wide},{tall} (left, top, width, height) holds no pixel of a picture of "
                f"{width}x{height}."
            )
        hole[max(top, 0) : top + tall, max(left, 0) : left + wide] = True
    return hole


def as_hole(mask: AnyMask, picture: Picture) -> Hole:
    """Any kind of mask for ``picture``; see ``AnyMask``.

    Raises:
        InputError: it is no mask, or cannot be read.
    """
    if isinstance(mask, str) and mask == "alpha":
        return transparent_hole(picture)
    if isinstance(mask, str | os.PathLike):
        return hole_of(media.read(mask))
    dtype = getattr(mask, "dtype", None)
    if dtype is not None and str(dtype) in ("bool", "torch.bool"):
        mask = np.asarray(mask).astype(np.uint8) * 255
    elif hasattr(mask, "ndim") and mask.ndim == 2 and not isinstance(mask, np.ndarray):
        mask = mask[None]  # a tensor (H, W)
    return hole_of(as_picture(mask)[0])


def fitted(hole: Hole, picture: Picture, *, resize: bool = False, name: str = "The mask") -> Hole:
    """The hole at the picture's size.

    Args:
        resize: bring another size to it, by nearest neighbour.

    Raises:
        InputError: another size, and ``resize`` is not set.
    """
    height, width = picture.height, picture.width
    if hole.shape == (height, width):
        return hole
    if not resize:
        raise InputError(
            f"{name} is {hole.shape[1]}x{hole.shape[0]}, its picture {width}x{height}. They must be of one size, or "
            "add --resize-mask (resize_mask=True)."
        )
    rows = (np.arange(height) * 2 + 1) * hole.shape[0] // (2 * height)
    columns = (np.arange(width) * 2 + 1) * hole.shape[1] // (2 * width)
    resized: Hole = hole[rows[:, None], columns[None, :]]
    return resized


def grown(hole: Hole, pixels: int) -> Hole:
    """The hole with so many pixels more on all sides (a square; negative numbers are refused).

    Raises:
        SettingError: a negative number.
    """
    if pixels < 0:
        raise SettingError(f"A hole grows by 0 pixels or more, not {pixels}.")
    for axis in (0, 1):
        for _ in range(pixels):
            wider = hole.copy()
            ahead, behind = (slice(None, -1), slice(1, None))
            if axis == 0:
                wider[ahead] |= hole[behind]
                wider[behind] |= hole[ahead]
            else:
                wider[:, ahead] |= hole[:, behind]
                wider[:, behind] |= hole[:, ahead]
            hole = wider
    return hole


def checked(hole: Hole, *, name: str = "The mask") -> tuple[Literal["empty", "some"], tuple[str, ...]]:
    """Whether there is anything to fill, and what a user should hear.

    Raises:
        InputError: nothing of the picture is known.
    """
    share = float(hole.mean())
    if share == 0:
        return "empty", (f"{name} marks nothing: the picture is copied as it is",)
    if share == 1:
        raise InputError(
            f"{name} marks the whole picture; nothing is left to fill it from. Is it inverted? Add --invert."
        )
    if share > _MANY:
        return "some", (f"{name} marks {share:.0%} of the picture as missing; if it is inverted, add --invert",)
    return "some", ()


@dataclass(frozen=True, slots=True)
class Group:
    """Holes that lie near each other. Half-open ranges of rows and columns around them, without context."""

    top: int
    bottom: int
    left: int
    right: int

    def widened(self, margin: int, height: int, width: int) -> Group:
        """With context on all sides, within a picture of that size."""
        return Group(
            max(0, self.top - margin),
            min(height, self.bottom + margin),
            max(0, self.left - margin),
            min(width, self.right + margin),
        )

    @property
    def place(self) -> tuple[slice, slice]:
        """Rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


def groups(hole: Hole, *, near: int = 64) -> list[Group]:
    """Holes by what hangs together; those less than about ``near`` pixels apart count as one.

    From top to bottom. Groups do not share pixels of holes, though their boxes may overlap.
    """
    cell = max(_CELL, near // 2)
    cells = _cells(hole, cell)
    left_over = set(zip(*(axis.tolist() for axis in np.nonzero(cells)), strict=True))
    found = []
    for start in sorted(left_over):
        if start not in left_over:
            continue
        left_over.discard(start)
        waiting, members = [start], [start]
        while waiting:
            row, column = waiting.pop()
            for other in [(row + dy, column + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]:
                if other in left_over:
                    left_over.discard(other)
                    waiting.append(other)
                    members.append(other)
        found.append(_around(hole, members, cell))
    return found


def _cells(hole: Hole, cell: int) -> Hole:
    """Which cells hold anything missing."""
    height, width = hole.shape
    rows, columns = -(-height // cell), -(-width // cell)
    padded = np.zeros((rows * cell, columns * cell), np.bool_)
    padded[:height, :width] = hole
    return np.asarray(padded.reshape(rows, cell, columns, cell).any(axis=(1, 3)), np.bool_)


def _around(hole: Hole, members: Sequence[tuple[int, int]], cell: int) -> Group:
    """The box of what is missing in some cells."""
    rows, columns = zip(*members, strict=True)
    top, left = min(rows) * cell, min(columns) * cell
    part = hole[top : (max(rows) + 1) * cell, left : (max(columns) + 1) * cell]
    down, right = (np.flatnonzero(part.any(axis=axis)) for axis in (1, 0))
    return Group(top + int(down[0]), top + int(down[-1]) + 1, left + int(right[0]), left + int(right[-1]) + 1)
