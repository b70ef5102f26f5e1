"""A few places of a clip, before and after, side by side in one picture."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from finesight.errors import InputError
from finesight.media import from_array, write
from finesight.run.canvas import ResizeSink
from finesight.run.clips.frames import AnyFrame, pixels_of
from finesight.run.pixels import Pixels, to_tensor

__all__ = ["side_by_side", "write_preview"]


def write_preview(
    frames: Iterable[AnyFrame],
    runner: Any,
    target: Path,
    count: int,
    *,
    frames_in_all: int | None = None,
    context: int = 0,
    between: bool = False,
) -> list[int]:
    """Write ``count`` places, spread evenly over the clip, as rows of one PNG: before on the left, after on the right.

    Args:
        frames: of the clip; may be iterated twice.
        runner: computes pieces; each place is computed with ``context`` frames around it.
        frames_in_all: where known, so that places can be spread; otherwise they are the first frames.
        between: the runner doubles the frames: a row is a frame, the one made behind it, and the next.

    Returns:
        Numbers of the frames that were taken.

    Raises:
        InputError: no frames.
    """
    wanted, kept, seen = _kept(frames, _places(count, frames_in_all), context)
    if (
        frames_in_all is not None
        and seen < frames_in_all
        and len([i for i in wanted if i + between < seen]) < len(wanted)
    ):
        # The header promised more frames than there are.
        wanted, kept, seen = _kept(frames, _places(count, seen), context)
    places = [index for index in wanted if index in kept and (not between or index + 1 in kept)]
    if not places:
        raise InputError("The clip has too few frames for a preview.")
    rows = []
    for place in places:
        around = [i for i in range(place - context, place + context + 2) if i in kept]
        results = [pixels_of(f) for piece in runner.pieces([kept[i] for i in around]) for f in piece.frames]
        at = around.index(place)
        if between:
            rows.append([pixels_of(kept[place]), results[2 * at + 1], pixels_of(kept[place + 1])])
        else:
            rows.append([pixels_of(kept[place]), results[at]])
    write(target, from_array(side_by_side(rows)))
    return places


def _kept(frames: Iterable[AnyFrame], wanted: list[int], context: int) -> tuple[list[int], dict[int, AnyFrame], int]:
    """The places, the frames around them, and how many frames were seen."""
    kept: dict[int, AnyFrame] = {}
    near = {index + step for index in wanted for step in range(-context, context + 2)}
    seen = 0
    for index, frame in enumerate(frames):
        seen = index + 1
        if index in near:
            kept[index] = frame
        if index > max(near):
            break
    return wanted, kept, seen


def _places(count: int, frames: int | None) -> list[int]:
    if frames is None or count >= frames:
        return list(range(count if frames is None else frames))
    return [int((2 * i + 1) * frames / (2 * count)) for i in range(count)]


def side_by_side(rows: list[list[Pixels]]) -> Pixels:
    """One picture of rows of pictures; smaller ones are enlarged by a bicubic to the size of the largest."""
    largest = max((picture for row in rows for picture in row), key=lambda p: p.size)
    return np.concatenate([np.concatenate([_sized(p, largest) for p in row], axis=1) for row in rows], axis=0)


def _sized(picture: Pixels, like: Pixels) -> Pixels:
    if picture.shape == like.shape:
        return picture
    import torch

    out = np.empty(like.shape, picture.dtype)
    sink = ResizeSink(out, (picture.shape[0], picture.shape[1]))
    sink.put(0, 0, to_tensor(picture, torch.device("cpu")))
    return out
