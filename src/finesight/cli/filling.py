"""The work behind ``finesight inpaint``: pictures, their masks, and the results."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finesight import __version__, media
from finesight.cli.places import check_folder, make_folder
from finesight.errors import InputError, OutputError
from finesight.media.names import PIPE, Item, Job
from finesight.progress import Cancel, Progress
from finesight.run.inpainting import Inpainter, InpaintReport, missing_pixels, opaque_where

if TYPE_CHECKING:
    from finesight.media.writing import Keep
    from finesight.run.inpainting.holes import Box, Hole

__all__ = ["Settings", "Task", "check", "fill", "find_mask", "plan_tasks"]

ALPHA = "alpha"


@dataclass(frozen=True, slots=True)
class Task:
    """One picture, its result, and where its mask is: a file, ``alpha``, or nowhere (boxes, a colour)."""

    job: Job
    mask: str | None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What holds for all pictures of one command; see ``finesight.inpaint``."""

    inpainter: Inpainter
    colour: tuple[int, int, int] | None = None
    tolerance: float = 0.0
    boxes: Sequence[Box] = ()
    invert: bool = False
    resize_mask: bool = False
    grow: int = 0
    quality: int | None = None
    metadata: Keep = "keep"
    overwrite: bool = False


def plan_tasks(
    items: Sequence[Item],
    output: str | None,
    mask: str | None,
    *,
    suffix: str,
    format: str | None,  # noqa: A002 (the user's word)
) -> list[Task]:
    """Which result and which mask belong to each picture.

    A picture below the folder of masks is left out where that folder is searched for pictures too.

    Raises:
        InputError: one mask for all is meant, and it does not exist.
        OutputError, SettingError: see ``plan_outputs``.
    """
    masks = os.path.realpath(mask) if mask is not None and os.path.isdir(mask) else None
    kept = [
        item
        for item in items
        if masks is None or item.named or not os.path.realpath(item.source).startswith(masks + os.sep)
    ]
    tasks = []
    for job in media.plan_outputs(kept, output, suffix=suffix, format=format):
        found, problem = (None, "") if mask is None else find_mask(job.item, mask)
        tasks.append(Task(job, found, problem))
    return tasks


def find_mask(item: Item, mask: str) -> tuple[str, str]:
    """The mask of one picture, and what is wrong where there is none.

    ``mask`` is ``alpha``; a file, for every picture; a pattern whose ``*`` stands for the picture's name without its
    ending; or a folder that holds a picture of the same name (or name and ``_mask``), whatever its ending, in the same
    place below it.
    """
    if mask == ALPHA:
        return mask, ""
    if os.path.isdir(mask):
        return _in_folder(item, Path(mask))
    if "*" in mask and not os.path.lexists(mask):
        path = mask.replace("*", item.relative.stem)
        return path, "" if os.path.isfile(path) else f"There is no mask for {item.source}: {path} does not exist."
    return mask, "" if os.path.exists(mask) else f"There is no mask for {item.source}: {mask} does not exist."


def _in_folder(item: Item, folder: Path) -> tuple[str, str]:
    stem = item.relative.stem
    for place in (folder / item.relative.parent, folder):
        for name in (stem, f"{stem}_mask"):
            found = sorted(
                path
                for path in (place.iterdir() if place.is_dir() else ())
                if path.stem == name and media.format_of_suffix(path.suffix) is not None
            )
            if found:
                return str(found[0]), ""
    return "", f"There is no mask for {item.source}: {folder} holds no picture named {stem} or {stem}_mask."


def check(task: Task, settings: Settings) -> None:
    """What can be wrong before any time is spent.

    Raises:
        InputError: the mask is missing.
        OutputError: the result is there already, or has no place.
    """
    if task.problem:
        raise InputError(task.problem)
    target = task.job.target
    if target == PIPE:
        return
    if task.mask not in (None, ALPHA) and os.path.realpath(target) == os.path.realpath(task.mask or ""):
        raise OutputError(f"The result of {task.job.item.source} would replace its mask {target}. Choose another -o.")
    if not settings.overwrite and os.path.lexists(target):
        raise OutputError(f"{target} exists already. Add --overwrite or --skip-existing, or choose another -o.")
    check_folder(Path(target).parent)


def fill(task: Task, settings: Settings, progress: Progress, cancel: Cancel) -> dict[str, Any]:
    """Read, fill and write one picture; what was done, as plain JSON values.

    Raises:
        Error: anything that went wrong with this picture; no file was written.
        CancelledError: asked to stop.
    """
    job = task.job
    picture = media.read(job.item.source)
    hole = _hole(picture, task, settings)
    name = f"The mask of {job.item.source}" if task.mask in (None, ALPHA) else f"The mask {task.mask}"
    result, report = settings.inpainter(picture, hole, name=name, progress=progress, cancel=cancel)
    cancel.check()
    if job.target != PIPE:
        make_folder(Path(job.target).parent)
    if report.missing == 0 and _same_file(job, settings):
        notes: tuple[str, ...] = ()
        with media.atomically(job.target) as temporary:
            shutil.copyfile(job.item.source, temporary)
            shutil.copystat(job.item.source, temporary)
    else:
        filled = opaque_where(result, hole) if task.mask == ALPHA else result
        notes = media.write(
            job.target,
            filled,
            format=job.format,
            quality=settings.quality,
            metadata=settings.metadata,
            provenance=_provenance(settings.inpainter, report, task) if report.missing else None,
        )
    return {
        "input": job.item.source,
        "mask": task.mask,
        "output": job.target,
        "width": picture.width,
        "height": picture.height,
        "format": job.format,
        "weights": settings.inpainter.model.card.weights_sha256 if report.missing else "",
        **report.as_dict(),
        "notes": list(dict.fromkeys((*picture.notes, *report.notes, *notes))),
    }


def _hole(picture: media.Picture, task: Task, settings: Settings) -> Hole:
    """What is missing; errors name the mask's file."""
    try:
        return missing_pixels(
            picture,
            task.mask,
            colour=settings.colour,
            tolerance=settings.tolerance,
            boxes=settings.boxes,
            invert=settings.invert,
            resize_mask=settings.resize_mask,
            grow=settings.grow,
        )
    except InputError as error:
        if task.mask in (None, ALPHA) or (task.mask or "") in str(error):
            raise
        raise InputError(f"{task.mask}: {error}") from error


def _same_file(job: Job, settings: Settings) -> bool:
    """Whether a picture without holes may be copied as a file, byte for byte."""
    same = job.target != PIPE and job.item.source != PIPE and os.path.isfile(job.item.source)
    return same and settings.metadata == "keep" and media.inspect(job.item.source).format == job.format


def _provenance(inpainter: Inpainter, report: InpaintReport, task: Task) -> dict[str, str]:
    """What made a picture, for its metadata."""
    mask = "" if task.mask is None else f", mask {os.path.basename(task.mask)}"
    return {
        "software": f"finesight {__version__}",
        "model": report.model,
        "weights": inpainter.model.card.weights_sha256,
        "settings": f"inpaint, {report.missing} pixels in {report.holes} holes{mask}"
        + (", native" if inpainter.native else "")
        + f", on {report.device}",
    }
