"""What a picture would take: its tiles are planned, and one of them is timed."""

from __future__ import annotations

import os
import time

import numpy as np

from finesight.media.picture import Picture
from finesight.media.strips import StripReader
from finesight.run.budget import ALLOCATED, Budget
from finesight.run.giant import choose_way
from finesight.run.memory import resident
from finesight.run.pixels import View
from finesight.run.query import Queries
from finesight.run.report import Estimate
from finesight.run.stage import Stage, plan_stage
from finesight.run.work import Ready, Settings, Work, compute
from finesight.zoo.model import Model

__all__ = ["estimate", "estimate_file"]

_SAMPLE = 256 * 256


def estimate(work: Work, picture: Picture) -> Estimate:
    """What ``work`` on ``picture`` would take: its tiles are planned, one of them is computed twice and timed.

    The first computation of a tile is slower than the next ones and counts once. Networks after the first are timed on
    the same pixels. Preparing the networks counts too, so that the command's time is told. Memory is what the process
    holds after this, and what results and full tiles will add, with what the allocator keeps of these.
    """
    pixels, began = picture.pixels, time.perf_counter()
    seconds, peak, tiles = 0.0, 0.0, 0
    final = pixels.dtype
    first: tuple[Ready, Stage] | None = None
    seen: list[Ready] = []
    for index in range(len(work.models)):
        ready, stage, size, dtype = work.prepare(index, pixels, final)
        prepared = time.perf_counter() - began - (0 if ready in seen else ready.measuring)
        seen.append(ready)
        cold, warm, sample = time_tile(stage, ready, picture.pixels, size[0] / pixels.shape[0])
        computed = stage.plan.computed * work.planes
        seconds += prepared + max(0.0, cold - warm) + warm * computed / sample
        tile = stage.plan.tile[0] * stage.plan.tile[1]
        results = size[0] * size[1] * pixels.shape[2] * dtype.itemsize * work.planes
        more = max(0, tile - sample) * ready.per_pixel / ALLOCATED
        peak = max(peak, pixels.nbytes * (index > 0) + results + more)
        tiles += len(stage.plan) * work.planes
        first = first or (ready, stage)
        # What the next network would see has the right size; its content is not known yet and costs no memory.
        pixels = np.broadcast_to(np.zeros((1, 1, pixels.shape[2]), dtype), (*size, pixels.shape[2]))
        began = time.perf_counter()
    assert first is not None
    ready, stage = first
    computes = ready.computer.prepared
    on_host = computes.device.type == "cpu"
    return Estimate(
        seconds=seconds,
        memory=int(peak + resident()) if on_host else int(stage.plan.tile[0] * stage.plan.tile[1] * ready.per_pixel),
        width=work.size[1],
        height=work.size[0],
        models=tuple(model.card.name for model in work.models),
        tile=stage.plan.tile,
        tiles=tiles,
        exact=stage.plan.exact,
        overlap=stage.plan.margin,
        device=str(computes.device),
        precision=computes.precision,
        engine=computes.engine,
    )


def time_tile(stage: Stage, ready: Ready, pixels: np.ndarray, wanted: float) -> tuple[float, float, int]:
    """Seconds of a tile the first time and from then on, and how many pixels it has; at most 256x256 are tried."""
    height, width = (min(side, limit) for side, limit in zip(stage.plan.tile, pixels.shape[:2], strict=True))
    shrink = max(1.0, (height * width / _SAMPLE) ** 0.5)
    height, width = max(1, int(height / shrink)), max(1, int(width / shrink))
    crop = np.ascontiguousarray(pixels[:height, :width])
    scale = wanted if isinstance(ready.computer, Queries) else ready.computer.traits.scale or 1
    out = np.empty((round(height * scale), round(width * scale), pixels.shape[2]), pixels.dtype)
    budget = Budget(0, int(1e15), ready.per_pixel)
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        compute(plan_stage(crop, ready.computer, budget), ready.computer, out)
        seconds.append(time.perf_counter() - began)
    return seconds[0], min(seconds[1:]), height * width


def estimate_file(source: str | os.PathLike[str], model: Model, settings: Settings) -> Estimate:
    """What ``giant.enlarge_file`` would take for a file, from its header and its first rows; it is not read whole.

    Raises:
        InputError: it cannot be read by strips.
        MemoryLimitError: see ``plan_stage``.
    """
    began = time.perf_counter()
    with StripReader(source) as reader:
        rows = reader.rows(0, min(int(_SAMPLE**0.5), reader.height))
        header = reader.header
    sample = np.ascontiguousarray(rows[:, : int(_SAMPLE**0.5), : header.channels])
    way = choose_way(model, settings, header, sample)
    ready = Ready(model.card.name, way.computer, 1.0, way.why, ())  # the sample fits in any case
    prepared = time.perf_counter() - began - way.measuring
    stage = Stage(View(sample), way.plan, None)
    scale = model.traits.scale or 1
    cold, warm, area = time_tile(stage, ready, sample, scale)
    computes = way.computer.prepared
    return Estimate(
        seconds=prepared + max(0.0, cold - warm) + warm * way.plan.computed / area,
        memory=way.limit,
        width=header.width * scale,
        height=header.height * scale,
        models=(model.card.name,),
        tile=way.plan.tile,
        tiles=len(way.plan),
        exact=True,
        overlap=way.plan.margin,
        device=str(computes.device),
        precision=computes.precision,
        engine=computes.engine,
    )
