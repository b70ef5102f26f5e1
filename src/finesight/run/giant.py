"""Enlarge a file into a file that need not fit into memory: read by strips, written by rows, resumable.

The tiles are those of ``run.tiles`` with the whole halo, so the result is that of the whole picture. Rows of tiles go
to a journal beside the output as they are finished, and from there into the output. After a crash the same command
goes on behind the last finished row of tiles, in the same way of computing.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from finesight import __version__
from finesight.errors import InputError, SettingError
from finesight.media.picture import DTYPES, Picture
from finesight.media.strips import StripReader, blank, why_not_written, write_rows
from finesight.media.writing import Keep
from finesight.progress import Cancel, Progress, silent
from finesight.run.budget import Budget
from finesight.run.canvas import Canvas
from finesight.run.compute import Computer, compute_plan
from finesight.run.engines import Prepared
from finesight.run.engines.torch import TorchNetwork
from finesight.run.faces import fixed
from finesight.run.journal import Journal, RowsSink
from finesight.run.memory import available, resident
from finesight.run.overlap import detail
from finesight.run.pixels import Pixels, View
from finesight.run.reference import Bound
from finesight.run.report import Report
from finesight.run.select import Choice, choose, prepare
from finesight.run.stage import plan_stage
from finesight.run.tiles import Plan, Span, axis_spans, plan_tiles
from finesight.run.work import Settings
from finesight.zoo.model import Model

__all__ = ["MEMORY", "STREAM_FROM", "Way", "choose_way", "enlarge_file", "too_large", "why_not"]

MEMORY = 900_000_000
"""Peak resident bytes that tiles are planned for on a CPU where nobody gives ``memory``."""

LEAST = 300_000_000
"""Bytes that tiles may take in a process that holds much else already, also beyond ``MEMORY``."""

STREAM_FROM = 250_000_000
"""Pixels of a result from which a file is enlarged by strips even where memory would do: a crash would cost hours."""

_SHARE = 0.7  # of the free memory that a whole picture and its result may take
_SMALL = 64_000_000  # bytes of a picture and its result below which strips would save nothing worth having
_SAMPLE = 256
_WRITTEN_ROWS = 64

Provenance = Callable[[Report], Mapping[str, str]]


def too_large(width: int, height: int, scale: float, depth: int, channels: int, memory: int | None) -> bool:
    """Whether a picture of that size is better enlarged by strips: it and its result would not fit, or are giant.

    Args:
        width, height: of the input. ``depth``: bits of a channel. ``channels``: with alpha.
        memory: peak resident bytes that are allowed; ``None`` is three quarters of what is free.
    """
    area = width * height
    need = int(area * (1 + scale * scale)) * channels * depth // 8
    free = 0.75 * available(torch.device("cpu")) if memory is None else memory - resident()
    return area * scale * scale >= STREAM_FROM or (need > _SHARE * free and need >= _SMALL)


def why_not(
    source: str | os.PathLike[str], models: list[Model], scale: float, settings: Settings, form: str, metadata: Keep
) -> str:
    """Why a file cannot be enlarged by strips; empty where it can."""
    traits = models[0].traits
    if not hasattr(os, "pwrite"):
        return "this system cannot write at a place of a file"
    if len(models) != 1 or traits.scale != scale:
        return f"a scale of {scale:g} is not that of one network"
    if traits.kind != "image" or fixed(traits) or isinstance(models[0].network, Bound) or traits.halo is None:
        return "the network's tiles cannot be exact"
    if settings.self_ensemble:
        return "self-ensemble needs the whole picture"
    if settings.wrap:
        return "wrap needs the whole picture"
    try:
        with StripReader(source) as reader:
            if min(reader.width, reader.height) < traits.minimum:
                return "the picture is smaller than the network's smallest"
            reason = why_not_written(reader.header, form, metadata)
            if not reason and reader.has_alpha and _alpha_varies(reader):
                return "transparency that varies goes through the network with the whole picture"
            return reason
    except InputError as error:
        return str(error)


def _alpha_varies(reader: StripReader) -> bool:
    """Whether the alpha of a picture is not one value; decodes it up to the first difference."""
    first: Any = None
    for top in range(0, reader.height, _SAMPLE):
        strip = reader.rows(top, min(_SAMPLE, reader.height - top))
        first = strip[0, 0, -1] if first is None else first
        if (strip[:, :, -1] != first).any():
            return True
    return False


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a first look at the whole file found: its most detailed part, and alpha where it is one value."""

    sample: Pixels
    alpha: int | float | None


