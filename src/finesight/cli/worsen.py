"""The work behind ``finesight degrade``: one result after the other, each by its own parameters."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from finesight import __version__, media
from finesight.cli.places import check_folder, make_folder
from finesight.degrade import record as records
from finesight.degrade.names import Degradation
from finesight.degrade.record import Record
from finesight.degrade.resize import resize, resize_8bit
from finesight.errors import InputError, OutputError, SettingError
from finesight.media.atomic import atomically
from finesight.media.names import PIPE, Item, Job

if TYPE_CHECKING:
    from finesight.media.writing import Keep

__all__ = ["Settings", "Task", "generator_of", "parameters_file", "plan_tasks", "read_record", "worsen"]


@dataclass(frozen=True, slots=True)
class Task:
    """One result: which file it comes from and goes to, the picture's place, and the number of the copy, from 1."""

    job: Job
    place: str
    copy: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What holds for all results of one command; a ``record`` takes the place of degradation, scale and seed."""

    degradation: Degradation
    scale: int
    seed: int
    record: Record | None = None
    save_parameters: bool = False
    quality: int | None = None
    metadata: Keep = "keep"
    overwrite: bool = False


def read_record(path: str) -> Record:
    """The record in a file that ``--save-parameters`` wrote.

    Raises:
        InputError: it cannot be read or is no JSON.
        SettingError: it does not hold a record.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}. Give a file of --save-parameters.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text. Give a file that --save-parameters wrote.") from error
    return records.loads(text, name=path)


def plan_tasks(
    items: Sequence[Item],
    inputs: Sequence[str],
    output: str | None,
    *,
    suffix: str,
    count: int,
    format: str | None,  # noqa: A002 (the user's word)
) -> list[Task]:
    """Say where each result goes; PNG unless ``format`` or the name of the output says otherwise.

    With several copies of each picture their number follows the suffix. A picture of a searched folder that is a
    result of another one (of an earlier run) is left out.

    Raises:
        SettingError: several results for one file, or an unknown format.
        OutputError: a result would replace an input.
    """
    single = (
        output is not None and not os.path.isdir(output) and media.format_of_suffix(Path(output).suffix) is not None
    )
    if count > 1 and (single or output == PIPE):
        raise SettingError(f"--count {count} makes several results of each picture. Give a folder with -o.")
    if format is None and not single:
        format = "png"  # noqa: A001
    copies = [
        media.plan_outputs(items, output, suffix=suffix if count == 1 else f"{suffix}_{copy}", format=format)
        for copy in range(1, count + 1)
    ]
    wanted = set.intersection(*({job.item.source for job in jobs} for jobs in copies))
    folders = [Path(entry) for entry in inputs if os.path.isdir(entry)]
    return [
        Task(job, place_of(job.item, folders), copy)
        for together in zip(*([job for job in jobs if job.item.source in wanted] for jobs in copies), strict=True)
        for copy, job in enumerate(together, 1)
    ]


def place_of(item: Item, folders: Sequence[Path]) -> str:
    """The picture's path below the folder that was given, with slashes; its file name where it was named itself."""
    source = Path(item.source)
    for folder in folders if not item.named else ():
        if source.is_relative_to(folder):
            return source.relative_to(folder).as_posix()
    return item.relative.as_posix()


def generator_of(seed: int, place: str, copy: int) -> torch.Generator:
    """The chance of one result: from the seed, the picture's place and the number of the copy, and nothing else.

    It is seeded with the first 63 bits of the SHA-256 of ``SEED/COPY/PLACE`` (the place in Unicode's form NFC), so that
    neither the order nor the presence of other pictures changes a result.
    """
    text = f"{seed}/{copy}/{unicodedata.normalize('NFC', place)}"
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def parameters_file(target: str) -> str:
    """Where the parameters of a result go: ``photo_low.png`` has ``photo_low.png.json``."""
    return f"{target}.json"


