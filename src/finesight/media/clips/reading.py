"""Opening clips of every kind through one pair of functions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Literal

from finesight.errors import InputError, SettingError
from finesight.media.files import shown

from .inspecting import inspect_video
from .kinds import is_pattern
from .numbered import Gaps, find_pictures, inspect_pictures, picture_frames
from .types import ClipInfo, Frame
from .video_reading import video_frames

__all__ = ["ClipReader", "inspect_clip", "parse_rate", "read_clip"]


class ClipReader:
    """A clip that gives its frames in the order of their times; what `read_clip` returns.

    It may be iterated several times; each time begins anew. Leave it (``with``) to let go of the file at once.

    Attributes:
        info: what was known before reading.
        notes: what was met and passed over while reading, added to `info.notes`.
    """

    def __init__(
        self,
        info: ClipInfo,
        *,
        start: Fraction | None,
        end: Fraction | None,
        rate: Fraction | None,
        damaged: Literal["error", "skip"],
        gaps: Gaps,
    ) -> None:
        self.info = info
        self.notes: list[str] = list(info.notes)
        self.start, self.end = start, end
        self._rate, self._damaged, self._gaps = rate, damaged, gaps
        self._running: list[Iterator[Frame]] = []

    def __enter__(self) -> ClipReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Frame]:
        if self.info.kind == "video":
            frames = video_frames(
                self.info, start=self.start, end=self.end, rate=self._rate, damaged=self._damaged, notes=self.notes
            )
        else:
            frames = picture_frames(self.info, start=self.start, end=self.end, gaps=self._gaps, notes=self.notes)
        self._running.append(frames)
        return frames

    def close(self) -> None:
        """Let go of the file; frames already given stay valid."""
        for frames in self._running:
            close = getattr(frames, "close", None)
            if close is not None:
                close()
        self._running.clear()


def inspect_clip(
    path: str | os.PathLike[str], *, rate: Fraction | float | str | None = None, gaps: Gaps = "error"
) -> ClipInfo:
    """What a clip is, from its header and first frame: size, rate, colours, streams, chapters.

    Args:
        path: a video file, a folder of frames, or a pattern of numbered pictures (``shot_%04d.png``).
        rate: frames per second of pictures and of bare streams that hold no times; never assumed.
        gaps: "error" refuses numbered pictures of which some are missing; "keep" leaves their time to the one before.

    Raises:
        InputError: it cannot be read, holds no video or no frames, or pictures are missing.
        SettingError: a rate for a file that has its own times.
    """
    place = Path(path)
    said = None if rate is None else parse_rate(rate)
    if place.is_dir() or (is_pattern(place) and not place.exists()):
        return inspect_pictures(find_pictures(place), rate=said, gaps=gaps)
    info = inspect_video(place)
    if said is None:
        return info
    if info.rate is not None:
        raise SettingError(
            f"{shown(place)} has its own times ({float(info.rate):g} frames per second); --rate is for folders of "
            "frames and bare streams."
        )
    import dataclasses

    notes = tuple(note for note in info.notes if "bare stream" not in note)
    return dataclasses.replace(info, rate=said, time_base=1 / said, notes=notes)


def read_clip(
    path: str | os.PathLike[str],
    *,
    start: Fraction | float | None = None,
    end: Fraction | float | None = None,
    rate: Fraction | float | str | None = None,
    damaged: Literal["error", "skip"] = "error",
    gaps: Gaps = "error",
) -> ClipReader:
    """Open a clip; iterate over what is returned for its frames, upright and in RGB of full range.

    Args:
        path: as for `inspect_clip`.
        start: seconds after the clip's begin at which to start, None for its first frame.
        end: seconds after the clip's begin before which to stop.
        rate, gaps: as for `inspect_clip`. Frames of pictures without a rate count seconds: 0, 1, 2 ...
        damaged: "error" stops at the first fault of the file; "skip" leaves out what cannot be decoded and says so in
            the reader's `notes`.

    Raises:
        InputError: as `inspect_clip`; while iterating: damage, another size, or a file that is cut off, with its place.
        SettingError: an empty span, or a rate for a file that has its own times.

    >>> with read_clip("clip.mp4", start=2, end=4) as clip:  # doctest: +SKIP
    ...     for frame in clip:
    ...         print(frame.time, frame.pixels.shape)
    """
    low, high = _seconds(start, "start"), _seconds(end, "end")
    if high is not None and high <= (low or 0):
        raise SettingError(f"The end ({float(high):g} s) must lie after the start ({float(low or 0):g} s).")
    info = inspect_clip(path, rate=rate, gaps=gaps)
    if low is not None and info.duration is not None and low >= info.duration:
        raise SettingError(
            f"{shown(info.path)} lasts {float(info.duration):.3f} s; it has nothing at {float(low):g} s."
        )
    counted = info.rate if info.kind == "video" and rate is not None else None
    if info.kind == "video" and info.rate is None and any("bare stream" in note for note in info.notes):
        raise InputError(f"{shown(info.path)} has no times. Say its frames per second, for instance --rate 24.")
    return ClipReader(info, start=low, end=high, rate=counted, damaged=damaged, gaps=gaps)


def _seconds(value: Fraction | float | None, what: str) -> Fraction | None:
    if value is None:
        return None
    seconds = value if isinstance(value, Fraction) else Fraction(str(value))
    if seconds < 0:
        raise SettingError(f"The {what} must be 0 s or later, not {float(seconds):g} s.")
    return seconds


def parse_rate(value: Fraction | float | str) -> Fraction:
    """Frames per second as an exact number; the decimals of NTSC rates mean thousands over 1001.

    Raises:
        SettingError: no number, or none above 0 and up to 100,000.

    >>> parse_rate("29.97"), parse_rate(24), parse_rate("30000/1001"), parse_rate("12.5")
    (Fraction(30000, 1001), Fraction(24, 1), Fraction(30000, 1001), Fraction(25, 2))
    """
    try:
        rate = value if isinstance(value, Fraction) else Fraction(str(value))
    except (ValueError, ZeroDivisionError) as error:
        wanted = "say frames per second, for instance 24, 29.97 or 30000/1001"
        raise SettingError(f"{value!r} is no rate: {wanted}.") from error
    if not 0 < rate <= 100_000:
        raise SettingError(f"A rate of {float(rate):g} frames per second cannot be; it must be above 0.")
    ntsc = Fraction(round(rate * 1001 / 1000) * 1000, 1001)
    return (
        ntsc if rate.denominator > 1 and 1000 % rate.denominator == 0 and abs(rate - ntsc) < Fraction(6, 1000) else rate
    )
