"""What a video file says of itself, from its header, its first packets and its first frame."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finesight.errors import InputError
from finesight.media.files import shown

from .colour import Colour, named_colour
from .opening import RAW, decoder_for, is_cover, main_stream, open_video
from .planes import depth_of, has_alpha, is_rgb
from .turning import turn_of
from .types import Chapter, ClipInfo, StreamInfo

if TYPE_CHECKING:
    import av
    from av.container import InputContainer

__all__ = ["colour_of", "inspect_video"]

_LOOKED_AT = 240  # packets whose times tell whether they are even
_MICROSECONDS = 1_000_000


def inspect_video(path: Path) -> ClipInfo:
    """Everything about a video file but its frames.

    Raises:
        InputError: it cannot be opened, holds no video, or not one frame of it can be decoded.
    """
    with open_video(path) as container:
        stream = main_stream(container, path)
        raw = bool(set(container.format.name.split(",")) & RAW)
        streams = tuple(_stream_info(one, main=one is stream) for one in container.streams)
        duration = None if raw else _duration(container, stream)
        frame, times = _peek(container, stream, path)
        return replace(
            _of_stream(path, stream, frame, times, raw),
            duration=duration,
            container=container.format.name,
            streams=streams,
            chapters=_chapters(container),
            metadata=tuple(container.metadata.items()),
        )


def _of_stream(path: Path, stream: av.VideoStream, frame: av.VideoFrame, times: list[int], raw: bool) -> ClipInfo:
    """What the stream and its first frame say."""
    colour = colour_of(frame, stream, shown(path))
    rotation, mirrored = turn_of(frame)
    sides = frame.width, frame.height
    width, height = sides[::-1] if rotation % 180 else sides
    base = Fraction(stream.time_base) if stream.time_base else None
    aspect = Fraction(stream.sample_aspect_ratio or 1) or Fraction(1)
    earliest = frame.pts if frame.pts is not None else min(times, default=0)
    begin = Fraction(0) if raw or base is None else earliest * base
    depth = depth_of(frame.format)
    return ClipInfo(
        path=path,
        kind="video",
        width=width,
        height=height,
        frames=stream.frames or None,
        duration=None,
        rate=None if raw else _rate(stream),
        variable=not raw and _uneven(times),
        depth=8 if depth < 8 else depth,
        matrix=colour.matrix,
        range=colour.range,
        primaries=colour.primaries,
        transfer=colour.transfer,
        assumed=colour.assumed,
        interlaced=bool(frame.interlaced_frame),
        hdr=colour.hdr,
        alpha=has_alpha(frame.format),
        rotation=rotation,
        mirrored=mirrored,
        sample_aspect=1 / aspect if rotation % 180 else aspect,
        pixel_format=frame.format.name,
        time_base=base,
        begin=begin,
        notes=tuple(_notes(frame, colour, raw)),
    )


def colour_of(frame: av.VideoFrame, stream: av.VideoStream, name: str) -> Colour:
    """What a frame's numbers mean: by its own tags, else by the stream's."""
    context = stream.codec_context

    def told(own: Any, general: Any, *, nothing: tuple[int, ...]) -> int:
        return int(own) if int(own) not in nothing else int(general)

    return named_colour(
        matrix=told(frame.colorspace, context.colorspace, nothing=(2, 3)),
        full=told(frame.color_range, context.color_range, nothing=(0,)) == 2 or frame.format.name.startswith("yuvj"),
        primaries=told(frame.color_primaries, context.color_primaries, nothing=(0, 2, 3)),
        transfer=told(frame.color_trc, context.color_trc, nothing=(0, 2, 3)),
        rgb=is_rgb(frame.format),
        lines=frame.height,
        name=name,
    )


def _rate(stream: av.VideoStream) -> Fraction | None:
    rate = stream.average_rate or stream.base_rate
    return Fraction(rate) if rate else None


def _duration(container: InputContainer, stream: av.VideoStream) -> Fraction | None:
    if stream.duration and stream.time_base:
        return Fraction(stream.duration * stream.time_base)
    if container.duration:
        return Fraction(container.duration, _MICROSECONDS)
    return None


def _chapters(container: InputContainer) -> tuple[Chapter, ...]:
    return tuple(
        Chapter(
            start=Fraction(one["start"] * (one["time_base"] or 0)),
            end=Fraction(one["end"] * (one["time_base"] or 0)),
            metadata=tuple(one["metadata"].items()),
        )
        for one in container.chapters()
    )


def _stream_info(stream: Any, *, main: bool) -> StreamInfo:
    try:
        codec = stream.codec_context.name if stream.codec_context is not None else ""
    except (AttributeError, ValueError):
        codec = ""
    attached = stream.type == "attachment"
    timed = stream.duration and stream.time_base and not attached
    duration = Fraction(stream.duration * stream.time_base) if timed else None
    return StreamInfo(
        index=stream.index,
        kind=stream.type or "data",
        codec=codec or "unknown",
        language=stream.metadata.get("language"),
        title=stream.metadata.get("filename" if attached else "title") or stream.metadata.get("name"),
        duration=duration,
        main=main,
        known=bool(codec) or attached,
        cover=is_cover(stream),
    )


def _peek(container: InputContainer, stream: av.VideoStream, path: Path) -> tuple[av.VideoFrame, list[int]]:
    """The first frame and the times of the first packets."""
    import av

    decode = decoder_for(stream)
    first: av.VideoFrame | None = None
    times: list[int] = []
    packets = 0
    try:
        for packet in container.demux(stream):
            packets += packet.size > 0
            if packet.pts is not None:
                times.append(packet.pts)
            if first is None:
                try:
                    first = next(iter(decode(packet)), None)
                except av.error.InvalidDataError:
                    if packets >= _LOOKED_AT:
                        raise
            if first is not None and len(times) >= _LOOKED_AT:
                break
    except (av.error.FFmpegError, OSError) as error:
        if first is None:
            raise InputError(f"{shown(path)} is damaged: not one of its frames can be decoded ({error}).") from error
    if first is None:
        what = "holds no frames" if not packets else "is damaged: not one of its frames can be decoded"
        raise InputError(f"{shown(path)} {what}.")
    if first.pts is not None:
        times.append(first.pts)
    return first, times


def _uneven(times: list[int]) -> bool:
    """Whether frames follow each other at steps that differ by more than the rounding of their times."""
    ordered = sorted(set(times))
    if len(times) >= _LOOKED_AT:
        ordered = ordered[: -_LOOKED_AT // 8]  # the last ones may have neighbours that were not looked at
    steps = [after - before for before, after in pairwise(ordered)]
    if len(steps) < 2:
        return False
    mean = sum(steps) / len(steps)
    return max(steps) - min(steps) > min(1.0, 0.1 * mean)


def _notes(frame: av.VideoFrame, colour: Colour, raw: bool) -> list[str]:
    notes = []
    if frame.interlaced_frame:
        notes.append(
            "The clip is interlaced: each frame holds two moments, line by line, and is taken as it is. "
            "Deinterlace it first for clean results."
        )
    if colour.hdr:
        kind = "PQ" if colour.transfer == "smpte2084" else "HLG"
        notes.append(
            f"The clip is HDR ({kind}): its values are taken as they are stored and its tags are kept; static metadata "
            "of the mastering display is not."
        )
    if colour.assumed:
        names = {"bt709": "BT.709", "bt601": "BT.601"}
        notes.append(
            f"The clip does not say its colour matrix; {names[colour.matrix]} is taken, from its {frame.height} lines."
        )
    if raw:
        notes.append("The clip is a bare stream without times: its frames per second must be said.")
    return notes
