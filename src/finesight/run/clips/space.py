"""Frames too large for memory: the same tiles for every frame of a clip, found once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from finesight.errors import MemoryLimitError
from finesight.nn.traits import Traits
from finesight.run.canvas import ArraySink, Canvas
from finesight.run.clips.prepare import ReadyClip
from finesight.run.overlap import LARGEST_DIFFERENCE, find_overlap, plan_overlapping
from finesight.run.pixels import Pixels, View, quantise, to_tensor
from finesight.run.tiles import Plan, Tile, choose_plan, plan_tiles

__all__ = ["Space", "plan_space"]

PROBE_FRAMES = 5
"""Frames of the clip on which the overlap is found, for recurrent networks; others take the frames of a window."""


@dataclass(frozen=True, slots=True)
class Space:
    """Tiles of every frame; ``difference`` is what their overlap costs (RMS in grey levels, ``None`` when exact)."""

    plan: Plan
    scale: int
    difference: float | None = None
    note: str = ""

    def crop(self, pixels: Pixels, tile: Tile, device: torch.device) -> Tensor:
        """The tile of one frame: ``1 3 h w`` float32."""
        return to_tensor(pixels[tile.y.start : tile.y.stop, tile.x.start : tile.x.stop], device)[None]

    def assemble(self, answer: Callable[[int, Tile], Tensor], dtype: np.dtype) -> Pixels:
        """One picture ``(sH, sW, 3)`` of what ``answer`` gives for each tile, ``1 3 sh sw``, by number and tile."""
        tiles = list(self.plan)
        if len(tiles) == 1:
            return quantise(answer(0, tiles[0])[0], dtype)
        out = np.empty((self.plan.height * self.scale, self.plan.width * self.scale, 3), dtype)
        canvas = Canvas(self.plan, self.scale, ArraySink(out))
        for number, tile in enumerate(tiles):
            canvas.put(tile, answer(number, tile)[0].float())
        return out


class _Stacked:
    """Several frames side by side in the channels, so that the search for an overlap in pictures serves clips."""

    def __init__(self, ready: ReadyClip, traits: Traits) -> None:
        self.traits, self.prepared, self._network = traits, ready, ready.network

    def __call__(self, tiles: Tensor, margin: int, where: str) -> Tensor:  # noqa: ARG002  (of the same shape as Computer)
        answer: Tensor = self._network(tiles.unflatten(1, (-1, 3)))
        return answer.flatten(1, 2) if answer.dim() == 5 else answer


def plan_space(
    ready: ReadyClip,
    traits: Traits,
    frames: Sequence[Pixels],
    most_pixels: int,
    *,
    tile: int | None = None,
    exact: bool = False,
) -> Space:
    """Tiles for frames like ``frames`` (the first few of the clip): none where ``most_pixels`` are enough for a frame.

    Otherwise by the two rules of the house: exact where the halo is finite and costs little, else the smallest overlap
    that doubling changes by at most a quarter of a grey level on the clip's most detailed part.

    Args:
        most_pixels: that memory allows for one tile.
        tile: most pixels on a side, for experiments.

    Raises:
        MemoryLimitError, SettingError: no tiles are possible.
    """
    height, width = frames[0].shape[:2]
    scale = traits.scale or 1
    most = most_pixels if tile is None else min(most_pixels, tile * tile)
    if height * width <= most:
        whole = plan_tiles(height, width, height * width, 0, multiple=traits.multiple)
        assert whole is not None
        return Space(whole, scale)
    plan = choose_plan(height, width, traits, most_pixels=most, good_pixels=most, exact=exact)
    if plan is not None:
        return Space(plan, scale)
    view = View(np.concatenate(list(frames), axis=2))
    computer: Any = _Stacked(ready, traits)
    found = find_overlap(view, computer, most)
    plan = plan_overlapping(height, width, traits, found.pixels, most)
    if plan is None:
        raise MemoryLimitError(
            f"Tiles with an overlap of {found.pixels} pixels need more than the {most} pixels that memory allows. "
            "Allow more memory, or use a smaller network."
        )
    note = ""
    if not found.enough:
        note = (
            f"the overlap of {found.pixels} pixels is the largest that memory allows and changes the most detailed "
            f"tile by {found.difference:.2f} grey levels; {LARGEST_DIFFERENCE} are wanted"
        )
    return Space(plan, scale, found.difference, note)
