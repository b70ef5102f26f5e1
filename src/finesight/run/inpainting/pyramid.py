"""A hole and what is known around it at halved sizes, and how wide the hole is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from finesight.run.inpainting.holes import Hole
from finesight.run.pixels import most_of

__all__ = ["Level", "enlarged", "halved", "levels_needed", "to_level", "too_deep"]


@dataclass(slots=True)
class Level:
    """Part of a picture at one size: ``image`` ``(c, h, w)`` float32 in [0, 1], and its ``hole`` ``(h, w)``."""

    image: Tensor
    hole: Hole


def to_level(pixels: NDArray[Any], hole: Hole) -> Level:
    """Pixels ``(h, w, c)`` of any depth as they are."""
    image = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1).to(torch.float32)
    most = most_of(pixels.dtype)
    image = image.div_(most) if most > 1 else image.clone()
    image[:, torch.from_numpy(np.ascontiguousarray(hole))] = 0  # whatever stands there, also NaN, is not looked at
    return Level(image, hole)


def halved(level: Level) -> Level:
    """Known pixels averaged two by two; a pixel is missing where all four are."""
    known = torch.from_numpy(~level.hole).to(torch.float32)[None, None]
    share = F.avg_pool2d(known, 2, ceil_mode=True)
    total = F.avg_pool2d(level.image[None] * known, 2, ceil_mode=True)
    image = (total / share.clamp(min=1e-6))[0]
    return Level(image, (share[0, 0] <= 0).numpy())


def enlarged(image: Tensor, size: tuple[int, ...]) -> Tensor:
    """``(c, h, w)`` to twice the size, cut to ``size``."""
    doubled = F.interpolate(image[None], scale_factor=2.0, mode="bilinear", align_corners=False)[0]
    return doubled[:, : size[0], : size[1]]


def too_deep(hole: Hole, side: int) -> Hole:
    """Pixels in the middle of squares of ``side`` that are missing as a whole."""
    side = max(1, min(side, *hole.shape))
    sums = np.zeros((hole.shape[0] + 1, hole.shape[1] + 1), np.int64)
    sums[1:, 1:] = hole.cumsum(0, dtype=np.int64).cumsum(1)
    whole = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side] == side * side
    deep = np.zeros_like(hole)
    middle = side // 2
    deep[middle : middle + whole.shape[0], middle : middle + whole.shape[1]] = whole
    return deep


def levels_needed(hole: Hole, widest: int) -> int:
    """How often a hole must be halved until no square of ``widest`` pixels lies inside it."""
    levels = 0
    while widest * 2**levels <= min(hole.shape) and too_deep(hole, widest * 2**levels).any():
        levels += 1
    return levels
