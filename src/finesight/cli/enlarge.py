"""The work behind ``finesight upscale``: one picture file after the other, each reported by itself."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finesight import __version__, media
from finesight.cli.places import check_folder, make_folder
from finesight.errors import InputError, OutputError
from finesight.media.names import PIPE, Job
from finesight.progress import Cancel, Progress
from finesight.run import Report, Upscaler
from finesight.run.choose import LARGEST_SCALE

if TYPE_CHECKING:
    from finesight.cli.sizes import TargetSize
    from finesight.media.writing import Keep
    from finesight.zoo import Model

__all__ = [
    "Enlarged",
    "Order",
    "Settings",
    "by_strips",
    "enlarge",
    "enlarge_together",
    "fetch",
    "foresee",
    "open_order",
    "put",
]


@dataclass(frozen=True, slots=True)
class Order:
    """One picture to do, with what its header says: its size in pixels and its format."""

    job: Job
    width: int
    height: int
    format: str
    scale: float
    size: tuple[int, int]  # width and height of the result
    bytes: int  # of its pixels and those of its result
    picture: media.Picture | None = None  # of standard input and pipes, which can be read only once

    @property
    def pixels(self) -> int:
        """How much work it is: pixels of the result."""
        return self.size[0] * self.size[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What holds for all pictures of one command."""

    upscaler: Upscaler
    scale: float
    target: TargetSize | None = None
    quality: int | None = None
    metadata: Keep = "keep"
    overwrite: bool = False
    seam_check: bool = False
    reference: str | None = None
    landmarks: str | None = None

    def result_of(self, width: int, height: int) -> tuple[float, tuple[int, int]]:
        """The scale that networks must reach, and width and height of the result, for a picture of that size.

        Raises:
            InputError: the picture is as large as ``target`` already, or too small for it.
        """
        if self.target is None:
            return self.scale, (max(1, round(width * self.scale)), max(1, round(height * self.scale)))
        size = self.target.of(width, height)
        scale = max(size[0] / width, size[1] / height)
        if not 1 < scale <= LARGEST_SCALE:
            raise InputError(
                f"--target-size {self.target} is {scale:.3g} times the picture of {width}x{height}; expected more than "
                f"1 and at most {LARGEST_SCALE:g} times."
            )
        return scale, size

    def asked_of(self, order: Order) -> tuple[float | None, tuple[int, int] | None]:
        """``scale`` and ``size`` as an ``Upscaler`` takes them: one of the two."""
        return (self.scale, None) if self.target is None else (None, order.size)


