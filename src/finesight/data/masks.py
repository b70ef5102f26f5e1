"""Masks to train and measure inpainting with: boxes, irregular polylines, brush strokes, and by how much they cover.

Masks are uint8 ``(H, W)``, 1 = hole. Everything is drawn from a passed ``torch.Generator`` and nothing else, so that a
mask is a function of its seed. The published generators (mmediting 0.16.1; specs/inpainting section 5) are repeated in
what they draw and in how often, not in their random numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from finesight.errors import SettingError

__all__ = [
    "BUCKETS",
    "Box",
    "BrushStrokes",
    "BucketMasks",
    "Irregular",
    "Mask",
    "MaskGenerator",
    "bucket_of",
    "dilated",
    "in_bucket",
    "joined",
]

Mask = NDArray[np.uint8]

BUCKETS: tuple[tuple[float, float], ...] = ((0.01, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 0.4), (0.4, 0.5), (0.5, 0.6))
"""Shares of the picture that a hole covers, as inpainting tables group them: above the first, up to the second."""

_TRIES = 1000


class MaskGenerator(Protocol):
    """Anything that draws a mask of a given size."""

    def draw(self, height: int, width: int, generator: torch.Generator) -> Mask: ...


def _whole(low: int, high: int, generator: torch.Generator) -> int:
    """A whole number from ``low`` up to but not including ``high``."""
    return int(torch.randint(low, high, (), generator=generator))


def _uniform(low: float, high: float, generator: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator, dtype=torch.float64))


@dataclass(frozen=True, kw_only=True)
class Box:
    """One rectangle, its place and size at random (Global&Local, DeepFillv1).

    The largest box is placed at least ``margin`` from the border, then loses up to half of ``delta`` on each side, at
    its upper and left border.

    Args:
        height, width: of the largest box, pixels.
        margin: to the border of the picture.
        delta: most that a side shrinks, twice: a box of 128 with 40 has sides of 108 to 128.
    """

    height: int = 128
    width: int = 128
    margin: int = 20
    delta: int = 40

    def box(self, height: int, width: int, generator: torch.Generator) -> tuple[int, int, int, int]:
        """Top, left, height and width of a box in a picture of that size.

        Raises:
            SettingError: the picture is too small.
        """
        if height - self.margin <= self.margin + self.height or width - self.margin <= self.margin + self.width:
            raise SettingError(
                f"A box of up to {self.height}x{self.width} with a margin of {self.margin} does not fit into "
                f"{height}x{width}; both sides must be larger by at least twice the margin and one."
            )
        top = _whole(self.margin, height - self.margin - self.height, generator)
        left = _whole(self.margin, width - self.margin - self.width, generator)
        down, right = (_whole(0, self.delta // 2 + 1, generator) for _ in range(2))
        return top + down, left + right, self.height - down, self.width - right

    def draw(self, height: int, width: int, generator: torch.Generator) -> Mask:
        """A mask with one box."""
        top, left, tall, wide = self.box(height, width, generator)
        mask = np.zeros((height, width), np.uint8)
        mask[top : top + tall, left : left + wide] = 1
        return mask


@dataclass(frozen=True, kw_only=True)
class Irregular:
    """Thick polylines that leave the picture and come back (PConv, DeepFillv2).

    Every range is half open, ``[low, high)``, in whole numbers, as published; masks are drawn again until the share
    of the hole lies strictly inside ``area``. Defaults: the published settings for 256x256. The published drawing swaps
    the two coordinates of pictures that are not square; this does not.

    Args:
        lines: number of polylines.
        angles: directions are whole radians below this, plus 0.01; every other polyline runs backwards.
        segments: of each polyline.
        length, brush: of each segment, pixels.
        area: share of the picture.
    """

    lines: tuple[int, int] = (4, 10)
    angles: int = 6
    segments: tuple[int, int] = (1, 6)
    length: tuple[int, int] = (20, 128)
    brush: tuple[int, int] = (10, 45)
    area: tuple[float, float] = (0.15, 0.65)

    def draw(self, height: int, width: int, generator: torch.Generator) -> Mask:
        """A mask whose area is inside the bounds.

        Raises:
            SettingError: a thousand masks in a row were not.
        """
        return _until(lambda: self._once(height, width, generator), *self.area)

    def _once(self, height: int, width: int, generator: torch.Generator) -> Mask:
        picture, pen = _canvas(height, width)
        for line in range(_whole(*self.lines, generator)):
            x, y = _whole(0, width, generator), _whole(0, height, generator)
            for _ in range(_whole(*self.segments, generator)):
                angle = 0.01 + _whole(0, self.angles, generator)
                if line % 2 == 0:
                    angle = 2 * math.pi - angle
                length, brush = _whole(*self.length, generator), _whole(*self.brush, generator)
                end = int(x + length * math.sin(angle)), int(y + length * math.cos(angle))
                _stroke(pen, (x, y), end, brush + 1)  # OpenCV's thick lines are a pixel wider than asked
                x, y = end
        return np.array(picture, np.uint8)


@dataclass(frozen=True, kw_only=True)
class BrushStrokes:
    """Rounded strokes as of a hand (DeepFillv2, algorithm 1; in mmediting, but in no published setting).

    Args:
        loops: strokes, ``[low, high)``.
        vertices: of each stroke, ``[low, high)``.
        mean_angle, angle_range: of each turn: uniform around the mean, by less than a uniform part of the range.
        brush: width, ``[low, high)``, pixels.
        area: share of the picture.
    """

    loops: tuple[int, int] = (1, 4)
    vertices: tuple[int, int] = (4, 12)
    mean_angle: float = 2 * math.pi / 5
    angle_range: float = 2 * math.pi / 15
    brush: tuple[int, int] = (12, 40)
    area: tuple[float, float] = (0.0, 1.0)

    def draw(self, height: int, width: int, generator: torch.Generator) -> Mask:
        """A mask whose area is inside the bounds.

        Raises:
            SettingError: a thousand masks in a row were not.
        """
        return _until(lambda: self._once(height, width, generator), *self.area)

    def _once(self, height: int, width: int, generator: torch.Generator) -> Mask:
        picture, pen = _canvas(height, width)
        radius = math.hypot(height, width) / 8
        for _ in range(_whole(*self.loops, generator)):
            count = _whole(*self.vertices, generator)
            low = self.mean_angle - _uniform(0, self.angle_range, generator)
            high = self.mean_angle + _uniform(0, self.angle_range, generator)
            x, y = _whole(0, width, generator), _whole(0, height, generator)
            points = [(x, y)]
            for vertex in range(count):
                angle = _uniform(low, high, generator)
                if vertex % 2 == 0:
                    angle = 2 * math.pi - angle
                drawn = float(torch.randn((), generator=generator, dtype=torch.float64))
                reach = min(max(radius + radius // 2 * drawn, 0), 2 * radius)
                x = min(max(int(x + reach * math.cos(angle)), 0), width)
                y = min(max(int(y + reach * math.sin(angle)), 0), height)
                points.append((x, y))
            brush = _whole(*self.brush, generator)
            for start, end in pairwise(points):
                _stroke(pen, start, end, brush)
        return np.array(picture, np.uint8)


def _canvas(height: int, width: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    picture = Image.new("L", (width, height), 0)
    return picture, ImageDraw.Draw(picture)


def _stroke(pen: ImageDraw.ImageDraw, start: tuple[int, int], end: tuple[int, int], width: int) -> None:
    """A line with round ends."""
    pen.line([start, end], fill=1, width=width)
    half = width // 2
    for x, y in (start, end):
        pen.ellipse((x - half, y - half, x + half, y + half), fill=1)


def _until(draw: Callable[[], Mask], low: float, high: float) -> Mask:
    """The first of ``draw``'s masks whose share of the hole lies strictly between the two, which 0 and 1 do not bar."""
    for _ in range(_TRIES):
        mask = draw()
        share = float(mask.mean())
        if (low <= 0 or share > low) and (high >= 1 or share < high):
            return mask
    raise SettingError(
        f"No mask of {_TRIES} covered between {low:g} and {high:g} of the picture. Widen the area, or change the brush."
    )


