"""The times of a clip's frames without decoding them."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

from finesight.errors import InputError
from finesight.media.files import shown

from .opening import main_stream, open_video, reason

__all__ = ["frame_times"]


def frame_times(path: str | os.PathLike[str]) -> tuple[Fraction, ...]:
    """When each frame of a video file appears, in seconds on its own time line, from its packets.

    Raises:
        InputError: it cannot be read, or has packets without times.
    """
    import av

    place = Path(path)
    with open_video(place) as container:
        stream = main_stream(container, place)
        try:
            stamps = [packet.pts for packet in container.demux(stream) if packet.size]
        except (av.error.FFmpegError, OSError) as error:
            raise InputError(f"{shown(place)} cannot be read to its end ({reason(error)}).") from error
        base = Fraction(stream.time_base or 0)
    known = sorted(stamp for stamp in stamps if stamp is not None)
    if not known or len(known) != len(stamps):
        raise InputError(f"{shown(place)} has frames without times. Write it anew first, or as a folder of frames.")
    return tuple(stamp * base for stamp in known)
