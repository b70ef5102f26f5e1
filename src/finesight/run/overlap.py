"""How much overlap a network of large or unbounded halo needs on this picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from finesight.nn.traits import Traits
from finesight.run.compute import Computer
from finesight.run.pixels import View, to_tensor
from finesight.run.tiles import Plan, plan_tiles

__all__ = ["LARGEST_DIFFERENCE", "Overlap", "detail", "find_overlap", "plan_overlapping"]

LARGEST_DIFFERENCE = 0.25
"""RMS in grey levels of 255 between an overlap and twice that overlap."""

_FIRST = 8
_LARGEST_CORE = 128


@dataclass(frozen=True, slots=True)
class Overlap:
    """The smallest overlap that was good enough (``enough``), or the largest that memory allowed, and what it costs."""

    pixels: int
    difference: float
    enough: bool


def plan_overlapping(height: int, width: int, traits: Traits, overlap: int, pixels: int) -> Plan | None:
    """Blended tiles of at most ``pixels`` pixels with that overlap; half of it fades from tile to tile."""
    overlap = -(-overlap // traits.multiple) * traits.multiple
    return plan_tiles(height, width, pixels, overlap, multiple=traits.multiple, blend=overlap // 2, exact=False)


def detail(view: View, plan: Plan) -> tuple[int, int]:
    """Centre (row, column) of the tile of ``plan`` whose neighbouring pixels differ most in the mean."""
    best, centre = -1.0, (view.height // 2, view.width // 2)
    for tile in plan:
        y, x = tile.y, tile.x
        crop = np.asarray(view.crop(y.first, y.last, x.first, x.last)[..., :1], np.float32)
        down, across = np.diff(crop, axis=0), np.diff(crop, axis=1)
        found = float(np.abs(down).mean() if down.size else 0) + float(np.abs(across).mean() if across.size else 0)
        if found > best:
            best, centre = found, ((y.first + y.last) // 2, (x.first + x.last) // 2)
    return centre


def _around(centre: int, core: int, overlap: int, length: int, multiple: int) -> tuple[int, int, int, int]:
    """start, stop of the crop and first, last of the core along one axis, clamped into the picture."""
    first = max(0, min(centre - core // 2, length - core)) // multiple * multiple
    last = min(length, first + core)
    start = max(0, first - overlap) // multiple * multiple
    return start, min(length, last + overlap), first, last


@torch.inference_mode()
def find_overlap(view: View, computer: Computer, pixels: int) -> Overlap:
    """Double the overlap until doubling changes the picture's most detailed tile by at most 0.25 grey level (RMS).

    Args:
        view: the picture; its most detailed part is found on a grid of tiles.
        computer: the network.
        pixels: most pixels that may be computed at once; bounds the overlap that can be tried.
    """
    traits = computer.traits
    grid = plan_tiles(view.height, view.width, _LARGEST_CORE**2, 0)
    assert grid is not None
    centre = detail(view, grid)
    core = _core(pixels)
    previous: Tensor | None = None
    overlap, answer = -(-_FIRST // traits.multiple) * traits.multiple, Overlap(_FIRST, float("inf"), enough=False)
    while True:
        spans = [
            _around(c, core, overlap, n, traits.multiple)
            for c, n in zip(centre, (view.height, view.width), strict=True)
        ]
        (top, bottom, y0, y1), (left, right, x0, x1) = spans
        if previous is not None and (bottom - top) * (right - left) > pixels:
            return answer
        crop = to_tensor(view.crop(top, bottom, left, right), computer.prepared.device)
        crop = crop.expand(3, -1, -1).contiguous() if crop.shape[0] == 1 else crop
        scale = traits.scale or 1
        result = computer(crop[None], overlap, "the most detailed tile")[
            0, :, (y0 - top) * scale : (y1 - top) * scale, (x0 - left) * scale : (x1 - left) * scale
        ]
        if previous is not None:
            difference = float((result - previous).square().mean().sqrt()) * 255
            answer = Overlap(overlap // 2, difference, enough=difference <= LARGEST_DIFFERENCE)
            if answer.enough:
                return answer
        previous, overlap = result, overlap * 2


def _core(pixels: int) -> int:
    """Side of the tile that is compared: leaves half of the side to overlaps."""
    return max(16, min(_LARGEST_CORE, int(pixels**0.5) // 2))
