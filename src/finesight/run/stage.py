"""One network over one whole picture: plans its tiles within a budget of memory and computes them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from finesight.errors import MemoryLimitError
from finesight.nn.traits import Traits
from finesight.progress import Cancel, Progress, silent
from finesight.run.budget import SMALLEST_TILE, Budget
from finesight.run.canvas import ArraySink, Canvas, ResizeSink, Sink
from finesight.run.compute import Computer, compute_plan
from finesight.run.memory import format_bytes
from finesight.run.overlap import LARGEST_DIFFERENCE, find_overlap, plan_overlapping
from finesight.run.pixels import View
from finesight.run.tiles import Plan, choose_plan

__all__ = ["GOOD_PIXELS", "Stage", "plan_stage", "run_stage"]

GOOD_PIXELS = {"cpu": 384 * 384, "mps": 512 * 512}
"""Tile sizes that run well; larger ones gain nothing on a CPU, whose caches they leave. Other devices: a megapixel."""

_LARGEST_FRAME = 64


@dataclass(frozen=True, slots=True)
class Stage:
    """The framed picture, its tiles, and what their overlap costs (RMS in grey levels, ``None`` when exact).

    So many tiles at once as ``batch`` says run well on the device and fit into memory.
    """

    view: View
    plan: Plan
    difference: float | None
    note: str = ""
    batch: int = 1


def plan_stage(
    pixels: np.ndarray,
    computer: Computer,
    budget: Budget,
    *,
    exact: bool = False,
    wrap: bool = False,
    strip: np.dtype | None = None,
    tile: int | None = None,
) -> Stage:
    """Tiles for ``pixels`` (H, W, c) by the two rules of the house.

    Args:
        exact: only exact tiles will do.
        wrap: the picture continues as itself on all sides.
        strip: the result is resampled, for which one row of tiles is kept in this type.
        tile: most pixels on a side, for experiments; otherwise memory and what runs well on the device decide.

    Raises:
        SettingError: exact tiles are impossible.
        MemoryLimitError: no tile fits.
    """
    traits = computer.traits
    if wrap:
        view, known = _wrapped(pixels, computer, budget, exact)
    else:
        view, known = View.at_least(pixels, traits.minimum), None
    most = budget.most_pixels if tile is None else min(budget.most_pixels, tile * tile)
    good = GOOD_PIXELS.get(computer.prepared.device.type, 1024 * 1024)
    while True:
        stage = _plan(view, computer, most, good, exact=exact, known=known)
        area = stage.plan.tile[0] * stage.plan.tile[1]
        taken = area * budget.per_pixel + _kept_bytes(stage.plan, traits, strip)
        if taken <= budget.tiles:
            together = min(good, int((budget.tiles - taken) / budget.per_pixel) + area)
            return replace(stage, batch=max(1, together // area))
        if most <= SMALLEST_TILE:
            raise MemoryLimitError(
                f"memory: {format_bytes(budget.limit)} is too little for a picture {view.width} pixels wide; its rows "
                f"of tiles take {format_bytes(taken)}. Allow at least "
                f"{format_bytes(budget.limit + taken - budget.tiles)}."
            )
        most = max(SMALLEST_TILE, int(most * 0.7))


def _kept_bytes(plan: Plan, traits: Traits, strip: np.dtype | None) -> int:
    """Bytes kept between tiles: faded bands, and one row of tiles where the result is resampled."""
    scale = traits.scale or 1
    row = plan.width * scale * 3
    bands = 4 * row * 2 * plan.blend * scale * (2 if len(plan.rows) > 1 else 0)
    return bands + (0 if strip is None else row * (plan.tile[0] * scale * strip.itemsize + 64 * 4))


def _wrapped(pixels: np.ndarray, computer: Computer, budget: Budget, exact: bool) -> tuple[View, float | None]:
    """The picture framed by itself, and the measured difference where the frame is not the whole halo."""
    traits = computer.traits
    if traits.halo is not None and (exact or traits.halo <= _LARGEST_FRAME):
        return View.wrapped(pixels, _aligned(traits.halo, traits.multiple)), None
    wide = View.wrapped(pixels, _aligned(4 * _LARGEST_FRAME, traits.multiple))
    found = find_overlap(wide, computer, budget.most_pixels)
    return View.wrapped(pixels, _aligned(found.pixels, traits.multiple)), found.difference


def _aligned(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple


def _plan(view: View, computer: Computer, most: int, good: int, *, exact: bool, known: float | None) -> Stage:
    traits = computer.traits
    good = min(good, most)
    plan = choose_plan(view.height, view.width, traits, most_pixels=most, good_pixels=good, exact=exact)
    if plan is not None:
        return Stage(view, plan, known)
    found = find_overlap(view, computer, most)
    pixels, overlap = good, found.pixels
    plan = plan_overlapping(view.height, view.width, traits, overlap, pixels)
    while plan is None and pixels < most:
        pixels = min(most, 2 * pixels)
        plan = plan_overlapping(view.height, view.width, traits, overlap, pixels)
    if plan is None:
        raise MemoryLimitError(
            f"Tiles with an overlap of {overlap} pixels need more than the {most} pixels that memory allows. Allow "
            "more memory, or use a smaller network."
        )
    if found.enough:
        return Stage(view, plan, found.difference)
    return Stage(
        view,
        plan,
        found.difference,
        f"the overlap of {overlap} pixels is the largest that memory allows and changes the most detailed tile by "
        f"{found.difference:.2f} grey levels; {LARGEST_DIFFERENCE} are wanted",
    )


def run_stage(
    stage: Stage,
    computer: Computer,
    out: np.ndarray,
    *,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> None:
    """Compute ``stage`` into ``out`` ``(Ho, Wo, c)``; resampled where that is not the network's own size.

    ``progress`` counts input pixels.
    """
    scale = computer.traits.scale or 1
    view = stage.view
    height, width = (length * scale for length in view.pixels.shape[:2])
    top, left = view.top * scale, view.left * scale
    sink: Sink
    if out.shape[:2] == (height, width):
        sink = ArraySink(out, top=top, left=left)
    else:
        sink = ResizeSink(out, (height, width), top=top, left=left)
    canvas = Canvas(stage.plan, scale, sink)
    # A CPU has nothing to gain: its tiles are as large as runs well, and a batch may round differently.
    batch = 1 if computer.prepared.device.type == "cpu" else stage.batch
    compute_plan(view, stage.plan, computer, canvas, batch=batch, progress=progress, cancel=cancel)