def bucket_of(share: float) -> tuple[float, float] | None:
    """The bucket of ``BUCKETS`` that a hole of that share of the picture falls into, ``None`` outside all.

    >>> bucket_of(0.2), bucket_of(0.21), bucket_of(0.9)
    ((0.1, 0.2), (0.2, 0.3), None)
    """
    return next((bucket for bucket in BUCKETS if bucket[0] < share <= bucket[1]), None)


def in_bucket(bucket: tuple[float, float], height: int, width: int, generator: torch.Generator) -> Mask:
    """A free-form mask whose share of the picture lies in ``bucket``, for pictures of any size.

    Strokes of a hand, scaled with the picture, are laid over each other until a share drawn from the bucket is reached;
    a mask that shoots past the bucket is begun anew.

    Raises:
        SettingError: not a bucket (0 <= low < high <= 1), or one too narrow to be hit.
    """
    low, high = bucket
    if not 0 <= low < high <= 1:
        raise SettingError(f"A bucket is two shares of the picture, low before high, within 0 and 1; got {bucket}.")
    side = math.sqrt(height * width)
    scale = math.sqrt(max(high, 0.02))
    brush = (max(1, round(0.04 * side * scale)), max(3, round(0.2 * side * scale)))
    strokes = BrushStrokes(loops=(1, 2), vertices=(2, 8), brush=brush)
    for _ in range(_TRIES):
        mask = np.zeros((height, width), np.uint8)
        wanted = _uniform(low, high, generator)
        while float(mask.mean()) <= wanted:
            mask |= strokes.draw(height, width, generator)
        if float(mask.mean()) <= high:
            return mask
    raise SettingError(f"No mask of {_TRIES} covered between {low:g} and {high:g} of {height}x{width} pixels.")


def joined(masks: Any) -> Mask:
    """The union of masks of one size.

    Raises:
        SettingError: there are none.
    """
    parts = list(masks)
    if not parts:
        raise SettingError("Nothing to join: give at least one mask.")
    return np.maximum.reduce(parts)  # type: ignore[no-any-return]  # a mask like its parts


def dilated(mask: Mask, size: int) -> Mask:
    """The hole grown by a square of ``size`` x ``size`` pixels (odd; 1 changes nothing).

    Raises:
        SettingError: an even size, or one below 1.
    """
    if size < 1 or size % 2 == 0:
        raise SettingError(f"A hole is grown by an odd number of pixels from 1 on, got {size}.")
    grown = torch.nn.functional.max_pool2d(torch.from_numpy(mask)[None].float(), size, 1, size // 2)[0]
    return grown.numpy().astype(np.uint8)


@dataclass(frozen=True, kw_only=True)
class BucketMasks:
    """Free-form masks of all area buckets, each as likely as the others.

    Args:
        buckets: shares of the picture.
    """

    buckets: tuple[tuple[float, float], ...] = BUCKETS

    def draw(self, height: int, width: int, generator: torch.Generator) -> Mask:
        """A mask of one of them."""
        return in_bucket(self.buckets[_whole(0, len(self.buckets), generator)], height, width, generator)
