"""More frames a second: ``Interpolator`` for one clip of any length, frames in and frames out."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import partial
from typing import Any

import torch

from finesight.errors import SettingError
from finesight.progress import Cancel, Progress, silent
from finesight.run.clips.between import Between, Moment, by_factor, by_rate, frames_at, time_of
from finesight.run.clips.cuts import CutDetector
from finesight.run.clips.frames import AnyFrame, check_pixels, pixels_of
from finesight.run.clips.models import check_interpolates, loaded, shipped
from finesight.run.clips.pieces import ClipReport, ClipSettings, Piece
from finesight.run.clips.prepare import bytes_for_pixel, make_ready
from finesight.run.clips.space import plan_space
from finesight.run.clips.stream import Stream
from finesight.run.devices import find_device
from finesight.run.memory import available, parse_bytes, resident
from finesight.zoo.model import Model

__all__ = ["Interpolator", "interpolate_frames"]


class Interpolator:
    """One network that makes frames between frames, over one clip.

    Args:
        model: what computes (CAIN, FLAVR, TOFlow ...).
        factor: 2, 4 or 8 times as many frames; or
        rate: frames a second, by time stamp.
        settings: what holds for the whole clip; one device computes.

    Raises:
        ModelError: the network is for something else.
        SettingError: neither or both of factor and rate.
    """

    def __init__(
        self,
        model: Model | None,
        *,
        factor: int | None = None,
        rate: Fraction | None = None,
        settings: ClipSettings | None = None,
    ) -> None:
        self.model = check_interpolates(model)
        if (factor is None) == (rate is None):
            raise SettingError("give either a factor (2, 4 or 8) or a rate (--fps), one of them.")
        if factor is not None and factor not in (2, 4, 8):
            raise SettingError(f"factor: expected 2, 4 or 8, got {factor}. Other rates are reached by time: --fps.")
        if rate is not None and not 0 < rate <= 1000:
            raise SettingError(f"fps: expected a rate above 0 and at most 1000, got {float(rate):g}.")
        self.factor, self.rate = factor, rate
        self.settings = settings or ClipSettings()
        self.device = find_device(self.settings.devices[0])
        self.report = ClipReport(models=(self.model.card.name,), weights=self.model.card.weights_sha256)
        self.between: Between | None = None

    def prepare(self, frames: list[Any]) -> None:
        """Make the network ready for a clip that begins with these pixels."""
        for index, pixels in enumerate(frames):
            check_pixels(pixels, index, frames[0])
        count, given = self.model.traits.frames, self.settings
        sample = list(itertools.islice(itertools.cycle(frames), count))
        ready = make_ready(self.model, self.device, sample, given.precision)
        used = resident() if self.device.type == "cpu" else 0
        free = 0.75 * available(self.device) if given.memory is None else parse_bytes(given.memory) - used
        most = max(32 * 32, int(0.5 * max(free, 0) / bytes_for_pixel(ready, count)))
        with torch.inference_mode():
            space = plan_space(ready, self.model.traits, sample, most, tile=given.tile)
        self.between = Between(ready, count, space)
        self.report.describe(ready, space, str(self.device))

    def pieces(
        self, frames: Iterable[AnyFrame], resume: dict[str, Any] | None = None, cancel: Cancel | None = None
    ) -> Iterator[Piece]:
        """The finished clip in pieces that can be committed one by one; each must be taken whole before the next.

        Args:
            frames: all of them; or from number ``resume["read"]`` on.
            resume: what an earlier run's last piece said.
        """
        source = iter(frames)
        head = list(itertools.islice(source, self.model.traits.frames))
        if not head:
            return
        if self.between is None:
            self.prepare([pixels_of(frame) for frame in head])
        assert self.between is not None
        self.between.reset()
        cut, given = self.settings.cut, resume or {}
        start = int(given.get("start", 0))
        stream = Stream(
            itertools.chain(head, source),
            cuts=None if cut is None else CutDetector(cut),
            first=int(given.get("read", 0)),
            shot=given.get("shot"),
            settled=start,
        )
        origin = Fraction(given["origin"]) if "origin" in given else None
        length = self.settings.segment
        for index, moments in itertools.groupby(self._moments(stream, start, origin), lambda m: m.index // length):
            if cancel is not None:
                cancel.check()
            if origin is None:
                origin = time_of(stream.frame(start), start)
            yield Piece(self._frames(stream, moments), partial(self._resume, stream, (index + 1) * length, origin))
        self.report.shots = self.between.cuts + 1

    def _moments(self, stream: Stream, start: int, origin: Fraction | None) -> Iterator[Moment]:
        if self.factor is not None:
            return by_factor(stream, self.factor, start)
        assert self.rate is not None
        # What lies just before a frame may be that frame: the gap before it is looked at again.
        begin = max(stream.first, start - 1)
        return (moment for moment in by_rate(stream, self.rate, begin, origin=origin) if moment.index >= start)

    def _frames(self, stream: Stream, moments: Iterable[Moment]) -> Iterator[AnyFrame]:
        assert self.between is not None
        for moment in moments:
            yield from frames_at(stream, self.between, [moment])
            self.report.frames += 1
            stream.release(moment.index - self.between.reach - 3)
        self.report.segments += 1
        self.report.made, self.report.repeats = self.between.made, self.between.repeats

    def _resume(self, stream: Stream, start: int, origin: Fraction | None) -> dict[str, Any] | None:
        """How to go on at the frame ``start``; ``None`` at the end of the clip."""
        if not stream.has(start):
            return None
        assert self.between is not None
        read = max(0, stream.shot_of(start), start - self.between.reach) - 2
        return {"start": start, "shot": stream.shot_of(start), "read": max(0, read), "origin": str(origin)}


def interpolate_frames(
    frames: Iterable[AnyFrame],
    model: Model | str | os.PathLike[str] | None = None,
    *,
    factor: int | None = None,
    rate: Fraction | float | None = None,
    settings: ClipSettings | None = None,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> Iterator[Any]:
    """More frames, between those that are there, as they are asked for.

    Args:
        frames: arrays ``(H, W, 3)``, which count as one a second, or ``media.clips.Frame`` with times; read once.
        model: a name of the zoo, a file or a ``Model``; default: what ships for interpolation.
        factor: 2, 4 or 8: ``factor * (N - 1) + 1`` frames of ``N``.
        rate: frames a second instead, by time stamp; what lies nearest to an eighth of a gap is given.
        settings: device, memory, precision, threshold of cuts.
        progress: counts frames that were given (of 0: how many there will be is not known).

    Returns:
        An iterator of the same kind of frames, with their times. The frame before a cut, or before a repetition of
        itself, is repeated instead of being mixed with the next.

    >>> import numpy as np
    >>> clip = [np.zeros((8, 8, 3), np.uint8)] * 3
    >>> len(list(interpolate_frames(clip, "flavr", factor=2)))  # doctest: +SKIP
    5

    Raises:
        InputError: frames of changing size, or times that do not rise.
        ModelError, SettingError, CancelledError
    """
    exact = rate if rate is None or isinstance(rate, Fraction) else Fraction(rate).limit_denominator(100_000)
    found = loaded(shipped("interpolation") if model is None else model)
    interpolator = Interpolator(found, factor=factor, rate=exact, settings=settings)
    done = 0
    for piece in interpolator.pieces(frames, cancel=cancel):
        for frame in piece.frames:
            yield frame
            done += 1
            progress(done, 0, "frames")