def worsen(task: Task, settings: Settings) -> dict[str, Any]:
    """Read, degrade and write one picture; what was done, as plain JSON values.

    Raises:
        Error: anything that went wrong with this picture; no picture was written.
    """
    job = task.job
    beside = parameters_file(job.target) if settings.save_parameters else None
    for path in (job.target, beside):
        if path is not None and path != PIPE and not settings.overwrite and os.path.lexists(path):
            raise OutputError(f"{path} exists already. Add --overwrite or --skip-existing, or choose another -o.")
    if job.target != PIPE:
        check_folder(Path(job.target).parent)
    record = settings.record
    if record is None:
        generator = generator_of(settings.seed, task.place, task.copy)
        record = records.sample(settings.degradation, settings.scale, generator)
    result = degraded(media.read(job.item.source), record)
    if job.target != PIPE:
        make_folder(Path(job.target).parent)
    if beside is not None:  # first, so that a picture that is there has its parameters
        with atomically(beside) as temporary:
            temporary.write_text(records.dumps(record), encoding="utf-8")
    notes = media.write(
        job.target,
        result,
        format=job.format,
        quality=settings.quality,
        metadata=settings.metadata,
        provenance=provenance(record, task, settings),
    )
    facts = (
        records.to_dict(record) if settings.record is not None else records.to_dict(record) | {"seed": settings.seed}
    )
    return {
        "input": job.item.source,
        "output": job.target,
        "width": result.width,
        "height": result.height,
        "format": job.format,
        "copy": task.copy,
        **facts,
        "parameters_file": beside,
        "notes": list(dict.fromkeys((*result.notes, *notes))),
    }


def provenance(record: Record, task: Task, settings: Settings) -> dict[str, str]:
    """What made a picture, for its metadata."""
    drawn = "recorded parameters" if settings.record is not None else f"seed {settings.seed}, copy {task.copy}"
    return {
        "software": f"finesight {__version__}",
        "degradation": record.degradation,
        "settings": f"scale {record.scale}, {drawn}",
    }


def degraded(picture: media.Picture, record: Record) -> media.Picture:
    """A picture made worse; sides that are no multiple of the scale lose their last rows and columns first.

    Bicubic keeps the depth, and of 8-bit pictures makes exactly what MATLAB does. The others give 8-bit colour. Alpha
    is only made smaller.

    Raises:
        InputError: a side is smaller than the scale.
    """
    scale = record.scale
    height, width = (side // scale * scale for side in (picture.height, picture.width))
    if min(height, width) == 0:
        raise InputError(
            f"The picture is {picture.width} x {picture.height}; at --scale {scale} nothing is left of it."
        )
    notes: tuple[str, ...] = ()
    if (height, width) != (picture.height, picture.width):
        notes = (f"cropped to {width} x {height}, multiples of the scale",)
    pixels = torch.from_numpy(np.ascontiguousarray(picture.pixels[:height, :width]).copy()).permute(2, 0, 1)
    alpha = None
    if picture.alpha is not None:
        alpha = shrunk(torch.from_numpy(picture.alpha[:height, :width].copy())[None], scale)[0].numpy()
    if record.degradation == "bicubic":
        small = shrunk(pixels, scale)
    else:
        image = (pixels.float() / peak(pixels)).expand(3, -1, -1)[None]
        with torch.inference_mode():
            small = records.apply(image, record)[0].mul(255).round().clamp(0, 255).byte()
        if alpha is not None and alpha.dtype != np.uint8:
            alpha = np.round(alpha.astype(np.float64) * (255 / peak(pixels))).clip(0, 255).astype(np.uint8)
    array = np.ascontiguousarray(small.permute(1, 2, 0).numpy())
    return picture.replace(pixels=array, alpha=alpha).noted(*notes)


def peak(pixels: Tensor) -> float:
    """What stands for white."""
    return {torch.uint8: 255.0, torch.uint16: 65535.0}.get(pixels.dtype, 1.0)


def shrunk(pixels: Tensor, scale: int) -> Tensor:
    """Bicubic as MATLAB's, ``(C, H, W)`` of any depth, which it keeps."""
    if pixels.dtype == torch.uint8:
        return resize_8bit(pixels, scale=1 / scale)
    top = peak(pixels)
    small = resize(pixels.double(), scale=1 / scale).clamp(0, top)
    return small.float() if top == 1 else small.round().to(torch.int32).to(pixels.dtype)
