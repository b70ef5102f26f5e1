"""One size of a picture through the network, window by window."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from finesight.errors import CalculationError
from finesight.run.inpainting.holes import Hole
from finesight.run.inpainting.pyramid import Level

__all__ = ["Painter", "count_windows", "paint", "starts"]

Painter = Callable[[Tensor, Tensor], Tensor]
"""From picture ``(1, 3, h, w)`` and mask ``(1, 1, h, w)``, 1 = missing, to the filled picture."""


def starts(length: int, window: int) -> list[int]:
    """Where windows begin so that they cover ``length`` pixels and overlap by a quarter at least.

    >>> starts(100, 256), starts(600, 256)
    ([0], [0, 172, 344])
    """
    if length <= window:
        return [0]
    count = -(-(length - window) // (window * 3 // 4)) + 1
    return [round(number * (length - window) / (count - 1)) for number in range(count)]


def _places(hole: Hole, window: int) -> Iterator[tuple[slice, slice]]:
    """Windows that see anything missing."""
    for top in starts(hole.shape[0], window):
        for left in starts(hole.shape[1], window):
            place = slice(top, top + window), slice(left, left + window)
            if hole[place].any():
                yield place


def count_windows(hole: Hole, window: int) -> int:
    """How many windows ``paint`` computes."""
    return sum(1 for _ in _places(hole, window))


def paint(level: Level, painter: Painter, window: int, *, done: Callable[[], None]) -> Tensor:
    """``level.image`` ``(c, h, w)`` with its hole filled; known pixels stay as they are.

    Windows fade into each other where they overlap.

    Args:
        painter: the network.
        window: largest side that it is shown.
        done: called after each window.

    Raises:
        CalculationError: the network answers with NaN or infinity.
    """
    hole = level.hole
    if not hole.any():
        return level.image
    places = list(_places(hole, window))
    channels = len(level.image)
    total = torch.zeros_like(level.image) if len(places) > 1 else None
    sums = torch.zeros(hole.shape) if len(places) > 1 else None
    filled = level.image.clone()
    for place in places:
        crop = level.image[:, place[0], place[1]]
        mask = torch.from_numpy(np.ascontiguousarray(hole[place]))
        seen = crop.expand(3, -1, -1) if channels == 1 else crop
        answer = painter((seen * ~mask)[None], mask[None, None].to(torch.float32))[0].float().cpu()
        if not bool(torch.isfinite(answer).all()):
            raise CalculationError(
                "The network answered with NaN or infinity. Its weights or this picture's values are damaged; try "
                "another model."
            )
        answer = answer.mean(0, keepdim=True) if channels == 1 else answer
        if total is None or sums is None:
            filled[:, place[0], place[1]] = torch.where(mask, answer, crop)
        else:
            weight = _fading(*mask.shape)
            total[:, place[0], place[1]] += answer * weight
            sums[place] += weight
        done()
    if total is not None and sums is not None:
        missing = torch.from_numpy(hole)
        filled = torch.where(missing, total / sums.clamp(min=1e-6), filled)
    return filled


def _fading(height: int, width: int) -> Tensor:
    """Weights of a window: 1 in the middle, towards 0 at its borders."""
    axes: list[NDArray[np.float32]] = []
    for length in (height, width):
        position = (np.arange(length) + 0.5) / length
        axes.append((np.sin(np.pi * position) ** 2 + 1e-3).astype(np.float32))
    return torch.from_numpy(axes[0][:, None] * axes[1][None, :])
