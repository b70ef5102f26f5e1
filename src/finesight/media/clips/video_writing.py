"""A video file that is being written: frames encoded, other streams copied in step, all checked at the end."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finesight.errors import OutputError
from finesight.media.atomic import explain
from finesight.media.files import shown
from finesight.media.writing import Keep

from .checking import Plan, check_written
from .colour import Colour, default_matrix, number_of
from .copying import Copier, Copying, attached, copied_metadata, fitting_streams
from .encodings import Encoding
from .opening import address, reason
from .planes import from_rgb, is_rgb
from .types import PROVENANCE, ClipInfo, Frame, StreamInfo

if TYPE_CHECKING:
    from av.container import OutputContainer

__all__ = ["VideoFile", "colour_for", "time_base_for"]

_NEVER = 100_000  # seconds by which no decoding time can be early
_FINE = 90_000
_LARGEST = 2**31 - 1
_MPEG4_LARGEST = 65_535
_MUSIC = {"title", "artist", "album_artist", "composer", "album", "date", "comment", "genre", "copyright", "grouping",
          "lyrics", "description", "synopsis", "show", "episode_id", "network", "keywords"}  # fmt: skip
"""Metadata that MP4 holds in the form of music players."""

_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}


def colour_for(like: ClipInfo | None, pixel_format: str, height: int, codec: str) -> Colour:
    """The tags of a written clip: those of its source, sRGB's primaries and transfer where that was pictures."""
    import av

    video = like is not None and like.kind == "video"
    primaries, transfer = (like.primaries, like.transfer) if video and like else ("bt709", "iec61966-2-1")
    if is_rgb(av.VideoFormat(pixel_format)):
        return Colour("rgb", "full", primaries, transfer)
    kept = video and like is not None and like.matrix != "rgb"
    matrix = like.matrix if kept and like else default_matrix(height)
    full = (kept and like is not None and like.range == "full") or pixel_format.startswith("yuvj")
    if codec == "mjpeg":  # some codecs say less than all, and decoders believe them
        matrix, full = "bt601", True
    elif codec == "dnxhd":
        matrix, full = "bt709", False
    elif codec == "prores_ks":
        full = False
    elif codec == "libvpx-vp9" and matrix == "fcc":
        matrix = "bt601"  # which differs by a hundredth
    return Colour(matrix, "full" if full else "limited", primaries, transfer)


def time_base_for(like: ClipInfo | None, rate: Fraction | None, codec: str) -> Fraction:
    """A unit in which all frames' times are whole: that of the source, of the rate, and their halves and quarters."""
    wanted = 1
    if like is not None and like.time_base is not None:
        wanted = like.time_base.denominator
    if rate is not None:
        wanted = math.lcm(wanted, rate.numerator)
    if codec == "mpeg2video" and rate is not None:
        return 1 / rate  # it knows nothing else
    largest = _MPEG4_LARGEST if codec in ("mpeg4", "mpeg2video") else _LARGEST
    if wanted > largest:
        wanted = rate.numerator if rate is not None and rate.numerator <= largest else min(_FINE, largest)
    while wanted < _FINE and wanted * 2 <= largest:
        wanted *= 2
    return Fraction(1, wanted)


@contextlib.contextmanager
def _quiet_encoder() -> Iterator[None]:
    """SVT-AV1 prints its settings on stderr unless this variable says "errors only" when it starts."""
    before = os.environ.get("SVT_LOG")
    os.environ["SVT_LOG"] = before or "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["SVT_LOG"]