def _look(reader: StripReader, cancel: Cancel | None) -> _Seen:
    """Decode everything once: a damaged file is found before hours are spent.

    Raises:
        InputError: damaged, NaN or infinity.
    """
    best, most = None, -1.0
    alpha: Any = None
    for top in range(0, reader.height, _SAMPLE):
        if cancel is not None:
            cancel.check()
        strip = reader.rows(top, min(_SAMPLE, reader.height - top))
        if strip.dtype.kind == "f" and not np.isfinite(strip).all():
            raise InputError("The picture holds NaN or infinity. Replace them first, for instance with np.nan_to_num.")
        if reader.has_alpha:
            alpha = strip[0, 0, -1] if alpha is None else alpha
            strip = strip[:, :, :-1]
        height, width = min(_SAMPLE, strip.shape[0]), min(_SAMPLE, strip.shape[1])
        view = View(strip)
        grid = plan_tiles(view.height, view.width, height * width, 0)
        assert grid is not None
        row, column = detail(view, grid)
        first = max(0, min(row - height // 2, strip.shape[0] - height))
        left = max(0, min(column - width // 2, strip.shape[1] - width))
        part = strip[first : first + height, left : left + width]
        rough = float(np.abs(np.diff(part.astype(np.float32), axis=1)).sum()) if width > 1 else 0.0
        if rough > most:
            best, most = part.copy(), rough
    assert best is not None
    return _Seen(best, None if alpha is None else alpha.item())


def enlarge_file(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    model: Model,
    settings: Settings,
    *,
    format: str,  # noqa: A002 (the user's word)
    metadata: Keep = "keep",
    provenance: Provenance | None = None,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> tuple[Picture, Report, tuple[str, ...]]:
    """Enlarge a file into a file by the network's scale, in memory that does not grow with the picture's height.

    An interrupted run leaves a hidden folder beside ``target``, from which the same call goes on; it takes as much
    disk as the raw result, and is removed with the end of the work.

    Args:
        source: a picture for which ``why_not`` says nothing.
        target: TIFF or PNG.
        model: of a bounded halo.
        settings: as for ``Upscaler``; without ``memory``, 900 MB, or 300 MB beyond what the process holds.
        format, metadata: as for ``media.write``.
        provenance: what goes into the metadata, from the report.
        progress: counts input pixels.
        cancel: looked at between tiles; what is done is kept.

    Returns:
        A blank picture with the metadata of the result, how it was computed, and what the format could not hold.

    Raises:
        InputError, OutputError, SettingError, ModelError, MemoryLimitError, CalculationError, CancelledError
    """
    began = time.perf_counter()
    scale = model.traits.scale or 1
    reason = why_not(source, [model], scale, settings, format, metadata)
    if reason:
        raise SettingError(f"{os.fspath(source)} cannot be enlarged by strips: {reason}.")
    with StripReader(source) as reader:
        seen = _look(reader, cancel)
        header = reader.header
    dtype = np.dtype(DTYPES[header.depth])
    shape = (header.height * scale, header.width * scale, header.channels)
    size = shape[0] * shape[1] * shape[2] * dtype.itemsize
    with Journal(target, _job(source, model, settings, header), size) as journal:
        resumed = journal.finished() if journal.how is not None else 0
        way = _way(journal, model, settings, header, seen)
        with StripReader(source) as reader:
            _compute(reader, journal, way.computer, way.plan, shape, dtype, progress, cancel)
        notes = [*journal.notes, *way.notes]
        if resumed:
            notes.append(
                f"went on behind {resumed} of {len(way.plan.rows)} finished rows of tiles of an interrupted run"
            )
        notes += way.computer.notes
        report = _report(model, way, time.perf_counter() - began, shape, notes)
        facts = {name: getattr(header, name) for name in ("icc", "exif", "xmp", "dpi", "format", "times", "notes")}
        result = blank(shape[1], shape[0], shape[2], header.depth, iptc=header.iptc, comments=header.comments, **facts)
        if seen.alpha is not None:
            result = result.replace(alpha=np.broadcast_to(dtype.type(seen.alpha), shape[:2]))
        written = write_rows(
            target,
            result,
            _rows(journal, shape, dtype, seen.alpha, cancel),
            format=format,
            metadata=metadata,
            provenance=provenance(report) if provenance is not None else None,
        )
        journal.remove()
    return result, report, written


def _job(source: str | os.PathLike[str], model: Model, settings: Settings, header: Picture) -> dict[str, Any]:
    """Everything that decides the pixels and is known beforehand."""
    with open(source, "rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    weights = hashlib.sha256()
    for name, value in sorted(model.network.state_dict().items()):
        weights.update(name.encode())
        weights.update(value.detach().cpu().contiguous().view(torch.uint8).numpy() if value.dim() else b"")
    return {
        "journal": 1,
        "finesight": __version__,
        "torch": torch.__version__,
        "input": content,
        "size": [header.width, header.height, header.channels, header.depth],
        "network": type(model.network).__name__,
        "weights": weights.hexdigest(),
        "scale": model.traits.scale,
        "device": str(settings.device),
        "engine": settings.engine,
        "precision": settings.precision,
        "tile": settings.tile,
    }


@dataclass(frozen=True, slots=True)
class Way:
    """How a file will be computed; ``measuring`` are seconds that choosing it again would not take."""

    computer: Computer
    plan: Plan
    why: str
    notes: tuple[str, ...]
    limit: int
    measuring: float = 0.0


def choose_way(model: Model, settings: Settings, header: Picture, sample: Pixels) -> Way:
    """The network and the tiles for a file of that header, chosen by a ``sample`` of it.

    Raises:
        MemoryLimitError: see ``plan_stage``.
    """
    network, device = model.network, settings.device
    memory = _limit(settings)
    precision = "float32" if settings.precision == "auto" and header.depth != 8 else settings.precision
    work = header.width * header.height
    chosen = choose(network, device, sample, work, engine=settings.engine, precision=precision)
    computer = _computer(chosen.prepared, model)
    budget = Budget.of(memory, device, chosen.per_pixel, 0)
    computer.limit = budget.limit
    pixels = np.broadcast_to(np.zeros((1, 1, 1), DTYPES[header.depth]), (header.height, header.width, header.channels))
    plan = plan_stage(pixels, computer, budget, exact=True, tile=settings.tile).plan
    return Way(computer, plan, chosen.why, chosen.notes, budget.limit, chosen.measuring)


def _limit(settings: Settings) -> str | int | None:
    if settings.memory is None and settings.device.type == "cpu":
        return max(MEMORY, resident() + LEAST)
    return settings.memory


def _computer(prepared: Prepared, model: Model) -> Computer:
    plain = prepared.engine == "torch" and prepared.precision == "float32"
    return Computer(prepared, model.traits, None if plain else lambda: TorchNetwork(model.network, prepared.device))


def _way(journal: Journal, model: Model, settings: Settings, header: Picture, seen: _Seen) -> Way:
    """As the journal says, or chosen now and written down there."""
    how = journal.how
    if how is not None:
        prepared = prepare(
            Choice(how["engine"], how["precision"], how["channels_last"]), model.network, settings.device
        )
        computer, memory = _computer(prepared, model), _limit(settings)
        computer.limit = memory if isinstance(memory, int) else None
        plan = _plan_of(header, model.traits.multiple, how)
        return Way(computer, plan, str(how["why"]), (), computer.limit or 0)
    way = choose_way(model, settings, header, seen.sample)
    computes = way.computer.prepared
    journal.begin(
        {
            "engine": computes.engine,
            "precision": computes.precision,
            "channels_last": bool(getattr(computes, "channels_last", False)),
            "why": way.why,
            "tile": list(way.plan.tile),
            "margin": way.plan.margin,
        }
    )
    return way


def _plan_of(header: Picture, multiple: int, how: dict[str, Any]) -> Plan:
    """The plan that was written down."""
    (tall, wide), margin = how["tile"], how["margin"]
    rows = axis_spans(header.height, tall, margin, multiple=multiple)
    columns = axis_spans(header.width, wide, margin, multiple=multiple)
    return Plan(header.height, header.width, rows, columns, margin=margin, blend=0, exact=True)


def _compute(
    reader: StripReader,
    journal: Journal,
    computer: Computer,
    plan: Plan,
    shape: tuple[int, int, int],
    dtype: np.dtype,
    progress: Progress,
    cancel: Cancel | None,
) -> None:
    """Every row of tiles that is not done yet, into the journal."""
    scale = computer.traits.scale or 1
    area, width = plan.height * plan.width, len(plan.columns)

    def counted(done: int, total: int, note: str) -> None:
        progress(area * done // total, area, note)

    for index in range(journal.finished(), len(plan.rows)):
        span = plan.rows[index]
        strip = reader.rows(span.start, span.length)[:, :, : shape[2]]
        own = Span(0, span.length, span.first - span.start, span.last - span.start)
        row = Plan(span.length, plan.width, (own,), plan.columns, margin=plan.margin, blend=0, exact=True)
        sink = RowsSink(journal, shape, dtype, span.start * scale)
        compute_plan(
            View(strip),
            row,
            computer,
            Canvas(row, scale, sink),
            progress=counted,
            cancel=cancel,
            done=index * width,
            total=len(plan),
        )
        journal.finish(index)


def _rows(
    journal: Journal, shape: tuple[int, int, int], dtype: np.dtype, alpha: float | None, cancel: Cancel | None
) -> Iterator[Pixels]:
    """The finished result from the journal, with its alpha."""
    height, width, channels = shape
    line = width * channels * dtype.itemsize
    for top in range(0, height, _WRITTEN_ROWS):
        if cancel is not None:
            cancel.check()
        count = min(_WRITTEN_ROWS, height - top)
        data = os.pread(journal.rows, count * line, top * line)
        strip = np.frombuffer(data, dtype).reshape(count, width, channels)
        if alpha is not None:
            strip = np.concatenate([strip, np.full((count, width, 1), alpha, dtype)], axis=2)
        yield strip


def _report(model: Model, way: Way, seconds: float, shape: tuple[int, int, int], notes: list[str]) -> Report:
    computer, plan = way.computer, way.plan
    prepared = computer.prepared
    return Report(
        scale=float(model.traits.scale or 1),
        models=(model.card.name,),
        tile=plan.tile,
        tiles=len(plan),
        halo=model.traits.halo,
        overlap=plan.margin,
        exact=True,
        difference=None,
        device=str(prepared.device),
        precision=prepared.precision,
        engine=prepared.engine,
        why=way.why,
        seconds=seconds,
        megapixels_per_second=shape[0] * shape[1] / 1e6 / max(seconds, 1e-9),
        memory=way.limit,
        network=computer.seconds,
        notes=tuple(dict.fromkeys(notes)),
    )
