"""WebP: RIFF chunks (RFC 9649)."""

from __future__ import annotations

from collections.abc import Iterator

from finesight.errors import OutputError
from finesight.media.exif import plain
from finesight.media.files import Opened
from finesight.media.picture import Picture
from finesight.media.tags import Tags

__all__ = ["assembled", "parse"]

_ICC_FLAG, _ALPHA_FLAG, _EXIF_FLAG, _XMP_FLAG = 0x20, 0x10, 0x08, 0x04
_MOST_BYTES = 2**26


def _chunks(opened: Opened) -> Iterator[tuple[bytes, int, int]]:
    position = 12
    while position + 8 <= opened.size:
        head = opened.at(position, 8)
        length = int.from_bytes(head[4:], "little")
        if position + 8 + length > opened.size:
            return
        yield head[:4], position + 8, length
        position += 8 + length + length % 2


def parse(opened: Opened) -> Tags:
    """Profile, EXIF, XMP and the number of frames."""
    tags = Tags(bits=8, coding="YCbCr")
    frames = 0
    for name, start, length in _chunks(opened):
        if name == b"VP8L":
            tags.coding = "lossless"
        elif name == b"ANMF":
            frames += 1
        elif length > _MOST_BYTES:
            continue
        elif name == b"ICCP":
            tags.icc = opened.at(start, length)
        elif name == b"EXIF":
            tags.exif = plain(opened.at(start, length))
            if tags.exif is None:
                tags.notes.append("The EXIF block is damaged and was left out.")
        elif name == b"XMP ":
            tags.xmp = opened.at(start, length)
    tags.frames = max(1, frames)
    return tags


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + len(data).to_bytes(4, "little") + data + bytes(len(data) % 2)


def assembled(encoded: bytes, picture: Picture) -> list[bytes]:
    """A WebP file without metadata together with that of a picture, in pieces to be written one after the other.

    Raises:
        OutputError: the file would pass the 4 GB that RIFF can count.
    """
    pixels = {b"ALPH": b"", b"VP8 ": b"", b"VP8L": b""}
    position = 12
    while position + 8 <= len(encoded):
        name, length = encoded[position : position + 4], int.from_bytes(encoded[position + 4 : position + 8], "little")
        if name in pixels:
            pixels[name] = encoded[position : position + 8 + length + length % 2]
        position += 8 + length + length % 2
    flags = _ALPHA_FLAG if picture.alpha is not None else 0
    before, after = b"", b""
    if picture.icc is not None:
        flags, before = flags | _ICC_FLAG, _chunk(b"ICCP", picture.icc)
    if picture.exif is not None:
        flags, after = flags | _EXIF_FLAG, _chunk(b"EXIF", picture.exif)
    if picture.xmp is not None:
        flags, after = flags | _XMP_FLAG, after + _chunk(b"XMP ", picture.xmp)
    pieces = [before, *pixels.values(), after]
    if before or after or pixels[b"ALPH"]:
        size = (picture.width - 1).to_bytes(3, "little") + (picture.height - 1).to_bytes(3, "little")
        pieces.insert(0, _chunk(b"VP8X", bytes((flags, 0, 0, 0)) + size))
    total = 4 + sum(len(piece) for piece in pieces)
    if total >= 2**32:
        raise OutputError(
            "A webp file ends at 4 GB and this one would be larger. Choose another format (--format png)."
        )
    return [b"RIFF" + total.to_bytes(4, "little") + b"WEBP", *pieces]
