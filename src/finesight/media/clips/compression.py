"""Frames through a codec and back, in memory: what compression does to a clip, for training."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from finesight.errors import InputError, SettingError

from .colour import Colour
from .planes import from_rgb, to_rgb

if TYPE_CHECKING:
    import av

__all__ = ["compressed"]

_COLOUR = Colour("bt601", "limited", "unknown", "unknown")
_ENCODERS = {"h264": "libx264"}  # FFmpeg's own choice for the name


def compressed(frames: NDArray[np.uint8], codec: str, bit_rate: int) -> NDArray[np.uint8]:
    """Encode frames as MP4 at one frame a second in 4:2:0, and decode them.

    Equal frames, codec and bit rate give equal results: one thread encodes.

    Args:
        frames: (T, H, W, 3) uint8 RGB, H and W even.
        codec: "libx264", "h264", "mpeg4" or another encoder that MP4 holds.
        bit_rate: bits per second.

    Raises:
        InputError: sides that are odd or frames that are none.
        SettingError: the encoder is not there or refuses.
    """
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8 or not len(frames):
        raise InputError(f"Frames to compress must be uint8 (T, H, W, 3), not {frames.dtype} {frames.shape}.")
    if frames.shape[1] % 2 or frames.shape[2] % 2:
        raise InputError(f"Frames to compress need even sides, not {frames.shape[2]}x{frames.shape[1]}.")
    import av

    buffer = io.BytesIO()
    try:
        _encode(buffer, frames, _ENCODERS.get(codec, codec), bit_rate)
        buffer.seek(0)
        container: Any
        with av.open(buffer) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            decoded = [to_rgb(frame, _COLOUR)[0] for frame in container.decode(stream)]
    except (av.error.FFmpegError, av.codec.codec.UnknownCodecError, ValueError) as error:
        raise SettingError(
            f"The codec {codec} cannot compress {frames.shape[2]}x{frames.shape[1]}: {error}."
        ) from error
    if len(decoded) != len(frames):
        raise SettingError(f"The codec {codec} gave {len(decoded)} frames back for {len(frames)}.")
    return np.stack(decoded)


def _encode(buffer: io.BytesIO, frames: NDArray[np.uint8], codec: str, bit_rate: int) -> None:
    import av

    with av.open(buffer, "w", format="mp4") as output:
        stream: Any = output.add_stream(codec, rate=1)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = bit_rate
        stream.codec_context.thread_count = 1
        stream.codec_context.colorspace, stream.codec_context.color_range = 6, 1
        for number, pixels in enumerate(frames):
            frame: av.VideoFrame = from_rgb(pixels, None, "yuv420p", _COLOUR)
            frame.pts = number
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
