"""Which paths are clips, told by name and content without decoding anything."""

from __future__ import annotations

import os
import re
from pathlib import Path

__all__ = ["CLIP_SUFFIXES", "is_clip", "is_pattern"]

CLIP_SUFFIXES = frozenset({
    ".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".flv", ".h264", ".hevc", ".ivf", ".m2ts",
    ".m2v", ".m4v", ".mjpeg", ".mjpg", ".mk3d", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts",
    ".mxf", ".nut", ".ogm", ".ogv", ".qt", ".ts", ".vob", ".webm", ".wmv", ".y4m", ".264", ".265",
})  # fmt: skip
"""Endings of files that are taken for clips, in lower case."""

_PATTERN = re.compile(r"%0?\d*d")
_STILL_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1", b"hevc", b"hevx")
_ASF = bytes.fromhex("3026b2758e66cf11")


def is_pattern(path: str | os.PathLike[str]) -> bool:
    """Whether the name is a pattern of numbered pictures, such as ``shot_%04d.png``.

    >>> is_pattern("frames/shot_%04d.png"), is_pattern("100%.png")
    (True, False)
    """
    return len(_PATTERN.findall(Path(path).name)) == 1


def is_clip(path: str | os.PathLike[str], *, folders: bool = False) -> bool:
    """Whether a path is a clip: a video file by its content (by its ending where it cannot be read), or a pattern.

    Args:
        path: need not exist; then its name decides.
        folders: whether an existing folder counts as a clip (of frames) too; otherwise it is a batch of pictures.
    """
    place = Path(path)
    if place.is_dir():
        return folders
    if is_pattern(place) and not place.exists():
        return True
    if place.suffix.lower() in CLIP_SUFFIXES:
        return True
    if place.exists() and not place.is_file():  # a pipe can be read only once, and not here
        return False
    try:
        with place.open("rb") as file:
            return _looks_like_video(file.read(189))
    except OSError:
        return False


def _looks_like_video(head: bytes) -> bool:
    if head[4:8] == b"ftyp":
        return head[8:12] not in _STILL_BRANDS
    return (
        head[4:8] in (b"moov", b"mdat")
        or head.startswith((b"\x1a\x45\xdf\xa3", b"FLV\x01", b"YUV4MPEG2 ", b"DKIF", _ASF, b"\x00\x00\x01\xba"))
        or (head.startswith(b"RIFF") and head[8:12] == b"AVI ")
        or (len(head) == 189 and head[0] == 0x47 and head[188] == 0x47)
    )