def open_order(job: Job, settings: Settings) -> Order:
    """Look at a picture's header and at the place of its result, before any time is spent.

    Raises:
        InputError: it is not a picture, is damaged, claims to be impossibly large, or is of a size that the model does
            not take.
        OutputError: its result is too large for its format, or is there already.
    """
    if job.target != PIPE and not settings.overwrite and os.path.lexists(job.target):
        raise OutputError(f"{job.target} exists already. Add --overwrite or --skip-existing, or choose another -o.")
    if job.target != PIPE:
        check_folder(Path(job.target).parent)
    if job.item.source == PIPE or (os.path.exists(job.item.source) and not os.path.isfile(job.item.source)):
        picture = media.read(job.item.source)
        channels = picture.channels + (picture.alpha is not None)
        deep = channels * picture.depth // 8
        order = _order(job, picture.width, picture.height, picture.format, deep, settings, picture)
    else:
        info = media.inspect(job.item.source)
        channels = info.channels
        order = _order(job, info.width, info.height, info.format, channels * info.depth // 8, settings)
    settings.upscaler.check(order.width, order.height)
    media.check_size(job.format, *order.size, channels=channels)
    return order


def _order(
    job: Job,
    width: int,
    height: int,
    form: str,
    deep: int,
    settings: Settings,
    picture: media.Picture | None = None,
) -> Order:
    scale, size = settings.result_of(width, height)
    size_in_memory = (width * height + size[0] * size[1]) * deep
    return Order(job, width, height, form, scale, size, size_in_memory, picture)


@dataclass(frozen=True, slots=True)
class Enlarged:
    """A finished picture that is not written yet, the networks that made it, and how."""

    picture: media.Picture
    result: media.Picture
    models: Sequence[Model]
    report: Report


def fetch(order: Order, settings: Settings) -> media.Picture | None:
    """Read the picture; ``None`` where it will be enlarged by strips.

    Raises:
        InputError: it cannot be read.
    """
    if by_strips(order, settings):
        return None
    return order.picture if order.picture is not None else media.read(order.job.item.source)


def enlarge(
    order: Order, picture: media.Picture | None, settings: Settings, progress: Progress, cancel: Cancel
) -> Enlarged | dict[str, Any]:
    """Enlarge one picture; by strips it is written too, and what was done comes back as plain JSON values.

    Raises:
        Error: anything that went wrong with this picture; no file was written.
        CancelledError: asked to stop.
    """
    if picture is None:
        return enlarge_giant(order, settings, progress, cancel)
    models = settings.upscaler.models(order.scale, picture.format)
    scale, size = settings.asked_of(order)
    result, report = settings.upscaler(
        picture, scale, size=size, check_seams=settings.seam_check, progress=progress, cancel=cancel
    )
    cancel.check()
    return Enlarged(picture, result, models, report)


def enlarge_together(
    orders: Sequence[Order], pictures: Sequence[media.Picture], settings: Settings, progress: Progress, cancel: Cancel
) -> list[Enlarged]:
    """Enlarge small pictures of one size, in batches where they are of one kind.

    Raises:
        Error: anything that went wrong with one of them.
        CancelledError: asked to stop.
    """
    models = settings.upscaler.models(orders[0].scale, pictures[0].format)
    scale, size = settings.asked_of(orders[0])
    found = settings.upscaler.many(pictures, scale, size=size, progress=progress, cancel=cancel)
    return [
        Enlarged(picture, result, models, report) for picture, (result, report) in zip(pictures, found, strict=True)
    ]


def put(order: Order, made: Enlarged | dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Write one picture; what was done, as plain JSON values.

    Raises:
        OutputError: it cannot be written; there is no file.
    """
    if not isinstance(made, Enlarged):
        return made
    job = order.job
    if job.target != PIPE:
        make_folder(Path(job.target).parent)
    notes = media.write(
        job.target,
        made.result,
        format=job.format,
        quality=settings.quality,
        metadata=settings.metadata,
        provenance=provenance(made.models, made.report, settings.reference),
    )
    return {
        **_facts(order, made.models, made.result, made.report, notes),
        **_landmarks(made.picture, made.result, made.models, settings),
    }


def by_strips(order: Order, settings: Settings) -> bool:
    """Whether a picture is too large for memory and can be enlarged strip by strip."""
    from finesight.run.giant import too_large, why_not

    job, upscaler = order.job, settings.upscaler
    whole = order.picture is not None or settings.seam_check or settings.landmarks is not None or settings.target
    if whole or PIPE in (job.target, job.item.source):
        return False
    info = media.inspect(job.item.source)
    memory = upscaler.settings.memory
    limit = memory if isinstance(memory, int) else None
    if not too_large(info.width, info.height, settings.scale, info.depth, info.channels, limit):
        return False
    models = upscaler.models(settings.scale, order.format)
    return not why_not(job.item.source, models, settings.scale, upscaler.settings, job.format, settings.metadata)


def enlarge_giant(order: Order, settings: Settings, progress: Progress, cancel: Cancel) -> dict[str, Any]:
    """Enlarge and write by strips.

    Raises:
        Error, CancelledError: as `enlarge`; what was done is kept for the same command.
    """
    from finesight.run.giant import enlarge_file

    job, upscaler = order.job, settings.upscaler
    models = upscaler.models(settings.scale, order.format)
    make_folder(Path(job.target).parent)
    result, report, notes = enlarge_file(
        job.item.source,
        job.target,
        models[0],
        upscaler.settings,
        format=job.format,
        metadata=settings.metadata,
        provenance=lambda report: provenance(models, report, settings.reference),
        progress=progress,
        cancel=cancel,
    )
    return {**_facts(order, models, result, report, notes), "streamed": True}


def _facts(
    order: Order, models: Sequence[Model], result: media.Picture, report: Report, notes: Sequence[str]
) -> dict[str, Any]:
    """What was done, as plain JSON values."""
    job = order.job
    facts = report.as_dict()
    del facts["models"]
    return {
        "input": job.item.source,
        "output": job.target,
        "width": result.width,
        "height": result.height,
        "format": job.format,
        "model": names_of(models),
        "weights": hashes_of(models),
        **facts,
        "tile": [report.tile[1], report.tile[0]],
        "notes": list(dict.fromkeys((*result.notes, *report.notes, *notes))),
    }


def _landmarks(
    picture: media.Picture, result: media.Picture, models: Sequence[Model], settings: Settings
) -> dict[str, Any]:
    """The landmarks in pixels of the result, where they are asked for."""
    if settings.landmarks is None:
        return {}
    from finesight.run.faces import find_landmarks

    found = find_landmarks(picture, models[0], size=(result.width, result.height))
    return {"landmarks": [[round(float(x), 2), round(float(y), 2)] for x, y in found]}


def foresee(order: Order, settings: Settings) -> dict[str, Any]:
    """What one picture would take, from a short probe on it, as plain JSON values; nothing is written.

    Raises:
        Error: it cannot be read or done.
    """
    job = order.job
    if by_strips(order, settings):
        from finesight.run.foresee import estimate_file

        models = settings.upscaler.models(settings.scale, order.format)
        facts = estimate_file(job.item.source, models[0], settings.upscaler.settings).as_dict() | {"streamed": True}
    else:
        picture = order.picture if order.picture is not None else media.read(job.item.source)
        models = settings.upscaler.models(order.scale, picture.format)
        scale, size = settings.asked_of(order)
        facts = settings.upscaler.estimate(picture, scale, size=size).as_dict()
    del facts["models"]
    tile = facts.pop("tile")
    return {
        "input": job.item.source,
        "output": job.target,
        "format": job.format,
        "model": names_of(models),
        "weights": hashes_of(models),
        **facts,
        "tile": [tile[1], tile[0]],
    }


def names_of(models: Sequence[Model]) -> str:
    """Names of the networks in the order in which they were applied, joined by ``+``."""
    return "+".join(model.card.name for model in models)


def hashes_of(models: Sequence[Model]) -> str:
    """SHA-256 of their weights, joined in the same way."""
    return "+".join(model.card.weights_sha256 for model in models)


def provenance(models: Sequence[Model], report: Report, reference: str | None = None) -> Mapping[str, str]:
    """What made a picture, for its metadata."""
    return {
        "software": f"finesight {__version__}",
        "model": names_of(models),
        "weights": hashes_of(models),
        "settings": f"scale {report.scale:g}, tile {report.tile[1]}x{report.tile[0]}, overlap {report.overlap}, "
        f"{report.precision}, {report.engine} on {report.device}"
        + (", self-ensemble" if report.self_ensemble else "")
        + (f", reference {os.path.basename(reference)}" if reference else ""),
    }
