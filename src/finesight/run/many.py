"""Small pictures of one size and kind go through their network together."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch

from finesight.media.picture import Picture
from finesight.run.pixels import View, quantise, to_tensor
from finesight.run.query import Queries
from finesight.run.report import Report
from finesight.run.work import Work

__all__ = ["alike", "together"]


def alike(pictures: Sequence[Picture]) -> Iterator[list[int]]:
    """Places of pictures of one size, depth and number of channels, without transparency that varies.

    Pictures whose transparency varies stay alone. Groups come in the order of their first pictures.
    """
    groups: dict[tuple[object, ...], list[int]] = {}
    for place, picture in enumerate(pictures):
        alone = picture.alpha is not None and bool(picture.alpha.min() != picture.alpha.max())
        key = (picture.pixels.shape, picture.pixels.dtype, place if alone else -1)
        groups.setdefault(key, []).append(place)
    yield from groups.values()


@torch.inference_mode()
def together(work: Work, pictures: Sequence[Picture], scale: float) -> list[tuple[Picture, Report]] | None:
    """Enlarge pictures that are ``alike`` in batches; ``None`` where each needs more than one tile or network.

    Args:
        work: of the first of them, not begun.
        scale: of the result, for the reports.

    Raises:
        MemoryLimitError, CalculationError: see ``Computer``.
        CancelledError: looked at between batches.
    """
    if len(pictures) < 2 or len(work.models) != 1:
        return None
    began = time.perf_counter()
    first = pictures[0].pixels
    ready, stage, size, dtype = work.prepare(0, first, first.dtype)
    computer = ready.computer
    own = computer.traits.scale or 1
    if isinstance(computer, Queries) or len(stage.plan) != 1 or stage.view.top or stage.view.left:
        return None
    if size != (first.shape[0] * own, first.shape[1] * own):  # resampled
        return None
    work.preparing, inside = time.perf_counter() - began, computer.seconds
    minimum = computer.traits.minimum
    results: list[np.ndarray] = []
    for start in range(0, len(pictures), stage.batch):
        if work.cancel is not None:
            work.cancel.check()
        batch = pictures[start : start + stage.batch]
        views = [View.at_least(picture.pixels, minimum) for picture in batch]
        crops = np.stack([view.crop(0, view.height, 0, view.width) for view in views])
        tiles = to_tensor(crops, computer.prepared.device)
        if tiles.shape[1] == 1:
            tiles = tiles.expand(-1, 3, -1, -1).contiguous()
        answers = computer(tiles, stage.plan.margin, f"pictures {start + 1} to {start + len(batch)}")
        answers = answers[:, :, : size[0], : size[1]]
        if first.shape[2] == 1 and answers.shape[1] > 1:
            answers = answers.mean(1, keepdim=True)
        results += list(quantise(answers, dtype))
        computer.relieve()
        work.progress(len(results), len(pictures), "pictures")
    work.stages.append(stage)
    work.used.append(ready)
    work.network = computer.seconds - inside
    count = len(pictures)
    report = work.report(scale, (time.perf_counter() - began) / count, None)
    report = replace(report, preparing=work.preparing / count, network=work.network / count)
    return [(_finished(picture, pixels, size), report) for picture, pixels in zip(pictures, results, strict=True)]


def _finished(picture: Picture, pixels: np.ndarray, size: tuple[int, int]) -> Picture:
    alpha = None if picture.alpha is None else np.full(size, picture.alpha[0, 0])
    return picture.replace(pixels=np.ascontiguousarray(pixels), alpha=alpha)
