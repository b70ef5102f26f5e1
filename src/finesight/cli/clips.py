"""The work behind ``upscale``, ``restore`` and ``interpolate`` on one clip."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from finesight import __version__
from finesight.cli.batch import Batch
from finesight.cli.clip_options import parse_time
from finesight.cli.console import Console, format_duration
from finesight.cli.places import check_folder, make_folder
from finesight.cli.stopping import stoppable
from finesight.errors import CancelledError, InputError, OutputError
from finesight.media.clips import ClipInfo, ClipReader, ClipWriter, read_clip
from finesight.media.clips.encodings import CONTAINERS
from finesight.progress import Cancel, Progress
from finesight.run.clips import ClipReport, ClipSettings, Interpolator
from finesight.run.clips.job import JobResult, Pieces, compute_clip
from finesight.run.clips.preview import write_preview
from finesight.zoo.model import Model

__all__ = ["ClipOrder", "Writing", "clip_settings", "parse_time", "work_on_clip"]

_PROBE = 6  # frames from which the time is foreseen


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """What is said about the file to be."""

    output: str | None
    codec: str | None = None
    crf: float | None = None
    pixel_format: str | None = None
    streams: Literal["all", "possible", "none"] = "all"
    metadata: Literal["keep", "minimal", "strip"] = "keep"
    overwrite: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipOrder:
    """One clip to do.

    Args:
        source: the clip.
        start, end, rate: which part, and how fast pictures are shown.
        gaps, damaged: what happens to missing pictures and broken frames; see ``finesight.media.clips.read_clip``.
        writing: where to and how.
        suffix: added to the name where no output is given.
        scale: of the frames.
        factor, fps: of interpolation.
        make: makes what computes, with settings.
        settings: of the computation.
        model: that computes, ``None`` for shipped ones by scale.
        job: what else decides the result.
    """

    source: str
    start: Fraction | None
    end: Fraction | None
    rate: str | None
    writing: Writing
    suffix: str
    scale: float
    make: Callable[[ClipSettings], Pieces]
    settings: ClipSettings
    model: Model | None
    job: dict[str, Any]
    factor: int | None = None
    fps: Fraction | None = None
    gaps: Literal["error", "keep"] = "error"
    damaged: Literal["error", "skip"] = "error"


def clip_settings(
    *,
    device: str,
    memory: str | None,
    precision: Any,
    engine: Any,
    segment: int | None,
    overlap: int | None,
    exact: bool,
    cut: float | None,
    self_ensemble: bool = False,
) -> ClipSettings:
    """The settings of the options that were given; the others keep their defaults."""
    from finesight.run.memory import parse_bytes

    if memory is not None:
        parse_bytes(memory)
    given = {"segment": segment, "overlap": overlap}
    settings = ClipSettings(
        devices=tuple(part.strip() for part in device.split(",")),
        memory=memory,
        precision=precision,
        engine=engine,
        exact=exact,
        self_ensemble=self_ensemble,
        **{name: value for name, value in given.items() if value is not None},
    )
    if cut is not None:
        settings = replace(settings, cut=None if cut >= 100 else cut)
    return settings


def work_on_clip(
    order: ClipOrder, console: Console, *, dry_run: bool, preview: int | None, json: bool, debug: bool
) -> int:
    """Do one clip, or say what it would take; the exit code."""
    batch = Batch(console, debug=debug)
    with read_clip(
        order.source, start=order.start, end=order.end, rate=order.rate, damaged=order.damaged, gaps=order.gaps
    ) as reader:
        target = _target(order, reader.info, preview)
        if os.path.lexists(target) and not order.writing.overwrite and not _empty_folder(target):
            raise OutputError(f"{target} exists already. Add --overwrite, or choose another -o.")
        check_folder(target.parent)
        if preview is not None:
            make_folder(target.parent)
            batch.done(_preview(order, reader, target, preview))
        elif dry_run:
            batch.done(_foresee(order, reader, target))
        else:
            return _compute(order, reader, target, batch, json=json)
    result = batch.results[0]
    if preview is not None:
        console.result(result["output"])
    else:
        console.result(_plan_line(result))
    return batch.finish(json=json)


def _compute(order: ClipOrder, reader: ClipReader, target: Path, batch: Batch, *, json: bool) -> int:
    writer = _writer(order, reader, target)
    make_folder(target.parent)
    with stoppable() as stop, contextlib.suppress(KeyboardInterrupt, CancelledError):
        with batch.console.progress("frames") as progress:
            try:
                batch.done(_done(order, reader, writer, target, progress, stop))
            except CancelledError:
                raise
            except Exception as error:
                batch.started = True
                batch.fail(order.source, error)
        for result in batch.results:
            batch.console.result(result["output"])
            batch.console.detail(_done_line(result))
            for note in result["notes"]:
                batch.console.note(f"{order.source}: {note}")
        return batch.finish(json=json)
    batch.finish(json=json, stopped="Stopped. The same command goes on where it was.")
    return stop.code


def _done(
    order: ClipOrder, reader: ClipReader, writer: ClipWriter, target: Path, progress: Progress, cancel: Cancel
) -> dict[str, Any]:
    """Compute the clip; what was done, as plain JSON values."""
    report = ClipReport()

    def make(how: dict[str, Any] | None) -> Pieces:
        nonlocal report
        settings = order.settings
        if how is not None:
            settings = replace(settings, precision=how["precision"], engine=how["engine"])
        runner = order.make(settings)
        report = runner.report
        return runner

    result = compute_clip(
        reader,
        writer,
        make,
        job=_job(order, writer),
        provenance=lambda said: _provenance(order, said),
        expected=_expected(order, reader),
        progress=progress,
        cancel=cancel,
    )
    return _facts(order, writer, target, report, result)


def _facts(order: ClipOrder, writer: ClipWriter, target: Path, report: ClipReport, result: JobResult) -> dict[str, Any]:
    facts = report.as_dict()
    computed = max(result.frames - result.earlier, 0)
    return {
        "input": order.source,
        "output": str(target),
        "width": writer.size[0],
        "height": writer.size[1],
        **facts,
        "model": "+".join(facts.pop("models")),
        "frames": result.frames,
        "earlier": result.earlier,
        "seconds": result.seconds,
        "joining": result.joining,
        "frames_per_second": computed / max(result.seconds, 1e-9),
        "codec": writer.encoding.codec if writer.encoding else "png",
        "pixel_format": writer.encoding.pixel_format if writer.encoding else "",
        "notes": list(result.notes),
    }


def _preview(order: ClipOrder, reader: ClipReader, target: Path, count: int) -> dict[str, Any]:
    between = order.factor is not None or order.fps is not None
    context = order.settings.overlap
    frames, _ = _frames(order, reader.info)
    runner = order.make(replace(order.settings, cut=None))
    if isinstance(runner, Interpolator):
        runner = Interpolator(runner.model, factor=2, settings=runner.settings)
    places = write_preview(reader, runner, target, count, frames_in_all=frames, context=context, between=between)
    return {"input": order.source, "output": str(target), "frames": places, "preview": True}


def _foresee(order: ClipOrder, reader: ClipReader, target: Path) -> dict[str, Any]:
    """What the clip would take, from its first frames, as plain JSON values."""
    writer = _writer(order, reader, target)
    head = list(itertools.islice(iter(reader), _PROBE))
    if not head:
        raise InputError(f"{order.source} gives not one frame.")
    runner = order.make(replace(order.settings, precision=order.settings.precision))
    took = []
    for _ in range(2):  # the first time is slower and counts once
        began = time.perf_counter()
        made = sum(1 for piece in runner.pieces(head) for _ in piece.frames)
        took.append((time.perf_counter() - began, made))
    expected = _expected(order, reader)
    (cold, _), (warm, made) = took
    facts = runner.report.as_dict()
    return {
        "input": order.source,
        "output": str(target),
        "width": writer.size[0],
        "height": writer.size[1],
        "frames": expected or None,
        "model": "+".join(facts["models"]),
        "weights": facts["weights"],
        "device": facts["device"],
        "precision": facts["precision"],
        "engine": facts["engine"],
        "tile": facts["tile"],
        "tiles": facts["tiles"],
        "seconds": max(cold - warm, 0) + warm / max(made, 1) * expected if expected else None,
        "frames_per_second": made / max(warm, 1e-9),
        "codec": writer.encoding.codec if writer.encoding else "png",
        "pixel_format": writer.encoding.pixel_format if writer.encoding else "",
        "notes": list(dict.fromkeys([*reader.notes, *writer.notes, *facts["notes"]])),
    }


def _plan_line(plan: dict[str, Any]) -> str:
    frames = f"{plan['frames']} frames" if plan["frames"] else "frames"
    seconds = f" in about {format_duration(plan['seconds'])}" if plan["seconds"] else ""
    how = f"{plan['precision']} on {plan['device']}; {plan['codec']}"
    return (
        f"{plan['input']} -> {plan['output']}: {frames} of {plan['width']} x {plan['height']} pixels by {plan['model']}"
        f"{seconds} ({plan['frames_per_second']:.3g} frames/s, {how})"
    )


def _done_line(result: dict[str, Any]) -> str:
    return (
        f"{result['input']}: {result['frames']} frames of {result['width']} x {result['height']} pixels by "
        f"{result['model']} in {format_duration(result['seconds'])} ({result['frames_per_second']:.3g} frames/s, "
        f"{result['precision']} on {result['device']})"
    )


def _target(order: ClipOrder, info: ClipInfo, preview: int | None) -> Path:
    """Where the result goes: as said, or beside the source."""
    if order.writing.output is not None:
        path = Path(order.writing.output)
        if path.is_dir() and any(path.iterdir()) and info.kind == "video":
            path = path / _beside(order, info).name  # a folder of results
        elif preview is not None and path.suffix.lower() != ".png":
            path = path.with_name(f"{path.stem}_preview.png")
        return path
    beside = _beside(order, info)
    return beside if preview is None else beside.with_name(f"{beside.stem}_preview.png")


def _beside(order: ClipOrder, info: ClipInfo) -> Path:
    path = info.path
    if info.kind != "video":
        name = path.name.partition("%")[0].strip("_-. ") or "frames" if info.kind == "sequence" else path.name
        return path.with_name(f"{name}{order.suffix}")
    ending = path.suffix if path.suffix.lower() in CONTAINERS else ".mkv"
    return path.with_name(f"{path.stem}{order.suffix}{ending}")


def _empty_folder(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _writer(order: ClipOrder, reader: ClipReader, target: Path) -> ClipWriter:
    info, writing = reader.info, order.writing
    rate: Fraction | None = None
    if order.fps is not None:
        rate = order.fps
    elif order.factor is not None and info.rate is not None:
        rate = info.rate * order.factor
    copy: bool | Literal["possible"] = "possible" if writing.streams == "possible" else writing.streams == "all"
    return ClipWriter(
        target,
        like=info,
        width=max(1, round(info.width * order.scale)),
        height=max(1, round(info.height * order.scale)),
        rate=rate,
        codec=writing.codec,
        crf=writing.crf,
        pixel_format=writing.pixel_format,
        alpha=info.alpha,
        copy_streams=copy,
        metadata=writing.metadata,
        start=order.start,
        end=order.end,
    )


def _frames(order: ClipOrder, info: ClipInfo) -> tuple[int | None, Fraction | None]:
    """How many frames the part has and how long it is, as far as the header tells."""
    seconds = info.duration
    if order.start is None and order.end is None:
        return info.expected_frames, seconds
    if seconds is None or info.rate is None:
        return None, None
    seconds = max(min(seconds, order.end if order.end is not None else seconds) - (order.start or 0), Fraction(0))
    return max(1, round(seconds * info.rate)), seconds


def _expected(order: ClipOrder, reader: ClipReader) -> int:
    """Frames of the result, as far as the header tells; 0 where it does not."""
    count, seconds = _frames(order, reader.info)
    if order.fps is not None:
        return 0 if seconds is None else round(seconds * order.fps)
    if count is None:
        return 0
    return (count - 1) * order.factor + 1 if order.factor is not None else count


def _job(order: ClipOrder, writer: ClipWriter) -> dict[str, Any]:
    """Everything that decides the result."""
    source = Path(order.source)
    state = source.stat() if source.is_file() else None
    settings = order.settings
    return {
        "finesight": __version__,
        "input": str(source.absolute()),
        "state": [state.st_size, state.st_mtime_ns] if state else None,
        "part": [str(order.start), str(order.end), order.rate, order.gaps, order.damaged],
        "model": None if order.model is None else [order.model.card.name, order.model.card.weights_sha256],
        "scale": order.scale,
        "factor": order.factor,
        "fps": str(order.fps),
        "encoding": str(writer.encoding),
        "settings": dataclasses.asdict(replace(settings, memory=None, devices=())),
        **order.job,
    }


def _provenance(order: ClipOrder, report: ClipReport) -> dict[str, str]:
    said = [f"{report.precision}, {report.engine} on {report.device}"]
    if order.fps is not None:
        said.insert(0, f"{float(order.fps):g} frames a second")
    elif order.factor is not None:
        said.insert(0, f"factor {order.factor}")
    else:
        said.insert(0, f"scale {order.scale:g}")
        said.append(f"segments of {order.settings.segment} frames, overlap {order.settings.overlap}")
    models = "+".join(report.models) or (order.model.card.name if order.model is not None else "")
    weights = report.weights or (order.model.card.weights_sha256 if order.model is not None else "")
    return {"software": f"finesight {__version__}", "model": models, "weights": weights, "settings": ", ".join(said)}
