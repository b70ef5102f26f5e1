"""The work behind ``finesight matte`` on a clip: frame by frame, to a folder of PNG files, ProRes 4444 or FFV1."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from finesight import media
from finesight.cli.cutting import Settings, made, provenance
from finesight.errors import InputError, OutputError, SettingError
from finesight.media.clips import ClipInfo, ClipWriter, Frame, is_clip, read_clip
from finesight.media.picture import Picture
from finesight.progress import Cancel, Progress
from finesight.run.matting.matter import MatteReport
from finesight.run.matting.trimaps import ReadTrimap, read_trimap

__all__ = ["cut_clip"]

_TRANSPARENT = {".mov": "prores", ".mkv": "ffv1", ".webm": "vp9"}
"""Endings of clips that hold alpha, and the codec that is taken for it."""


def cut_clip(
    source: str,
    output: str | None,
    trimap: str,
    settings: Settings,
    *,
    codec: str | None,
    progress: Progress,
    cancel: Cancel,
) -> dict[str, Any]:
    """Read, cut out and write one clip; what was done, as plain JSON values.

    Alpha as such becomes grey frames; a cut-out needs a folder, .mov (ProRes 4444), .mkv (FFV1) or .webm. The trimap is
    one picture for all frames, or a clip or folder with a trimap for each.

    Raises:
        Error: anything that went wrong; nothing was written.
        CancelledError: asked to stop.
    """
    began = time.perf_counter()
    target = Path(output) if output is not None else Path(source).with_name(f"{Path(source).stem}_{settings.wanted}")
    _check(source, target, settings)
    reports: list[MatteReport] = []
    with read_clip(source) as clip:
        info = clip.info
        deep = (settings.depth or 8) > 8 or (settings.wanted != "alpha" and info.depth > 8)
        transparent = settings.wanted == "cutout"
        with ClipWriter(
            target,
            like=info,
            width=info.width,
            height=info.height,
            codec=codec or (_TRANSPARENT.get(target.suffix.lower()) if transparent or deep else None),
            depth=(16 if deep else 8) if not target.suffix else None if not deep else max(info.depth, 10),
            alpha=transparent,
            copy_streams="possible",
            provenance=provenance(
                settings, MatteReport(model=settings.matter.model.card.name, unknown=0, share=0), trimap
            ),
        ) as writer:
            for frame, marks in zip(clip, _trimaps(trimap, info, settings), strict=False):
                if marks is None:
                    raise InputError(f"{trimap} ends after {writer.frames} frames, before {source} does.")
                cancel.check()
                progress(writer.frames, info.expected_frames or 0, os.path.basename(source))
                matte = settings.matter(_picture(frame), marks, cancel=cancel)
                reports.append(matte.report)
                writer.write(_frame(frame, made(matte, settings, cancel)))
        notes = (*clip.notes, *writer.notes)
    return _told(source, trimap, target, settings, info, reports, notes, time.perf_counter() - began)


def _check(source: str, target: Path, settings: Settings) -> None:
    """Whether the result can be what is asked for.

    Raises:
        OutputError: it is there already.
        SettingError: its container holds no alpha.
    """
    suffix = target.suffix.lower()
    if settings.wanted == "cutout" and suffix and "%" not in target.name and suffix not in _TRANSPARENT:
        raise SettingError(
            f"{target}: {suffix} holds no transparency, which a cut-out needs. Choose a folder, .mov (ProRes 4444), "
            ".mkv (FFV1) or .webm, or put it on a colour with --background."
        )
    if target.is_file() and not settings.overwrite:
        raise OutputError(f"{target} exists already. Add --overwrite, or choose another -o.")
    if target.exists() and os.path.realpath(target) == os.path.realpath(source):
        raise OutputError(f"{target} is the input itself, which is never overwritten. Choose another -o.")


def _trimaps(trimap: str, info: ClipInfo, settings: Settings) -> Iterator[ReadTrimap | None]:
    """A trimap for every frame, and ``None`` behind the last one of a clip."""
    like = Picture(pixels=np.broadcast_to(np.uint8(0), (info.height, info.width, 1)))
    if is_clip(trimap, folders=True):
        with read_clip(trimap) if not os.path.isdir(trimap) else read_clip(trimap, rate=info.rate or 25) as clip:
            for number, frame in enumerate(clip, start=1):
                name = f"Trimap {number} of {trimap}"
                yield read_trimap(_picture(frame), like, resize=settings.resize_trimap, name=name)
        while True:
            yield None
    if not os.path.exists(trimap):
        raise InputError(f"There is no trimap: {trimap} does not exist.")
    one = read_trimap(media.read(trimap), like, resize=settings.resize_trimap, name=f"The trimap {trimap}")
    while True:
        yield one


def _picture(frame: Frame) -> Picture:
    return Picture(pixels=frame.pixels, alpha=frame.alpha, depth=8 if frame.pixels.dtype == np.uint8 else 16)


def _frame(frame: Frame, result: Picture) -> Frame:
    """The result at the frame's time; grey becomes three equal channels."""
    pixels = result.pixels if result.channels == 3 else np.repeat(result.pixels, 3, axis=2)
    return dataclasses.replace(frame, pixels=pixels, alpha=result.alpha)


def _told(
    source: str,
    trimap: str,
    target: Path,
    settings: Settings,
    info: ClipInfo,
    reports: list[MatteReport],
    notes: tuple[str, ...],
    seconds: float,
) -> dict[str, Any]:
    own = [note for report in reports for note in report.notes]
    total = max(1, len(reports) * info.width * info.height)
    unknown = sum(report.unknown for report in reports)
    return {
        "input": source,
        "trimap": trimap,
        "output": str(target),
        "result": settings.wanted,
        "width": info.width,
        "height": info.height,
        "frames": len(reports),
        "model": next((report.model for report in reports if report.model), ""),
        "weights": settings.matter.model.card.weights_sha256 if unknown else "",
        "unknown": unknown,
        "share": unknown / total,
        "tiles": sum(report.tiles for report in reports),
        "computed": sum(report.computed for report in reports),
        "device": str(settings.matter.device),
        "seconds": seconds,
        "notes": list(dict.fromkeys((*notes, *own))),
    }
