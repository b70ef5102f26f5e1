"""One group of holes: coarse to fine, each size window by window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from finesight.progress import Cancel
from finesight.run.inpainting.holes import Group, Hole
from finesight.run.inpainting.patches import textured, wide_parts
from finesight.run.inpainting.pyramid import Level, enlarged, halved, levels_needed, to_level, too_deep
from finesight.run.inpainting.windows import Painter, paint

__all__ = ["Sizes", "fill_group", "region_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What a network is shown, in pixels.

    Args:
        window: largest side of a window.
        widest: widest hole that it is trusted with; a wider one is filled at a smaller size first.
        context: known pixels that a hole needs around it.
        plain: holes wider than this get texture from patches.
    """

    window: int
    widest: int
    context: int
    plain: int


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
    below, and the network fills the rim between it and what is known. With ``detail`` wide holes get texture at last.
    """
    pyramid = [to_level(pixels, hole)]
    for _ in range(levels):
        pyramid.append(halved(pyramid[-1]))

    def counted() -> None:
        done()
        if cancel is not None:
            cancel.check()

    filled = paint(pyramid[-1], painter, sizes.window, done=counted)
    for number in range(levels - 1, -1, -1):
        pyramid.pop()
        level = pyramid[number]
        deep = too_deep(level.hole, sizes.widest)
        image = torch.where(torch.from_numpy(deep), enlarged(filled, level.hole.shape), level.image)
        filled = paint(Level(image, level.hole & ~deep), painter, sizes.window, done=counted)
    made = wide_parts(hole, sizes.plain) if detail and (levels or sizes.plain < sizes.widest) else None
    return filled if made is None or not made.any() else textured(filled, hole, made, done=counted)
