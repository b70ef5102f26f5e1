"""Where finished tiles go: faded into each other, brought to the wanted size and depth, in bounded memory."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from finesight.degrade.resize import taps
from finesight.run.pixels import Pixels, most_of, quantise
from finesight.run.tiles import Plan, Span, Tile

__all__ = ["ArraySink", "Canvas", "ResizeSink", "Sink"]


class Sink(Protocol):
    """Takes finished rectangles of the network's output, row of tiles by row of tiles, each from the left."""

    def put(self, top: int, left: int, pixels: Tensor) -> None:
        """Float ``(c, h, w)`` whose upper left pixel is ``(top, left)``."""


class Canvas:
    """Fades neighbouring tiles into each other and passes on what no later tile touches.

    Keeps only the faded bands: the right one of the last tile, the lower one of the last row of tiles.
    """

    def __init__(self, plan: Plan, scale: int, sink: Sink) -> None:
        self.plan, self.scale, self.sink = plan, scale, sink
        self._band = 2 * plan.blend * scale
        self._right: Tensor | None = None
        self._above: list[tuple[int, Tensor]] = []
        self._below: list[tuple[int, Tensor]] = []

    def put(self, tile: Tile, answer: Tensor) -> None:
        """Take what the network gave for ``tile``: ``(c, scale h, scale w)``. Tiles come in the order of the plan."""
        y, x, s = tile.y, tile.x, self.scale
        top, bottom = (y.first - y.before) * s, (y.last + y.after) * s
        left, right = (x.first - x.before) * s, (x.last + x.after) * s
        piece = answer[:, top - y.start * s : bottom - y.start * s, left - x.start * s : right - x.start * s]
        if not self._band:
            self.sink.put(top, left, piece)
            return
        piece = piece * _fade(y, s, piece)[:, None] * _fade(x, s, piece)
        if tile.column == 0:
            self._above, self._below = self._below, []
        if x.before and self._right is not None:
            piece[:, :, : self._band] += self._right
        if x.after:
            self._right = piece[:, :, -self._band :].clone()
            piece = piece[:, :, : -self._band]
        if y.before:
            self._add_above(piece, left)
        if y.after:
            self._below.append((left, piece[:, -self._band :].clone()))
            piece = piece[:, : -self._band]
        self.sink.put(top, left, piece)

    def _add_above(self, piece: Tensor, left: int) -> None:
        for start, band in self._above:
            if start == left:
                piece[:, : self._band] += band
                return
        raise AssertionError("rows of tiles share their columns")


def _fade(span: Span, scale: int, like: Tensor) -> Tensor:
    """Weight of every kept output pixel along one axis: linear ramps that add up to one with the neighbour's."""
    inner = (span.last - span.first - (span.before + span.after)) * scale
    rise = (torch.arange(2 * span.before * scale, device=like.device, dtype=like.dtype) + 0.5) / max(
        1, 2 * span.before * scale
    )
    fall = 1 - (torch.arange(2 * span.after * scale, device=like.device, dtype=like.dtype) + 0.5) / max(
        1, 2 * span.after * scale
    )
    return torch.cat([rise, torch.ones(inner, device=like.device, dtype=like.dtype), fall])


class ArraySink:
    """Writes into ``out`` ``(H, W, c)``, whose upper left pixel is ``(top, left)`` of the network's output.

    What lies outside is dropped (frames of a ``View``). Grey pictures take the mean of the network's channels.
    """

    def __init__(self, out: np.ndarray, *, top: int = 0, left: int = 0) -> None:
        self.out, self.top, self.left = out, top, left

    def put(self, top: int, left: int, pixels: Tensor) -> None:
        top, left = top - self.top, left - self.left
        height, width = self.out.shape[:2]
        bottom, right = min(height, top + pixels.shape[1]), min(width, left + pixels.shape[2])
        pixels = pixels[:, max(0, -top) : max(0, bottom - top), max(0, -left) : max(0, right - left)]
        if pixels.shape[1] == 0 or pixels.shape[2] == 0:
            return
        if self.out.shape[2] == 1 and pixels.shape[0] > 1:
            pixels = pixels.mean(0, keepdim=True)
        top, left = max(0, top), max(0, left)
        self.out[top : top + pixels.shape[1], left : left + pixels.shape[2]] = quantise(pixels, self.out.dtype)


