"""Opening video files: each fault one clear line."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finesight.errors import InputError
from finesight.media.files import shown

if TYPE_CHECKING:
    import av
    from av.container import InputContainer

__all__ = ["address", "decoder_for", "is_cover", "main_stream", "open_video", "reason"]

RAW = {
    "h264",
    "hevc",
    "vvc",
    "m4v",
    "mpegvideo",
    "mjpeg",
    "rawvideo",
    "cavsvideo",
    "dirac",
    "vc1",
    "obu",
    "evc",
    "h263",
    "h261",
}
"""Formats of bare streams: they hold no times, FFmpeg makes them up (25 a second)."""


def address(path: str | os.PathLike[str]) -> str:
    """A path as FFmpeg takes it: never mistaken for a network address (``12:30.mp4``)."""
    return f"file:{os.fspath(path)}"


def reason(error: Exception) -> str:
    """What FFmpeg says about a failure, without its codes."""
    text = getattr(error, "strerror", None) or str(error)
    log = getattr(error, "log", None)
    if log and len(log) > 2 and log[2]:
        text = f"{text} ({str(log[2]).strip()})"
    return str(text).strip().rstrip(".")


def open_video(path: Path) -> InputContainer:
    """Open a file for reading.

    Raises:
        InputError: missing, a folder, empty, not readable, or not a video file.
    """
    import av

    name = shown(path)
    if path.is_dir():
        raise InputError(f"{name} is a folder. Folders of frames need their rate, for instance --rate 24.")
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise InputError(f"{name} is empty (0 bytes): it holds no clip.")
    except FileNotFoundError as error:
        raise InputError(f"{name} does not exist.") from error
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror or error}.") from error
    try:
        return av.open(address(path), metadata_errors="replace")
    except av.error.InvalidDataError as error:
        raise InputError(
            f"{name} cannot be opened as a clip: it is damaged, incomplete (a recording or download that was cut off) "
            f"or no video file ({reason(error)})."
        ) from error
    except av.error.EOFError as error:
        raise InputError(f"{name} holds no frames: it ends after its header.") from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise InputError(f"{name} cannot be opened as a clip: {reason(error)}.") from error


def main_stream(container: InputContainer, path: Path) -> av.VideoStream:
    """The video stream that is read: the first default one that is no cover picture.

    Raises:
        InputError: there is none, or its codec is not known.
    """
    name = shown(path)
    videos = [stream for stream in container.streams.video if not is_cover(stream)]
    if not videos:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "none at all"
        raise InputError(f"{name} holds no video stream (its streams: {kinds}).")
    chosen = next((stream for stream in videos if stream.disposition & 1), videos[0])
    try:
        known = chosen.codec_context is not None and chosen.codec_context.codec is not None
    except (ValueError, AttributeError):
        known = False
    if not known:
        raise InputError(f"{name}: the codec of its video is unknown to this FFmpeg. Convert the clip first.")
    if not chosen.codec_context.width or not chosen.codec_context.height:
        raise InputError(f"{name}: its video stream says no size and holds no frame that does; it is damaged or empty.")
    return chosen


def decoder_for(stream: av.VideoStream) -> Callable[[av.Packet[Any]], list[Any]]:
    """What turns packets into frames: the stream's own decoder, or libvpx for VP9 with alpha, which that one skips.

    The packet that ends the stream must be handed over too, or delayed frames are lost.
    """
    import av

    context = stream.codec_context
    if context.name != "vp9" or stream.metadata.get("alpha_mode") != "1":
        return lambda packet: list(packet.decode())
    try:
        able: Any = av.CodecContext.create("libvpx-vp9", "r")
    except (ValueError, av.error.FFmpegError):  # built without libvpx: the picture without its alpha
        return lambda packet: list(packet.decode())
    return lambda packet: list(able.decode(packet if packet.size else None))


def is_cover(stream: Any) -> bool:
    """Whether a stream is a picture attached to the file."""
    return bool(stream.type == "video" and stream.disposition & 0x400)
