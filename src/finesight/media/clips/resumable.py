"""Finished parts of a clip on disk, encoded already, that are joined packet by packet when all are there.

A part is one file ``NUMBER.part``: packets as the encoder gave them, a line of JSON with the times of its frames, and
the length of that line. Every part begins with a frame of its own, so that decoding the joined clip gives what
decoding the parts gives.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from finesight.errors import OutputError
from finesight.media.atomic import atomically, explain
from finesight.media.reading import read

from .encodings import Encoding
from .overlap import Consumer
from .picture_writing import picture_folder
from .types import Frame
from .video_writing import VideoFile
from .writing import ClipWriter

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["PartWriter", "Parts"]

_PACKET = struct.Struct("<qqqBI")  # pts, dts, duration, whether it is a key frame, bytes
_LENGTH = struct.Struct("<Q")


class _PartFile(VideoFile):
    """Encodes like the file that is to be, and keeps the packets; its own container stays empty."""

    kept: BinaryIO

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            self._mend(packet)
            base = Fraction(packet.time_base) / self.base
            pts = round(packet.pts * base)
            dts = pts if packet.dts is None else round(packet.dts * base)
            data = bytes(packet)
            lasts = self._durations.get(pts, 0)
            self.kept.write(_PACKET.pack(pts, dts, lasts, bool(packet.is_keyframe), len(data)) + data)

    def finish(self) -> None:
        """Write what is delayed, and the times."""
        import av

        try:
            self._mux(self._stream.encode(None))
        except (av.error.FFmpegError, ValueError) as error:
            raise self._failed(error) from error
        line = json.dumps(
            {"times": self.plan.times, "durations": [self._durations.get(time, 0) for time in self.plan.times]}
        ).encode()
        self.kept.write(line + _LENGTH.pack(len(line)))


class _JoinedFile(VideoFile):
    """Takes packets that were encoded before, by an encoder of the same settings."""

    _dts = -(2**62)

    def append(self, part: Path) -> None:
        """Write the packets of one part."""
        import av

        shift = self._copier.shift if self._copier is not None else Fraction(0)
        footer = _footer(part)
        self.plan.times += footer["times"]
        if footer["times"]:
            self.plan.end = (footer["times"][-1] + footer["durations"][-1]) * self.base
        for pts, dts, lasts, key, data in _packets(part):
            packet: Any = av.Packet(data)
            # The decoder's order goes on over the border of two parts, whatever delay each of them began with.
            self._dts = max(dts, self._dts + 1)
            packet.pts, packet.dts, packet.time_base, packet.stream = pts, self._dts, self.base, self._stream
            packet.is_keyframe = key
            if lasts:
                packet.duration = lasts
            try:
                self._output.mux_one(packet)
                if self._copier is not None:
                    self._copier.pump(self._output, self._dts * self.base + shift)
            except (av.error.FFmpegError, OSError, ValueError) as error:
                raise self._failed(error) from error


def _footer(part: Path) -> Any:
    with part.open("rb") as file:
        file.seek(-_LENGTH.size, os.SEEK_END)
        (length,) = _LENGTH.unpack(file.read())
        file.seek(-_LENGTH.size - length, os.SEEK_END)
        return json.loads(file.read(length))


def _packets(part: Path) -> Iterator[tuple[int, int, int, bool, bytes]]:
    with part.open("rb") as file:
        file.seek(-_LENGTH.size, os.SEEK_END)
        end = file.tell() - _LENGTH.unpack(file.read())[0]
        file.seek(0)
        while file.tell() < end:
            pts, dts, lasts, key, size = _PACKET.unpack(file.read(_PACKET.size))
            yield pts, dts, lasts, bool(key), file.read(size)


class Parts:
    """The parts of one clip in a folder.

    Args:
        writer: of the clip, not entered; says where to and how.
        folder: of the parts, which exists.
    """

    def __init__(self, writer: ClipWriter, folder: Path) -> None:
        writer.refuse_own_source()
        self.writer, self.folder = writer, folder
        self.notes: list[str] = list(writer.notes)

    def part(self, number: int) -> PartWriter:
        """A context manager that writes part ``number``: on the disk after a clean exit, otherwise not there."""
        return PartWriter(self, number)

    def file(self, number: int) -> Path:
        """Where that part lies."""
        return self.folder / f"{number:06d}.part"

    def encoding(self) -> Encoding:
        """How parts are encoded: as the clip is; as PNG where it becomes pictures."""
        if self.writer.encoding is not None:
            return self.writer.encoding
        letters = "rgba" if self.writer.alpha else "rgb"
        deep = (self.writer.depth or (self.writer.like.depth if self.writer.like is not None else 8)) > 8
        pixel_format = (
            {"rgb": "rgb48be", "rgba": "rgba64be"}[letters] if deep else {"rgb": "rgb24", "rgba": "rgba"}[letters]
        )
        return Encoding("mov", "png", pixel_format)

    def join(self, count: int) -> None:
        """Make the clip of parts 0 to ``count`` - 1, whole and checked, or nothing.

        Raises:
            OutputError: as `ClipWriter`.
        """
        if self.writer.encoding is None:
            self._as_pictures(count)
            return
        with atomically(self.writer.path) as temporary:
            joined = _JoinedFile(temporary, self.writer.path, self.writer.encoding, **self._given(copy=True))
            try:
                for number in range(count):
                    joined.append(self.file(number))
                joined.finish()
            finally:
                joined.abandon()
            self.notes = list(dict.fromkeys([*self.notes, *joined.notes]))

    def _as_pictures(self, count: int) -> None:
        with picture_folder(self.writer.path, provenance=self.writer.provenance, metadata=self.writer.metadata) as sink:
            for number in range(count):
                part = self.file(number)
                footer = _footer(part)
                lasting = dict(zip(footer["times"], footer["durations"], strict=True))
                base = self._base()
                for pts, _, _, _, data in _packets(part):
                    picture = read(io.BytesIO(data))
                    duration = lasting[pts] * base if lasting[pts] else None
                    sink.write(Frame(picture.pixels, pts * base, duration, picture.alpha))

    def _base(self) -> Fraction:
        from .video_writing import time_base_for

        return time_base_for(self.writer.like, self.writer.rate, self.encoding().codec)

    def _given(self, *, copy: bool) -> dict[str, Any]:
        writer = self.writer
        return {
            "like": writer.like,
            "width": writer.size[0],
            "height": writer.size[1],
            "rate": writer.rate,
            "copying": writer.copying if copy else "none",
            "provenance": writer.provenance if copy else None,
            "metadata": writer.metadata,
            "start": writer.start,
            "end": writer.end,
        }


class PartWriter:
    """Encodes the frames of one part in a thread of its own."""

    def __init__(self, parts: Parts, number: int) -> None:
        self._parts, self._target = parts, parts.file(number)
        self._temporary = self._target.with_suffix(".new")
        self._empty = self._target.with_suffix(".container")
        self.frames = 0

    def __enter__(self) -> PartWriter:
        parts = self._parts
        encoding = parts.encoding()
        try:
            self._kept = self._temporary.open("wb")
        except OSError as error:
            raise OutputError(explain(error, parts.writer.path)) from error
        try:
            own = dataclasses.replace(encoding, notes=())
            self._file = _PartFile(self._empty, parts.writer.path, own, **parts._given(copy=False))
        except BaseException:
            self._clean()
            raise
        self._file.kept = self._kept
        self._consumer: Consumer[Frame] = Consumer(self._file.write, parts.writer.ahead)
        return self

    def write(self, frame: Frame) -> None:
        """Hand over the next frame; its arrays must not be changed afterwards.

        Raises:
            OutputError: this or an earlier frame could not be written.
        """
        self._consumer.put(frame)
        self.frames += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is not None:
                self._consumer.stop()
                return
            self._consumer.finish()
            self._file.finish()
            self._kept.flush()
            os.fsync(self._kept.fileno())
            self._kept.close()
            os.replace(self._temporary, self._target)
        except OSError as failure:
            if isinstance(failure, OutputError):
                raise
            raise OutputError(explain(failure, self._parts.writer.path)) from failure
        finally:
            self._file.abandon()
            self._clean()

    def _clean(self) -> None:
        self._kept.close()
        for stray in (self._temporary, self._empty):
            stray.unlink(missing_ok=True)