class ResizeSink:
    """Resamples the network's output to the size of ``out`` with an antialiased bicubic, a strip at a time.

    ``size`` is the height and width of what the network gives (frames taken away: see ``top`` and ``left``). Keeps one
    row of tiles (as 16-bit integers where ``out`` has 8 bits, else float32) and the rows that one output row reads.
    """

    def __init__(self, out: np.ndarray, size: tuple[int, int], *, top: int = 0, left: int = 0) -> None:
        self.out = out
        height, width = size
        self._top, self._left, self._height, self._width = top, left, height, width
        self._row_taps = taps(height, out.shape[0], out.shape[0] / height, "bicubic", antialias=True)
        index, weight = taps(width, out.shape[1], out.shape[1] / width, "bicubic", antialias=True)
        self._dtype = self.kept(out.dtype)
        self._column_taps = index, weight / most_of(self._dtype)
        self._strip = np.zeros((0, width, out.shape[2]), self._dtype)
        self._strip_top = 0
        self._rows = np.zeros((0, out.shape[1], out.shape[2]), np.float32)  # resampled along x, from row _first on
        self._first = 0
        self._written = 0

    @staticmethod
    def kept(dtype: np.dtype) -> np.dtype:
        """What the row of tiles is kept as, for a result of ``dtype``."""
        return np.dtype(np.uint16 if dtype == np.uint8 else np.float32)

    def put(self, top: int, left: int, pixels: Tensor) -> None:
        top = top - self._top
        rows = min(self._height, top + pixels.shape[1]) - max(0, top)
        if rows <= 0:
            return
        if len(self._strip) != rows or self._strip_top != max(0, top):
            self._strip = np.zeros((rows, self._width, self.out.shape[2]), self._dtype)
            self._strip_top = max(0, top)
        ArraySink(self._strip, top=self._strip_top, left=self._left).put(top, left, pixels)
        if left + pixels.shape[2] - self._left >= self._width:
            for start in range(0, rows, _ROWS):
                part = _gather(self._strip[start : start + _ROWS], *self._column_taps, axis=1)
                self._rows = np.concatenate([self._rows, part])
                self._write()

    def _write(self) -> None:
        """Write every output row all of whose input rows are there, and forget what no later row reads."""
        known = self._first + len(self._rows)
        index, weight = self._row_taps
        ready = self._written
        while ready < len(index) and index[ready].max() < known:
            ready += 1
        if ready == self._written:
            return
        part = _gather(self._rows, index[self._written : ready] - self._first, weight[self._written : ready], axis=0)
        self.out[self._written : ready] = _rounded(part, self.out.dtype)
        self._written = ready
        keep = int(index[ready:].min()) if ready < len(index) else known
        self._rows = self._rows[keep - self._first :]
        self._first = keep


_ROWS = 32  # resampled at a time


def _gather(pixels: Pixels, index: Pixels, weight: Pixels, *, axis: int) -> Pixels:
    """Sum over taps along an axis: float32 ``(out, w, c)`` or ``(h, out, c)``."""
    shape = list(pixels.shape)
    shape[axis] = len(index)
    total = np.zeros(shape, np.float32)
    spread = (-1, 1, 1) if axis == 0 else (1, -1, 1)
    for tap in range(index.shape[1]):
        total += np.take(pixels, index[:, tap], axis=axis) * weight[:, tap].astype(np.float32).reshape(spread)
    return total


def _rounded(pixels: Pixels, dtype: np.dtype) -> Pixels:
    if dtype.kind == "f":
        return pixels.astype(dtype)
    rounded: Pixels = np.rint(np.clip(pixels, 0, 1, out=pixels) * most_of(dtype)).astype(dtype)
    return rounded
