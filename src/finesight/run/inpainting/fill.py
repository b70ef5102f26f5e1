"""One group of holes: coarse to fine, each size window by window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from finesight.progress import Cancel
from finesight.run.inpainting.detail import Matches, enlarged, find_matches, residuals
from finesight.run.inpainting.holes import Group, Hole
from finesight.run.inpainting.pyramid import Level, halved, levels_needed, to_level, too_deep
from finesight.run.inpainting.windows import Painter, paint

__all__ = ["Sizes", "fill_group", "region_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What a network is shown, in pixels.

    Args:
        window: largest side of a window.
        widest: widest hole that it is trusted with; a wider one is filled at a smaller size first.
        context: known pixels that a hole needs around it.
    """

    window: int
    widest: int
    context: int


def region_of(group: Group, hole: Hole, sizes: Sizes) -> tuple[Group, int]:
    """The part of the picture that one group is filled from, and how often it must be halved."""
    levels = levels_needed(hole[group.place], sizes.widest)
    return group.widened(sizes.context * 2**levels, *hole.shape), levels


def fill_group(
    pixels: NDArray[Any],
    hole: Hole,
    levels: int,
    sizes: Sizes,
    painter: Painter,
    *,
    detail: bool = True,
    done: Callable[[], None] = lambda: None,
    cancel: Cancel | None = None,
) -> Tensor:
    """A region ``(h, w, c)`` of any depth with its hole filled, float32 ``(c, h, w)`` in [0, 1].

    The smallest size is filled as a whole. On the way up the middle of wide holes is the enlarged result of the size
    below with ``detail`` added, and the network fills the rim between it and what is known.
    """
    pyramid = [to_level(pixels, hole)]
    for _ in range(levels):
        pyramid.append(halved(pyramid[-1]))

    def counted() -> None:
        done()
        if cancel is not None:
            cancel.check()

    filled = paint(pyramid[-1], painter, sizes.window, done=counted)
    missing = torch.from_numpy(pyramid[-1].hole)
    matches = find_matches(filled, missing) if detail and levels else None
    for number in range(levels - 1, -1, -1):
        level, below = pyramid[number], pyramid[number + 1]
        guess = enlarged(filled, level.hole.shape)
        deep = too_deep(level.hole, sizes.widest)
        if matches is not None:
            guess = guess + _detail(matches, level, below, 2 ** (levels - number))
        image = torch.where(torch.from_numpy(deep), guess, level.image)
        filled = paint(Level(image, level.hole & ~deep), painter, sizes.window, done=counted)
        pyramid.pop()
    return filled


def _detail(matches: Matches, level: Level, below: Level, scale: int) -> Tensor:
    """Residuals of known pixels, which near a hole lean on what little is known of the smaller size there."""
    coarse = enlarged(_spread(below), level.hole.shape)
    return residuals(matches, level, coarse, scale)


def _spread(level: Level) -> Tensor:
    """The known picture with its border values repeated one pixel into the hole, so that enlarging does not darken."""
    known = torch.from_numpy(~level.hole).to(torch.float32)[None, None]
    share = F.avg_pool2d(known, 3, 1, 1)
    total = F.avg_pool2d(level.image[None] * known, 3, 1, 1)
    spread = total / share.clamp(min=1e-6)
    return torch.where(torch.from_numpy(np.ascontiguousarray(level.hole)), spread[0], level.image)
