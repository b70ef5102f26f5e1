"""Where one shot ends and the next begins, and which frames only repeat the one before."""

from __future__ import annotations

import numpy as np

from finesight.run.pixels import Pixels, most_of

__all__ = ["CUT_THRESHOLD", "CutDetector", "is_repeat"]

CUT_THRESHOLD = 8.0
"""Score, in percent of the range of brightness, from which on a frame begins a new shot.

Motion inside the shots of our two sample clips scores at most 3.4, cuts made by joining them score 11 and 14
(``tests/run/clips/test_cuts.py`` prints them)."""

_GRID = 48  # blocks along the longer side: grain and fine detail average out
_REPEAT_MEAN = 0.5 / 255
_REPEAT_BLOCK = 16


class CutDetector:
    """Scores one frame after the other; ``score`` above ``threshold`` begins a new shot.

    The score of a frame is the smaller of two numbers, in percent of full range: how much the brightness of blocks
    differs from the frame before (mean absolute difference), and how much that difference differs from the one before.
    A fast pan has a large difference at every frame and so a small score; a cut is large in both.

    Args:
        threshold: in percent; larger finds fewer cuts.
    """

    def __init__(self, threshold: float = CUT_THRESHOLD) -> None:
        self.threshold = threshold
        self._before: Pixels | None = None
        self._difference: float | None = None

    def score(self, pixels: Pixels) -> float:
        """Take the next frame ``(H, W, 3)``; 0 for the first one."""
        small = _blocks(pixels)
        if self._before is None:
            self._before = small
            return 0.0
        difference = float(np.abs(small - self._before).mean()) * 100
        # The second frame has no motion to be compared with: twice the threshold must be reached.
        change = difference / 2 if self._difference is None else abs(difference - self._difference)
        self._before, self._difference = small, difference
        return min(difference, change)

    def is_cut(self, pixels: Pixels) -> bool:
        """Take the next frame; whether it begins a new shot (never the first)."""
        return self.score(pixels) > self.threshold


def _blocks(pixels: Pixels) -> Pixels:
    """Mean brightness of blocks, in [0, 1]."""
    step = max(1, -(-max(pixels.shape[:2]) // _GRID))
    rows, columns = (max(1, length // step) for length in pixels.shape[:2])
    inside = pixels[: rows * step, : columns * step]
    grey = inside.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    tall, wide = (-(-length // count) for length, count in zip(grey.shape, (rows, columns), strict=True))
    means: Pixels = np.add.reduceat(
        np.add.reduceat(grey, np.arange(0, grey.shape[0], tall), 0), np.arange(0, grey.shape[1], wide), 1
    )
    means /= tall * wide * most_of(pixels.dtype)
    return means


def is_repeat(pixels: Pixels, before: Pixels) -> bool:
    """Whether a frame shows what the one before it showed: no block of 16x16 pixels differs by half a grey level.

    Decoded repeats are rarely equal to the last bit; a small thing that moves does change its blocks.
    """
    if pixels.shape != before.shape:
        return False
    if np.array_equal(pixels, before):
        return True
    difference = np.abs(pixels.astype(np.float32) - before.astype(np.float32)).mean(2) / most_of(pixels.dtype)
    rows, columns = (np.arange(0, length, _REPEAT_BLOCK) for length in difference.shape)
    sums = np.add.reduceat(np.add.reduceat(difference, rows, 0), columns, 1)
    tall = np.diff([*rows, difference.shape[0]])
    wide = np.diff([*columns, difference.shape[1]])
    return bool((sums / (tall[:, None] * wide)).max() <= _REPEAT_MEAN)