class VideoFile:
    """Writes one video file under a temporary name.

    Args:
        temporary: where to.
        target: its name to come, for messages.
        encoding: how.
        like: the source whose streams, chapters, metadata, colours and pixel aspect are kept, or None.
        width, height: of the frames.
        rate: frames per second for the encoder's own reckoning, or None.
        copying: what happens to the source's other streams.
        provenance: goes into the metadata.
        metadata: how much of it is written; see `ClipWriter`.
        start, end: the part of the source, as for `read_clip`; times are moved to begin with it.

    Raises:
        OutputError: the encoder or the container refuses.
    """

    def __init__(
        self,
        temporary: Path,
        target: Path,
        encoding: Encoding,
        *,
        like: ClipInfo | None,
        width: int,
        height: int,
        rate: Fraction | None,
        copying: Copying,
        provenance: Mapping[str, str] | None,
        metadata: Keep,
        start: Fraction | None,
        end: Fraction | None,
    ) -> None:
        import av

        self._keep: Keep = metadata
        self.temporary, self.target, self.encoding = temporary, target, encoding
        self.colour = colour_for(like, encoding.pixel_format, height, encoding.codec)
        self.base = time_base_for(like, rate, encoding.codec)
        self.notes: list[str] = list(encoding.notes)
        self.plan = Plan(base=self.base, colour=self.colour)
        self._durations: dict[int, int] = {}
        self._encoded = 0
        self._decoded: int | None = None
        self._step = Fraction(1, 25)
        self._size = width, height
        self._shift = Fraction(0) if like is None or start is None else like.begin + start
        self._copier: Copier | None = None
        self._closed = False
        if like is not None and like.kind == "video":
            self._copier = Copier(like, str(target), start=start, end=end)
        options = self._container_options()
        try:
            self._output: OutputContainer = av.open(
                address(temporary), "w", format=encoding.container, container_options=options
            )
        except (av.error.FFmpegError, OSError) as error:
            self._closed = True
            self.abandon()
            raise self._failed(error) from error
        try:
            self._prepare(like, rate, copying, provenance)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            self.abandon()
            raise self._failed(error) from error
        except BaseException:
            self.abandon()
            raise

    def _container_options(self) -> dict[str, str]:
        # Without "disabled", sound that begins before 0 (AAC's priming) would move everything.
        options = {"avoid_negative_ts": "disabled"}
        if self.encoding.container in ("mp4", "mov"):
            if not self._covered:
                options["movflags"] = "use_metadata_tags"
            # Begins of streams are counted in this unit; the usual 1/1000 s would round them.
            units = [self.base, *(self._copier.units() if self._copier is not None else [])]
            scale = math.lcm(*[unit.denominator for unit in units])
            options["movie_timescale"] = str(scale if scale <= _LARGEST else self.base.denominator)
        return options

    def _prepare(
        self,
        like: ClipInfo | None,
        rate: Fraction | None,
        copying: Copying,
        provenance: Mapping[str, str] | None,
    ) -> None:
        chosen: list[StreamInfo] = []
        if like is not None and self._copier is not None:
            chosen, notes = fitting_streams(
                like, self.encoding.container, self._output.supported_codecs, copying, str(self.target)
            )
            self.notes += notes
            if self._keep == "keep":
                self._add_metadata(copied_metadata(like))
        main = next((one for one in like.streams if one.main), None) if like is not None else None
        order: list[StreamInfo | None] = [*chosen, main] if main is not None else [None]
        form = self.encoding.container
        order.sort(key=lambda one: (False, -1) if one is None else (attached(form, one), one.index))
        for stream in order:
            if stream is None or stream.main:
                self._stream = self._add_video(like, rate)
            elif self._copier is not None:
                self._copier.add(stream, self._output, titled=self._keep == "keep")
        if provenance and self._keep != "strip":
            self._add_provenance(dict(provenance))
        if self._copier is not None and copying != "none" and self._keep != "strip":
            self._add_chapters(self._copier)
        with _quiet_encoder():
            self._output.start_encoding()
        if self._copier is not None:
            self._copier.begin()
        # The covers of Matroska are written as attachments and read as pictures.
        covers = [one is not None and one.cover for one in order]
        kinds = [stream.type for stream in self._output.streams]
        self.plan.kinds = tuple("video" if cover else kind for cover, kind in zip(covers, kinds, strict=True))
        self.plan.video = self._stream.index

    @property
    def _covered(self) -> bool:
        """Whether MP4's metadata must have the form of music players, which alone holds covers."""
        like = self._copier.info if self._copier is not None else None
        return self.encoding.container == "mp4" and like is not None and any(one.cover for one in like.streams)

    def _add_metadata(self, metadata: dict[str, str]) -> None:
        lost = [key for key in metadata if self._covered and key.lower() not in _MUSIC]
        if lost:
            self.notes.append(f"MP4 with a cover holds no metadata of these names: {', '.join(lost)}.")
        self._output.metadata.update({key: value for key, value in metadata.items() if key not in lost})

    def _add_provenance(self, provenance: dict[str, str]) -> None:
        if not self._covered:
            self._output.metadata[PROVENANCE] = json.dumps(provenance, ensure_ascii=False)
            return
        taken = {key.lower() for key in self._output.metadata}
        free = next((key for key in ("comment", "description", "synopsis") if key not in taken), "synopsis")
        self._output.metadata[free] = json.dumps({PROVENANCE: provenance}, ensure_ascii=False)

    def _add_video(self, like: ClipInfo | None, rate: Fraction | None) -> Any:
        steady = rate or (like.rate if like is not None else None) or Fraction(25)  # for the encoder's reckoning only
        self._step = 1 / steady
        stream = self._output.add_stream(
            self.encoding.codec, rate=steady.limit_denominator(100_000), options=dict(self.encoding.options)
        )
        context: Any = stream.codec_context
        context.width, context.height = self._size
        context.pix_fmt = self.encoding.pixel_format
        context.time_base = self.base
        stream.time_base = self.base
        if like is not None and like.sample_aspect != 1:
            context.sample_aspect_ratio = like.sample_aspect
        context.colorspace, context.color_range, context.color_primaries, context.color_trc = number_of(self.colour)
        if self.encoding.tag:
            context.codec_tag = self.encoding.tag
        if self.encoding.codec == "libvpx-vp9":
            context.bit_rate = 0
        main = next((one for one in like.streams if one.main), None) if like is not None else None
        for key, value in (("language", main and main.language), ("title", main and main.title)):
            if value and (key == "language" or self._keep == "keep"):
                stream.metadata[key] = value
        return stream

    def _add_chapters(self, copier: Copier) -> None:
        chapters = copier.chapters()
        unit = Fraction(1, 1_000_000_000)
        self.plan.chapters = len(chapters)
        if chapters:
            self._output.set_chapters(
                [
                    {
                        "id": number,
                        "start": round(one.start / unit),
                        "end": round(one.end / unit),
                        "time_base": unit,
                        "metadata": dict(one.metadata),
                    }
                    for number, one in enumerate(chapters, start=1)
                ]
            )

    def write(self, frame: Frame) -> None:
        """Encode one frame; times rise.

        Raises:
            OutputError: a frame that does not fit, the disk is full, ...
        """
        import av

        if frame.pixels.shape != (self._size[1], self._size[0], 3):
            raise OutputError(
                f"{shown(self.target)}: a frame has the shape {frame.pixels.shape}, "
                f"{(self._size[1], self._size[0], 3)} was planned."
            )
        time = frame.time - self._shift
        ticks = round(time / self.base)
        if self.plan.times and ticks <= self.plan.times[-1]:
            raise OutputError(
                f"{shown(self.target)}: a frame at {float(time):.6f} s does not come after the one before it."
            )
        encoded = from_rgb(frame.pixels, frame.alpha, self.encoding.pixel_format, self.colour)
        encoded.pts, encoded.time_base = ticks, self.base
        matrix, full, primaries, transfer = number_of(self.colour)
        encoded.colorspace, encoded.color_range = matrix, full
        encoded.color_primaries, encoded.color_trc = primaries, transfer
        lasts = frame.duration or Fraction(0)
        self._durations[ticks] = round(lasts / self.base)
        self.plan.times.append(ticks)
        self.plan.end = ticks * self.base + lasts
        try:
            self._mux(self._stream.encode(encoded))
            if self._copier is not None:
                self._copier.pump(self._output, frame.time)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise self._failed(error) from error

    def _mend(self, packet: Any) -> None:
        """Give a packet a decoding time where its encoder left out to: libx265 does in clips of a few frames."""
        base = Fraction(packet.time_base)
        if packet.dts is None or not packet.pts - _NEVER / base <= packet.dts <= packet.pts:
            first = round(self.plan.times[0] * self.base / base)
            packet.dts = min(packet.pts, first + (self._encoded - 2) * max(1, round(self._step / base)))
        if self._decoded is not None and packet.dts <= self._decoded:
            packet.dts = min(packet.pts, self._decoded + 1)
        self._decoded = packet.dts
        self._encoded += 1

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            self._mend(packet)
            lasts = self._durations.pop(round(packet.pts * Fraction(packet.time_base) / self.base), 0)
            if lasts:
                packet.duration = round(lasts * self.base / Fraction(packet.time_base))
            self._output.mux_one(packet)

    def finish(self) -> None:
        """Write what is delayed, the rest of the copied streams and the file's end; then check the file.

        Raises:
            OutputError: no frames, a full disk, or a file that does not hold what was planned.
        """
        import av

        if not self.plan.times:
            self.abandon()
            raise OutputError(f"{shown(self.target)} was not written: there was not one frame.")
        try:
            self._mux(self._stream.encode(None))
            if self._copier is not None:
                self._copier.pump(self._output, None)
                self.plan.copied = dict(self._copier.counts)
                self.plan.reached = self._copier.reached
            self._closed = True
            self._output.close()
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise self._failed(error) from error
        finally:
            self.abandon()
        check_written(self.temporary, self.plan, self.target)

    def abandon(self) -> None:
        """Let go of all files, whatever state they are in."""
        if self._copier is not None:
            self._copier.close()
        if not self._closed:
            self._closed = True
            with contextlib.suppress(Exception):  # the file is removed anyway; the error that led here is reported
                self._output.close()

    def _failed(self, error: Exception) -> OutputError:
        number = getattr(error, "errno", None)
        if isinstance(error, OSError) and number in _DISK:
            return OutputError(explain(OSError(number, error.strerror), self.target))
        coded = f"{self.encoding.codec}, {self.encoding.pixel_format}, {self._size[0]}x{self._size[1]}"
        hint = ""
        if self._copier is not None and self._copier.counts:
            hint = " If the streams that are copied are to blame, leave them out with --streams none."
        return OutputError(f"{shown(self.target)} was not written: FFmpeg refused ({coded}): {reason(error)}.{hint}")
