"""Frames of a video file, with their own times."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

from finesight.errors import InputError
from finesight.media.files import shown

from .inspecting import colour_of
from .opening import decoder_for, main_stream, open_video, reason
from .planes import to_rgb
from .turning import turned
from .types import ClipInfo, Frame

if TYPE_CHECKING:
    import av
    from av.container import InputContainer

__all__ = ["Damaged", "video_frames"]

Damaged = Literal["error", "skip"]
_SEEK_BACK = Fraction(1)  # seconds: some indices point a little late
_UNNOTICED = Fraction(1, 2)  # seconds that a file may be shorter than its header says


class _Clock:
    """Gives every decoded frame a time, also where the file gives none, and refuses to go back."""

    def __init__(self, info: ClipInfo, rate: Fraction | None, notes: list[str]) -> None:
        self.info, self.rate, self.notes = info, rate, notes
        self.name = shown(info.path)
        self.counted = 0
        self.last: Fraction | None = None

    def time_of(self, frame: av.VideoFrame) -> Fraction:
        """The frame's time in seconds.

        Raises:
            InputError: it has none and nothing says the rate.
        """
        if self.rate is not None:
            time = self.counted / self.rate
            self.counted += 1
            return time
        if frame.pts is not None and frame.time_base:
            return Fraction(frame.pts * frame.time_base)
        if self.info.rate is None:
            raise InputError(f"{self.name} has no times. Say its frames per second, for instance --rate 24.")
        note = f"Frames without a time follow at the {float(self.info.rate):g} frames per second that the file states."
        _note_once(self.notes, note)
        return self.info.begin if self.last is None else self.last + 1 / self.info.rate


def video_frames(
    info: ClipInfo,
    *,
    start: Fraction | None,
    end: Fraction | None,
    rate: Fraction | None,
    damaged: Damaged,
    notes: list[str],
) -> Iterator[Frame]:
    """All frames of the main stream whose time lies in [start, end), counted from the clip's begin.

    Args:
        info: of the clip.
        start, end: seconds, or None for the whole.
        rate: frames per second of a bare stream, None where the file has times.
        damaged: "error" stops at the first fault, "skip" leaves out what cannot be decoded.
        notes: gets what was met and passed over.

    Raises:
        InputError: a fault in the file, with its place.
    """
    low = None if start is None else info.begin + start
    high = None if end is None else info.begin + end
    with open_video(info.path) as container:
        stream = main_stream(container, info.path)
        stream.thread_type = "AUTO"
        if start is not None and start > _SEEK_BACK and rate is None and stream.time_base:
            target = int((info.begin + start - _SEEK_BACK) / Fraction(stream.time_base))
            container.seek(target, stream=stream, backward=True)
        yield from _with_durations(_decoded(container, stream, info, low, high, rate, damaged, notes), info, rate)


def _decoded(
    container: InputContainer,
    stream: av.VideoStream,
    info: ClipInfo,
    low: Fraction | None,
    high: Fraction | None,
    rate: Fraction | None,
    damaged: Damaged,
    notes: list[str],
) -> Iterator[Frame]:
    clock = _Clock(info, rate, notes)
    name = shown(info.path)
    for frame in _raw_frames(container, stream, info, damaged, notes, whole=high is None):
        time = clock.time_of(frame)
        size = (frame.width, frame.height)
        if size != ((info.height, info.width) if info.rotation % 180 else (info.width, info.height)):
            raise InputError(
                f"{name} changes its size to {size[0]}x{size[1]} at {float(time):.3f} s. Cut the clip there "
                f"(--end {int((time - info.begin) * 1000) / 1000:.3f}) and process the parts one by one."
            )
        if clock.last is not None and time <= clock.last:
            fault = f"{name}: the frame after {float(clock.last):.3f} s has the time {float(time):.3f} s"
            if damaged == "error":
                raise InputError(f"{fault}. Use --damaged skip to leave such frames out.")
            notes.append(f"{fault} and was left out.")
            continue
        clock.last = time
        if high is not None and time >= high:
            return
        if low is None or time >= low:
            yield _frame(frame, stream, info, time)


def _frame(frame: av.VideoFrame, stream: av.VideoStream, info: ClipInfo, time: Fraction) -> Frame:
    pixels, alpha = to_rgb(frame, colour_of(frame, stream, shown(info.path)))
    turn = info.rotation, info.mirrored
    own = Fraction(frame.duration * frame.time_base) if frame.duration and frame.time_base else None
    return Frame(turned(pixels, *turn), time, own, None if alpha is None else turned(alpha, *turn))


def _with_durations(frames: Iterator[Frame], info: ClipInfo, rate: Fraction | None) -> Iterator[Frame]:
    """A frame lasts until the next one; the last one as long as it says itself, or as the rate says."""
    held: Frame | None = None
    for frame in frames:
        if held is not None:
            yield Frame(held.pixels, held.time, frame.time - held.time, held.alpha)
        held = frame
    if held is not None:
        steady = rate or info.rate
        last = held.duration if held.duration and rate is None else 1 / steady if steady else None
        yield Frame(held.pixels, held.time, last, held.alpha)


def _raw_frames(
    container: InputContainer,
    stream: av.VideoStream,
    info: ClipInfo,
    damaged: Damaged,
    notes: list[str],
    *,
    whole: bool,
) -> Iterator[av.VideoFrame]:
    """Decoded frames; the packet that ends the stream is passed on, so that delayed frames come out."""
    import av

    name = shown(info.path)
    reached = Fraction(0)
    given = 0
    decode = decoder_for(stream)
    for packet in _packets(container, info, damaged, notes):
        reached = max(reached, _end_of(packet))
        if packet.stream is not stream:
            continue
        try:
            frames = decode(packet)
        except av.error.FFmpegError as error:
            base = packet.time_base
            place = f" at {float(packet.pts * base):.3f} s" if packet.pts is not None and base else ""
            if not given and not packet.is_keyframe:
                _note_once(
                    notes, f"{name} begins in the middle of a group of pictures; it is read from its first key frame."
                )
                continue
            fault = f"{name} is damaged{place} ({reason(error)})"
            if damaged == "error":
                raise InputError(f"{fault}. Use --damaged skip to leave such frames out.") from error
            notes.append(f"{fault}; what could not be decoded there was left out.")
            continue
        given += len(frames)
        yield from frames
    if not given and info.begin == 0 and whole:
        raise InputError(f"{name} holds no frames that can be decoded.")
    if whole:
        _check_end(container, info, reached, damaged, notes)


def _note_once(notes: list[str], note: str) -> None:
    if note not in notes:
        notes.append(note)


def _packets(container: InputContainer, info: ClipInfo, damaged: Damaged, notes: list[str]) -> Iterator[av.Packet[Any]]:
    import av

    wanted = [one for one in container.streams if one.type in ("video", "audio")]
    try:
        yield from container.demux(*wanted)
    except (av.error.FFmpegError, OSError) as error:
        fault = f"{shown(info.path)} cannot be read to its end ({reason(error)})"
        if damaged == "error":
            raise InputError(f"{fault}. Use --damaged skip to go on with what was read.") from error
        notes.append(f"{fault}.")


def _end_of(packet: av.Packet[Any]) -> Fraction:
    if packet.pts is None or not packet.time_base:
        return Fraction(0)
    return Fraction((packet.pts + (packet.duration or 0)) * packet.time_base)


def _check_end(
    container: InputContainer,
    info: ClipInfo,
    reached: Fraction,
    damaged: Damaged,
    notes: list[str],
) -> None:
    """Refuse a file that ends long before its header says: a download or recording that was cut off."""
    if not container.duration or not info.duration:
        return
    counted_from_0 = "matroska" in container.format.name  # its duration is the end of the last frame
    begin = Fraction(0) if counted_from_0 else Fraction(container.start_time or 0, 1_000_000)
    promised = begin + Fraction(container.duration, 1_000_000)
    if promised - reached <= _UNNOTICED + (2 / info.rate if info.rate else 0):
        return
    fault = (
        f"{shown(info.path)} is cut off: it ends at {float(reached - begin):.2f} s of {float(promised - begin):.2f} s"
    )
    if damaged == "error":
        raise InputError(f"{fault}. Get the whole file, or use --damaged skip to go on with what is there.")
    notes.append(f"{fault}.")
