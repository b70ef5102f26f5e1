"""Networks over clips: ``ClipRunner`` for one clip of any length, frames in and frames out."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from finesight.errors import SettingError
from finesight.progress import Cancel, Progress, silent
from finesight.run.choose import DEFAULT_SCALE
from finesight.run.clips.cuts import CutDetector
from finesight.run.clips.ensemble import turned
from finesight.run.clips.frames import AnyFrame, check_pixels, pixels_of, with_pixels
from finesight.run.clips.models import check_enlarges, check_restores, loaded
from finesight.run.clips.parking import Parking
from finesight.run.clips.pictures import PictureWorker
from finesight.run.clips.pieces import ClipReport, ClipSettings, Piece
from finesight.run.clips.prepare import ReadyClip, bytes_for_pixel, make_ready
from finesight.run.clips.recurrent import RecurrentWorker
from finesight.run.clips.segments import Part, Worker, run_segments
from finesight.run.clips.space import PROBE_FRAMES, Space, plan_space
from finesight.run.clips.stream import Stream
from finesight.run.clips.windows import WindowWorker, border_of
from finesight.run.devices import find_device
from finesight.run.memory import available, parse_bytes, resident
from finesight.run.pixels import Pixels
from finesight.run.upscaler import Upscaler
from finesight.run.work import Networks, Settings, Work
from finesight.zoo.model import Model

__all__ = ["ClipRunner", "enlarge_frames", "restore_frames"]

_LARGEST_JOIN = 0.5
_SHARE = 0.5  # of the memory that is free: for features that wait; the rest is for computing


class ClipRunner:
    """One network over one clip, as many frames as there are.

    Args:
        model: what computes; ``None`` takes shipped networks for pictures, by scale.
        scale: output over input size; default: the network's own, 4 without a model, 1 with ``restore``.
        restore: the result has the size of the clip.
        settings: what holds for the whole clip.

    Raises:
        ModelError: the network is for something else.
        SettingError: a setting that cannot work.
    """

    def __init__(
        self,
        model: Model | None = None,
        *,
        scale: float | None = None,
        restore: bool = False,
        settings: ClipSettings | None = None,
    ) -> None:
        self.settings = settings or ClipSettings()
        self.model = model
        self.restore = restore
        self.devices = [find_device(name) for name in self.settings.devices]
        if self.settings.memory is not None:
            parse_bytes(self.settings.memory)
        if self.settings.segment < 1 or self.settings.overlap < 0:
            raise SettingError("Segments need at least 1 frame and an overlap of at least 0 frames.")
        if restore:
            check_restores(model)
        elif model is not None:
            check_enlarges(model)
        own = 1 if restore else DEFAULT_SCALE if model is None else float(model.traits.scale or DEFAULT_SCALE)
        self.scale = own if scale is None else scale
        if model is not None and model.traits.kind in ("window", "recurrent") and self.scale != own:
            raise SettingError(f"{model.card.name} enlarges clips by {own:g} only, not by {self.scale:g}.")
        self.report = ClipReport(weights="" if model is None else model.card.weights_sha256)
        self.workers: list[Worker] = []
        self._held: dict[int, int] = {}

    def parts(
        self, frames: Iterable[AnyFrame], resume: dict[str, Any] | None = None, cancel: Cancel | None = None
    ) -> Iterator[tuple[Part, Stream]]:
        """Finished parts of the clip, in order; each must be taken whole before the next.

        Args:
            frames: all of them; or from number ``resume["read"]`` on.
            resume: what the last piece of an earlier run said.
        """
        source = iter(frames)
        head = list(itertools.islice(source, PROBE_FRAMES))
        if not head:
            return
        if not self.workers:
            self.prepare([pixels_of(frame) for frame in head])
        for worker in self.workers:
            worker.reset()
        given = resume or {}
        self._held.clear()
        start = int(given.get("start", 0))
        self._held.update({int(shot): passes for shot, passes in given.get("passes", {}).items()})
        cut = self.settings.cut
        stream = Stream(
            itertools.chain(head, source),
            cuts=None if cut is None else CutDetector(cut),
            first=int(given.get("read", 0)),
            shot=given.get("shot"),
            settled=start,
        )
        shots = set()
        emitted = given.get("emitted")
        for part in run_segments(stream, self.workers, self._length(), start=start, emitted=emitted, cancel=cancel):
            yield part, stream
            shots.add(part.segment.shot)
            self.report.frames += part.stop - part.first
            self.report.segments += 1
            self.report.shots = len(shots)
            if part.join is not None and part.join.difference is not None:
                self.report.joins.append(part.join.difference)
        self._note_joins()

    def pieces(
        self, frames: Iterable[AnyFrame], resume: dict[str, Any] | None = None, cancel: Cancel | None = None
    ) -> Iterator[Piece]:
        """The same as finished frames in pieces that can be committed one by one."""
        for part, stream in self.parts(frames, resume, cancel):
            finished = (
                with_pixels(stream.frame(index), picture)
                for index, picture in enumerate(part.pictures, start=part.first)
            )
            yield Piece(finished, partial(self._resume, part))

    def _resume(self, part: Part) -> dict[str, Any] | None:
        """How to go on behind a part."""
        segment = part.following
        if segment is None:
            return None
        read = max(0, self.workers[0].begins(segment) - 2)  # the detector of cuts compares three frames
        held = {str(shot): passes for shot, passes in self._held.items() if shot == segment.shot}
        return {"start": segment.start, "shot": segment.shot, "emitted": part.stop, "read": read, "passes": held}

    def _length(self) -> int:
        recurrent = self.model is not None and self.model.traits.kind == "recurrent"
        return 2**40 if recurrent and self.settings.exact else self.settings.segment

    def prepare(self, frames: Sequence[Pixels]) -> None:
        """Make the networks ready for a clip that begins with ``frames`` (the first five of it, or all)."""
        for index, pixels in enumerate(frames):
            check_pixels(pixels, index, frames[0])
        if self.model is None or self.model.traits.kind in ("image", "query"):
            self.workers = [self._for_pictures(device, frames[0]) for device in self.devices]
            return
        self.workers = [self._for_clips(self.model, device, frames) for device in self.devices]

    def _for_pictures(self, device: torch.device, pixels: Pixels) -> PictureWorker:
        given = self.settings
        chooser = Upscaler(self.model, memory=given.memory, device=str(device))
        models = [self.model] if self.restore and self.model is not None else chooser.models(self.scale)
        networks = Networks(
            Settings(
                device=device,
                memory=None if given.memory is None else parse_bytes(given.memory),
                precision=given.precision,
                engine=given.engine,
                tile=given.tile,
                self_ensemble=given.self_ensemble,
            )
        )
        height, width = pixels.shape[:2]
        size = (max(1, round(height * self.scale)), max(1, round(width * self.scale)))
        area = height * width
        # A clip is long enough for measuring what is fastest; doing so now keeps it the same for every frame.
        ready = networks.ready(models[0], pixels, area * max(1, 600_000 // area + 1))
        computes = ready.computer.prepared
        self.report.models = tuple(model.card.name for model in models)
        self.report.weights = "+".join(model.card.weights_sha256 for model in models)
        self.report.device, self.report.precision = str(device), computes.precision
        self.report.engine, self.report.why = computes.engine, ready.why
        self.report.tile = (height, width)
        direct = len(models) == 1 and size == tuple(
            length * (models[0].traits.scale or 0) for length in (height, width)
        )
        lock = threading.Lock()

        def whole(pixels: Pixels) -> Pixels:
            with lock:
                return Work(networks, models, size).plane(pixels)

        image = models[0].traits.kind == "image" and models[0].traits.minimum <= min(height, width)
        return PictureWorker(whole, models[0] if direct and image else None, networks)

    def _for_clips(self, model: Model, device: torch.device, frames: Sequence[Pixels]) -> Worker:
        traits = model.traits
        sample = frames[: traits.frames] if traits.kind == "window" else frames
        while len(sample) < traits.frames:  # a clip shorter than a window
            sample = [*sample, *sample][: traits.frames]
        ready = make_ready(model, device, sample, self.settings.precision)
        if self.settings.self_ensemble:
            ready = replace(ready, network=turned(ready.network))
        space, free = self._space(ready, model, sample)
        self.report.models = (model.card.name,)
        self.report.describe(ready, space, ", ".join(map(str, self.devices)))
        if self.settings.engine not in ("auto", "torch"):
            self.report.note(f"{model.card.name} computes with torch, not with {self.settings.engine}")
        if traits.kind == "window":
            return WindowWorker(ready, traits.frames, space, border_of(model.network))
        limit = None if device.type == "mps" else int(_SHARE * free)
        worker = RecurrentWorker(ready, space, self.settings.overlap, Parking(limit))
        worker.passes = self._held  # one decision for all devices
        return worker

    def _space(self, ready: ReadyClip, model: Model, frames: Sequence[Pixels]) -> tuple[Space, int]:
        """Tiles within memory, and the bytes that are free."""
        device = ready.device
        on_host = device.type == "cpu"
        used = resident() if on_host else 0
        limit = self.settings.memory
        free = int(0.75 * available(device)) if limit is None else parse_bytes(limit) - used
        count = model.traits.frames if model.traits.kind == "window" else 2
        per_pixel = bytes_for_pixel(ready, count)
        most = max(32 * 32, int((1 - _SHARE) * max(free, 0) / per_pixel))
        with torch.inference_mode():
            return plan_space(ready, model.traits, frames, most, tile=self.settings.tile), max(free, 0)

    def _note_joins(self) -> None:
        worst = max(self.report.joins, default=0.0)
        if worst > _LARGEST_JOIN:
            self.report.note(
                f"segments of {self.settings.segment} frames differ by up to {worst:.2f} grey levels where they are "
                f"joined; a larger overlap than {self.settings.overlap} frames, or exact, brings them together"
            )


def _run(frames: Iterable[AnyFrame], runner: ClipRunner, progress: Progress, cancel: Cancel | None) -> Iterator[Any]:
    done = 0
    total = len(frames) if isinstance(frames, Sequence) else 0
    for piece in runner.pieces(frames, cancel=cancel):
        for frame in piece.frames:
            yield frame
            done += 1
            progress(done, total, "frames")
            if cancel is not None:
                cancel.check()


def enlarge_frames(
    frames: Iterable[AnyFrame],
    model: Model | str | os.PathLike[str] | None = None,
    *,
    scale: float | None = None,
    settings: ClipSettings | None = None,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> Iterator[Any]:
    """Enlarge a clip, frame by frame, as they are asked for.

    Args:
        frames: arrays ``(H, W, 3)`` of uint8, uint16 or floats in [0, 1], or ``media.clips.Frame``; read once.
        model: a name of the zoo, a file or a ``Model``: for clips (window or recurrent) or for pictures. Default:
            shipped networks for pictures.
        scale: default: the network's own, 4 without a model.
        settings: devices, memory, precision, segments ...
        progress: counts frames (of 0 where the number is not known).

    Returns:
        An iterator of the same kind of frames; times stay as they are.

    >>> import numpy as np
    >>> clip = [np.zeros((6, 8, 3), np.uint8)] * 3
    >>> [frame.shape for frame in enlarge_frames(clip, scale=2)]  # doctest: +SKIP
    [(12, 16, 3), (12, 16, 3), (12, 16, 3)]

    Raises:
        InputError: frames of changing size, or no colour pictures.
        ModelError, SettingError, MemoryLimitError, CancelledError
    """
    runner = ClipRunner(loaded(model), scale=scale, settings=settings)
    return _run(frames, runner, progress, cancel)


def restore_frames(
    frames: Iterable[AnyFrame],
    model: Model | str | os.PathLike[str],
    *,
    settings: ClipSettings | None = None,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> Iterator[Any]:
    """Restore a clip at its own size with a network of scale 1; otherwise as ``enlarge_frames``."""
    runner = ClipRunner(loaded(model), restore=True, settings=settings)
    return _run(frames, runner, progress, cancel)
