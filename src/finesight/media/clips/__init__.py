"""Clips in and out: files with sound, folders of frames and numbered pictures; timestamps are data."""

from __future__ import annotations

from .compression import compressed
from .kinds import is_clip
from .overlap import overlapped
from .reading import ClipReader, inspect_clip, parse_rate, read_clip
from .times import frame_times
from .types import Chapter, ClipInfo, Frame, StreamInfo
from .writing import ClipWriter

__all__ = [
    "Chapter",
    "ClipInfo",
    "ClipReader",
    "ClipWriter",
    "Frame",
    "StreamInfo",
    "compressed",
    "frame_times",
    "inspect_clip",
    "is_clip",
    "overlapped",
    "parse_rate",
    "read_clip",
]
