"""`inspect`: everything about a picture file without decoding its pixels."""

from __future__ import annotations

from dataclasses import dataclass

from .decode import open_lazily
from .files import Source, open_input

__all__ = ["FileInfo", "inspect"]


@dataclass(frozen=True)
class FileInfo:
    """What a picture file says about itself."""

    name: str
    format: str
    bytes: int
    width: int
    height: int


def inspect(source: Source) -> FileInfo:
    """Read the header of a picture file."""
    with open_input(source) as opened:
        image = open_lazily(opened)
        return FileInfo(opened.name, opened.format, opened.size, image.width, image.height)
