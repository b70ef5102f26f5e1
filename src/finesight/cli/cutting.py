"""The work behind ``finesight matte``: pictures or clips, their trimaps, and the results."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from finesight import __version__, media
from finesight.cli.places import check_folder, make_folder
from finesight.errors import InputError, OutputError, SettingError
from finesight.media.clips import is_clip
from finesight.media.formats import FORMATS
from finesight.media.names import PIPE, Item, Job
from finesight.progress import Cancel, Progress
from finesight.run.matting.matter import Matte, Matter, MatteReport
from finesight.run.matting.trimaps import read_trimap

if TYPE_CHECKING:
    from finesight.media.picture import Depth, Picture
    from finesight.media.writing import Keep

__all__ = ["Settings", "Task", "Wanted", "check", "cut", "find_trimap", "plan_tasks", "provenance"]

Wanted = Literal["alpha", "cutout", "composite"]


@dataclass(frozen=True, slots=True)
class Task:
    """One picture, its result, its trimap, and what is wrong where there is none."""

    job: Job
    trimap: str
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What holds for all pictures of one command; see ``finesight.matte``."""

    matter: Matter
    wanted: Wanted = "alpha"
    background: Picture | tuple[int, int, int] | None = None
    depth: Depth | None = None
    resize_trimap: bool = False
    quality: int | None = None
    metadata: Keep = "keep"
    overwrite: bool = False


def plan_tasks(
    items: Sequence[Item],
    output: str | None,
    trimap: str,
    *,
    wanted: Wanted,
    suffix: str,
    format: str | None,  # noqa: A002 (the user's word)
) -> list[Task]:
    """Which result and which trimap belong to each picture; results are PNG where nothing says otherwise.

    A picture below the folder of trimaps is left out where that folder is searched for pictures too.

    Raises:
        OutputError, SettingError: see ``plan_outputs``; a cut-out in a format without transparency.
    """
    folder = os.path.realpath(trimap) if os.path.isdir(trimap) else None
    kept = [
        item
        for item in items
        if folder is None or item.named or not os.path.realpath(item.source).startswith(folder + os.sep)
    ]
    named = output is not None and media.format_of_suffix(Path(output).suffix) is not None and not os.path.isdir(output)
    chosen = format or (None if named or wanted == "composite" else "png")
    jobs = media.plan_outputs(kept, output, suffix=suffix, format=chosen)
    for job in jobs:
        if wanted == "cutout" and not FORMATS[job.format].alpha:
            raise SettingError(
                f"{job.target}: {job.format} holds no transparency, which a cut-out needs. Choose png, tiff, webp or "
                "avif, or put it on a colour with --background."
            )
    return [Task(job, *find_trimap(job.item, trimap)) for job in jobs]


def find_trimap(item: Item, trimap: str) -> tuple[str, str]:
    """The trimap of one picture, and what is wrong where there is none.

    ``trimap`` is a file, for every picture; a pattern whose ``*`` stands for the picture's name without its ending; or
    a folder that holds a picture of the same name (or name and ``_trimap``), whatever its ending, in the same place
    below it.
    """
    if os.path.isdir(trimap):
        stem = item.relative.stem
        for place in (Path(trimap) / item.relative.parent, Path(trimap)):
            for name in (stem, f"{stem}_trimap"):
                found = sorted(
                    path
                    for path in (place.iterdir() if place.is_dir() else ())
                    if path.stem == name and media.format_of_suffix(path.suffix) is not None
                )
                if found:
                    return str(found[0]), ""
        lacking = f"{trimap} holds no picture named {stem} or {stem}_trimap."
        return "", f"There is no trimap for {item.source}: {lacking}"
    path = trimap.replace("*", item.relative.stem) if "*" in trimap and not os.path.lexists(trimap) else trimap
    return path, "" if os.path.exists(path) else f"There is no trimap for {item.source}: {path} does not exist."


def check(task: Task, settings: Settings) -> None:
    """What can be wrong before any time is spent.

    Raises:
        InputError: the trimap is missing.
        OutputError: the result is there already, or has no place.
    """
    if task.problem:
        raise InputError(task.problem)
    target = task.job.target
    if target == PIPE:
        return
    if os.path.realpath(target) == os.path.realpath(task.trimap):
        raise OutputError(f"The result of {task.job.item.source} would replace its trimap {target}. Choose another -o.")
    if not settings.overwrite and os.path.lexists(target):
        raise OutputError(f"{target} exists already. Add --overwrite or --skip-existing, or choose another -o.")
    check_folder(Path(target).parent)


def cut(task: Task, settings: Settings, progress: Progress, cancel: Cancel) -> dict[str, Any]:
    """Read, cut out and write one picture; what was done, as plain JSON values.

    Raises:
        Error: anything that went wrong with this picture; no file was written.
        CancelledError: asked to stop.
    """
    job = task.job
    picture = media.read(job.item.source)
    if is_clip(task.trimap):
        raise InputError(f"{task.trimap} is a clip, {job.item.source} a picture: give a picture as its trimap.")
    trimap = read_trimap(
        media.read(task.trimap), picture, resize=settings.resize_trimap, name=f"The trimap {task.trimap}"
    )
    matte = settings.matter(picture, trimap, progress=progress, cancel=cancel)
    result = made(matte, settings, cancel)
    cancel.check()
    if job.target != PIPE:
        make_folder(Path(job.target).parent)
    notes = media.write(
        job.target,
        result,
        format=job.format,
        quality=settings.quality,
        metadata=settings.metadata,
        provenance=provenance(settings, matte.report, task.trimap),
    )
    return {
        "input": job.item.source,
        "trimap": task.trimap,
        "output": job.target,
        "result": settings.wanted,
        "width": picture.width,
        "height": picture.height,
        "depth": result.depth,
        "format": job.format,
        "weights": settings.matter.model.card.weights_sha256 if matte.report.unknown else "",
        **matte.report.as_dict(),
        "notes": list(dict.fromkeys((*picture.notes, *matte.report.notes, *notes))),
    }


def made(matte: Matte, settings: Settings, cancel: Cancel) -> Picture:
    """What the command was asked for, from an alpha."""
    if settings.wanted == "alpha":
        return matte.as_alpha(settings.depth)
    if settings.background is not None:
        return matte.over(settings.background, cancel=cancel)
    return matte.cutout(settings.depth, cancel=cancel)


def provenance(settings: Settings, report: MatteReport, trimap: str) -> dict[str, str]:
    """What made a picture, for its metadata."""
    return {
        "software": f"finesight {__version__}",
        "model": report.model or "none",
        "weights": settings.matter.model.card.weights_sha256 if report.model else "",
        "settings": f"matte, {settings.wanted}, trimap {os.path.basename(trimap)}, {report.unknown} unknown pixels"
        + (f", overlap {report.overlap}" if report.overlap else "")
        + (f", on {report.device}" if report.device else ""),
    }
