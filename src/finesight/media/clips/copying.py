"""The other streams of a clip, copied packet by packet: sound, subtitles, attachments, covers, chapters, metadata."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

from finesight.errors import InputError, OutputError
from finesight.media.files import shown

from .opening import is_cover, open_video, reason
from .types import Chapter, ClipInfo, StreamInfo

if TYPE_CHECKING:
    import av
    from av.container import OutputContainer

__all__ = ["EMPTY_TEXT", "Copier", "Copying", "attached", "copied_metadata", "fitting_streams"]

Copying = Literal["all", "possible", "none"]
_COVERS = {"mjpeg": ("cover.jpg", "image/jpeg"), "png": ("cover.png", "image/png")}
EMPTY_TEXT = b"\0\0"
"""What MP4 and MOV put between two subtitles; their writer makes it anew."""

_OF_THE_FILE = {"major_brand", "minor_version", "compatible_brands", "encoder", "creation_time_unknown", "duration"}


def copied_metadata(info: ClipInfo) -> dict[str, str]:
    """The container's metadata but for what belongs to the old file itself."""
    return {key: value for key, value in info.metadata if key.lower() not in _OF_THE_FILE}


def fitting_streams(
    info: ClipInfo, container: str, supported: set[str], copying: Copying, target: str
) -> tuple[list[StreamInfo], list[str]]:
    """The streams that are copied, and a sentence for each that is not.

    Args:
        info: of the source.
        container: FFmpeg's name of the target's format.
        supported: names of the codecs that it holds.
        copying: "all" refuses what cannot be held, "possible" leaves it out and says so, "none" copies nothing.
        target: for messages.

    Raises:
        OutputError: the target cannot hold a stream of sound, subtitles, pictures or attachments.
    """
    notes: list[str] = []
    chosen: list[StreamInfo] = []
    if copying == "none":
        left = ", ".join(str(one) for one in info.copied_streams)
        return [], [f"Not copied, as asked: {left}."] if left else []
    for stream in info.copied_streams:
        if stream.kind == "data" and info.chapters and "mov" in info.container:
            continue  # the stream in which MP4 and MOV keep their chapters
        if not stream.known or stream.kind == "data":
            notes.append(f"{str(stream).capitalize()} was left out: data of this kind cannot be copied.")
        elif _holds(container, supported, stream):
            chosen.append(stream)
        elif copying == "possible":
            notes.append(f"{str(stream).capitalize()} was left out: {shown(target)} cannot hold it.")
        else:
            raise OutputError(_cannot_hold(target, stream, info))
    return chosen, notes


def _holds(container: str, supported: set[str], stream: StreamInfo) -> bool:
    if stream.cover:
        return container == "mp4" or attached(container, stream)
    return stream.codec in supported or attached(container, stream)


def attached(container: str, stream: StreamInfo) -> bool:
    """Whether a stream becomes an attachment, which Matroska keeps behind all streams that have times."""
    return container == "matroska" and (stream.kind == "attachment" or (stream.cover and stream.codec in _COVERS))


def _cannot_hold(target: str, stream: StreamInfo, info: ClipInfo) -> str:
    other = "the kind of file it came from" if target.lower().endswith(".mkv") else "a .mkv"
    return (
        f"{shown(target)} cannot hold {stream} of {shown(info.path)}. Write {other}, or leave out what does not "
        "fit with --streams possible."
    )


def _first_packet(info: ClipInfo, stream: StreamInfo) -> bytes:
    """A cover's picture."""
    with open_video(info.path) as container:
        for packet in container.demux(container.streams[stream.index]):
            if packet.size:
                return bytes(packet)
    raise InputError(f"{shown(info.path)}: {stream} is empty.")


def _not_taken(target: str, stream: StreamInfo, info: ClipInfo, error: Exception) -> str:
    return (
        f"{shown(target)} was not written: it does not take {stream} of {shown(info.path)} ({reason(error)}). Write "
        "another kind of file, or leave it out with --streams none."
    )


