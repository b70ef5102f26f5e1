"""Whether tiles can be seen in a result."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from finesight.run.pixels import Pixels, most_of
from finesight.run.tiles import Plan

__all__ = ["Seam", "find_seam"]

_BESIDE = 4


@dataclass(frozen=True, slots=True)
class Seam:
    """The most visible side of a tile, in grey levels of 255.

    Args:
        jump: mean absolute difference of the two pixels that meet there, along that side.
        beside: the largest such mean in the four lines on either side of it: what the picture itself does there.
        row, column: where the side begins, in the result.
        vertical: whether the tiles lie left and right of each other.
    """

    jump: float
    beside: float
    row: int
    column: int
    vertical: bool

    @property
    def excess(self) -> float:
        """By how much the border stands out; at or below 0 it does not."""
        return self.jump - self.beside


def find_seam(result: Pixels, plan: Plan, size: tuple[int, int], *, frame: int = 0) -> Seam | None:
    """The side of a tile that stands out most; ``None`` where there was one tile only.

    Args:
        result: ``(H, W, c)``, of any scale; borders are looked for at the nearest pixel.
        plan: the tiles.
        size: height and width of the picture that was tiled.
        frame: pixels that the plan counts around that picture, above and on the left.
    """
    rows, columns = ([(s.first - frame, s.last - frame) for s in spans] for spans in (plan.rows, plan.columns))
    upright = _seams(result, rows, columns, size)
    lying = _seams(result.swapaxes(0, 1), columns, rows, (size[1], size[0]))
    found = upright + [replace(s, row=s.column, column=s.row, vertical=False) for s in lying]
    return max(found, key=lambda seam: seam.excess, default=None)


def _seams(
    result: Pixels, along: list[tuple[int, int]], across: list[tuple[int, int]], size: tuple[int, int]
) -> list[Seam]:
    """The upright sides: one for each tile and its neighbour on the left."""
    down, right = result.shape[0] / size[0], result.shape[1] / size[1]
    found = []
    for border in (round(first * right) for first, _ in across if 0 < first < size[1]):
        left = max(0, border - _BESIDE - 1)
        lines = result[:, left : border + _BESIDE + 1].astype(np.float32) * (255 / most_of(result.dtype))
        steps = np.abs(np.diff(lines, axis=1)).mean(2)
        for start, stop in along:
            top, bottom = (min(result.shape[0], max(0, round(end * down))) for end in (start, stop))
            if top < bottom:
                means = steps[top:bottom].mean(0)
                at = border - 1 - left
                beside = np.delete(means, at)
                found.append(Seam(float(means[at]), float(beside.max(initial=0.0)), top, border, vertical=True))
    return found
