"""What a clip is made of: frames with times, and what its header says."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

__all__ = ["PROVENANCE", "Chapter", "ClipInfo", "ClipKind", "Frame", "Pixels", "StreamInfo"]

Pixels = NDArray[Any]
ClipKind = Literal["video", "folder", "sequence"]
PROVENANCE = "finesight"
"""The key in a container's metadata under which provenance stands, as JSON."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame as it is shown: upright, RGB of full range.

    Attributes:
        pixels: (height, width, 3), uint8 in 0..255 or uint16 in 0..65535, in the clip's own primaries and transfer.
        time: when it appears, in seconds on the clip's own time line, exact.
        duration: for how long, in seconds; None where nothing says so.
        alpha: (height, width) of the same dtype, 0 = transparent, or None.
    """

    pixels: Pixels
    time: Fraction
    duration: Fraction | None = None
    alpha: Pixels | None = None


@dataclass(frozen=True)
class StreamInfo:
    """One stream of a file.

    Attributes:
        index: its number in the file.
        kind: "video", "audio", "subtitle", "attachment" or "data".
        codec: FFmpeg's name of its codec, "unknown" where there is none.
        language: as the file says, or None.
        title: as the file says, or None.
        duration: in seconds, or None.
        main: whether this is the video stream that is read; all others are copied.
        known: whether its codec is known, so that packets can be copied.
        cover: whether it is a picture that stands for the file.
    """

    index: int
    kind: str
    codec: str
    language: str | None = None
    title: str | None = None
    duration: Fraction | None = None
    main: bool = False
    known: bool = True
    cover: bool = False

    def __str__(self) -> str:
        language = f", {self.language}" if self.language else ""
        title = f", {self.title!r}" if self.title else ""
        return f"stream {self.index} ({self.codec} {'cover' if self.cover else self.kind}{language}{title})"


@dataclass(frozen=True)
class Chapter:
    """One chapter: its times in seconds and its metadata (``title``)."""

    start: Fraction
    end: Fraction
    metadata: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ClipInfo:
    """What is known of a clip before its frames are read.

    Attributes:
        path: the file, the folder, or the pattern of a sequence.
        kind: "video", "folder" (of frames) or "sequence" (a pattern such as ``shot_%04d.png``).
        width: of a frame as it is shown, upright.
        height: likewise.
        frames: how many, where the header says so; a hint, files lie.
        duration: of the pictures in seconds, or None.
        rate: mean frames per second, or None where nothing says so (folders without a rate).
        variable: whether the times of its first 240 frames are uneven.
        depth: bits of a channel in the file: 8, 10, 12 ... `Frame.pixels` are uint8 for 8, uint16 for more.
        matrix: how RGB was mixed to luma: "bt709", "bt601", "bt2020nc", "smpte240m", "fcc" or "rgb".
        range: "limited" (16..235) or "full".
        primaries: FFmpeg's name, or "unknown".
        transfer: FFmpeg's name, or "unknown".
        assumed: whether `matrix` was chosen by the number of lines because the file does not say.
        interlaced: whether its first frame is.
        hdr: whether its transfer is PQ or HLG.
        alpha: whether frames carry alpha.
        rotation: degrees by which frames are turned clockwise to stand upright: 0, 90, 180 or 270; it is done already.
        mirrored: whether they are mirrored as well.
        sample_aspect: width of a pixel divided by its height, after turning.
        pixel_format: FFmpeg's name, "" for pictures.
        time_base: the unit in which the file counts time.
        begin: time of the first frame in seconds; `start` and `end` of the reader count from here.
        container: FFmpeg's name of the format, "" for pictures.
        streams: all of them; empty for pictures.
        chapters: all of them.
        metadata: of the container.
        notes: what had to be assumed or cannot be honoured, each one plain sentence.
    """

    path: Path
    kind: ClipKind
    width: int
    height: int
    frames: int | None
    duration: Fraction | None
    rate: Fraction | None
    variable: bool = False
    depth: int = 8
    matrix: str = "bt709"
    range: str = "limited"
    primaries: str = "unknown"
    transfer: str = "unknown"
    assumed: bool = False
    interlaced: bool = False
    hdr: bool = False
    alpha: bool = False
    rotation: int = 0
    mirrored: bool = False
    sample_aspect: Fraction = Fraction(1)
    pixel_format: str = ""
    time_base: Fraction | None = None
    begin: Fraction = Fraction(0)
    container: str = ""
    streams: tuple[StreamInfo, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def expected_frames(self) -> int | None:
        """The header's number of frames, or what duration and rate make of it, for progress; None without them."""
        if self.frames:
            return self.frames
        if self.duration and self.rate:
            return max(1, round(self.duration * self.rate))
        return None

    @property
    def provenance(self) -> dict[str, str]:
        """What finesight wrote about how the clip was made; empty where it did not."""
        for key, value in self.metadata:
            if key.lower() == PROVENANCE or value.startswith(f'{{"{PROVENANCE}":'):
                try:
                    found = json.loads(value)
                except ValueError:
                    continue
                found = found.get(PROVENANCE, found) if isinstance(found, dict) else {}
                return {str(name): str(text) for name, text in found.items()}
        return {}

    @property
    def copied_streams(self) -> tuple[StreamInfo, ...]:
        """All but the video stream that is read."""
        return tuple(stream for stream in self.streams if not stream.main)