class Copier:
    """Copies packets of a source into an output that is being written, in step with its frames.

    Args:
        info: of the source.
        target: the output's name, for messages.
        start: seconds after the source's begin from which packets are copied; all times move by as much.
        end: likewise, or None.
    """

    def __init__(self, info: ClipInfo, target: str, *, start: Fraction | None, end: Fraction | None) -> None:
        self.info, self.target = info, target
        self._source = open_video(info.path)
        self._low = None if start is None else info.begin + start
        self._high = None if end is None else info.begin + end
        self.shift = self._low or Fraction(0)
        self._targets: dict[int, Any] = {}
        self._refilled: set[int] = set()  # streams whose gaps the container fills by itself
        self._packets: Iterator[av.Packet[Any]] = iter(())
        self._held: av.Packet[Any] | None = None
        self.counts: dict[int, int] = {}
        self.reached = Fraction(0)

    def units(self) -> list[Fraction]:
        """In which the source's sound counts time."""
        return [Fraction(stream.time_base) for stream in self._source.streams.audio if stream.time_base]

    def add(self, stream: StreamInfo, output: OutputContainer, *, titled: bool = True) -> None:
        """Give the output, which has not begun, a stream like this of the source; its title only if `titled`.

        Raises:
            OutputError: it cannot take it.
        """
        import av

        try:
            self._add(stream, self._source.streams[stream.index], output, titled)
        except (av.error.FFmpegError, ValueError) as error:
            raise OutputError(_not_taken(self.target, stream, self.info, error)) from error

    def _add(self, stream: StreamInfo, source: Any, output: OutputContainer, titled: bool) -> None:
        if stream.kind == "attachment":
            name = source.metadata.get("filename", f"attachment {stream.index}")
            added: Any = output.add_attachment(name, source.metadata.get("mimetype", ""), source.data)
        elif attached(output.format.name, stream):
            output.add_attachment(*_COVERS[stream.codec], _first_packet(self.info, stream))
            return  # its name is all that it has to say
        else:
            _check_layout(source, stream, output, self.info)
            added = output.add_stream_from_template(source)
            if stream.codec == "mov_text":
                self._refilled.add(stream.index)
            added.disposition = source.disposition
            self._targets[stream.index] = added
            self.counts[added.index] = 0
            if source.time_base and not is_cover(source):
                added.time_base = source.time_base
        needed = {"language", "filename", "mimetype"}
        for key, value in source.metadata.items():
            if titled or key.lower() in needed:
                added.metadata[key] = value

    def begin(self) -> None:
        """All streams are added: start reading."""
        wanted = [self._source.streams[index] for index in self._targets]
        if wanted:
            self._packets = self._read(wanted)
            self._advance()

    def _read(self, wanted: list[Any]) -> Iterator[av.Packet[Any]]:
        import av

        if self._low is not None and self._low > 1:
            self._source.seek(int((self._low - 1) * 1_000_000), backward=True)
        try:
            for packet in self._source.demux(*wanted):
                if packet.size or packet.dts is not None:
                    yield packet
        except (av.error.FFmpegError, OSError) as error:
            raise InputError(
                f"{shown(self.info.path)}: its other streams cannot be read to their end ({reason(error)})."
            ) from error

    def _advance(self) -> None:
        self._held = next(self._packets, None)

    def pump(self, output: OutputContainer, until: Fraction | None) -> None:
        """Write the packets up to a time on the source's time line, or all that are left."""
        while self._held is not None:
            packet = self._held
            base = Fraction(packet.time_base) if packet.time_base else Fraction(0)
            stamp = packet.dts if packet.dts is not None else packet.pts
            time = None if stamp is None else stamp * base
            if until is not None and time is not None and time > until:
                return
            self._write(packet, output, base)
            self._advance()

    def _write(self, packet: av.Packet[Any], output: OutputContainer, base: Fraction) -> None:
        import av

        target = self._targets[packet.stream.index]
        if packet.stream.index in self._refilled and bytes(packet) == EMPTY_TEXT:
            return
        cover = is_cover(packet.stream)
        if not cover and packet.pts is not None:
            time = packet.pts * base
            if (self._low is not None and time < self._low) or (self._high is not None and time >= self._high):
                return
            ticks = round(self.shift / base) if base else 0
            packet.pts -= ticks
            if packet.dts is not None:
                packet.dts -= ticks
            self.reached = max(self.reached, (packet.pts + (packet.duration or 0)) * base)
        number, packet.stream = packet.stream.index, target
        try:
            output.mux_one(packet)
        except (av.error.InvalidDataError, av.error.ArgumentError, ValueError) as error:
            stream = next(one for one in self.info.streams if one.index == number)
            raise OutputError(_not_taken(self.target, stream, self.info, error)) from error
        self.counts[target.index] += 1

    def chapters(self) -> list[Chapter]:
        """Those of the source that lie in the part, moved with it."""
        low, high = self._low, self._high
        kept = []
        for one in self.info.chapters:
            start, end = one.start, one.end
            if (low is not None and end <= low) or (high is not None and start >= high):
                continue
            start = start if low is None else max(start, low)
            end = end if high is None else min(end, high)
            kept.append(Chapter(start - self.shift, end - self.shift, one.metadata))
        return kept

    def close(self) -> None:
        """Let go of the source."""
        self._source.close()


def _check_layout(source: Any, stream: StreamInfo, output: OutputContainer, info: ClipInfo) -> None:
    """MP4 wants to know where the channels of PCM sound are; it would say so after the last frame only."""
    if (
        output.format.name == "mp4"
        and stream.codec.startswith("pcm_")
        and "channel" in source.codec_context.layout.name
    ):
        raise OutputError(
            f"An .mp4 file cannot hold {stream} of {shown(info.path)}, which does not say its speakers. Write a .mov "
            "or .mkv, or leave it out with --streams none."
        )
