"""AVIF and HEIC: the boxes of a HEIF file (ISO 14496-12, 23008-12; colour by numbers after ITU-T H.273)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from finesight.media.files import Opened
from finesight.media.ifd import At

__all__ = ["PLACEHOLDER", "colour_numbers", "largest_claim", "with_exif"]

PLACEHOLDER = b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00"
"""A valid empty EXIF block: libheif makes an item of it, whose bytes `with_exif` then exchanges."""

_MOST_META = 2**24


def _boxes(data: bytes, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of the content of each box between two positions."""
    while start + 8 <= stop:
        size, name, body = int.from_bytes(data[start : start + 4], "big"), data[start + 4 : start + 8], start + 8
        if size == 1:
            size, body = int.from_bytes(data[start + 8 : start + 16], "big"), start + 16
        elif size == 0:
            size = stop - start
        if size < body - start or start + size > stop:
            return
        yield name, body, start + size
        start += size


def _meta(at: At, end: int) -> tuple[bytes, int] | None:
    """The content of the top "meta" box and where it begins in the file."""
    position = 0
    while position + 8 <= end:
        head = at(position, 16)
        size, body = int.from_bytes(head[:4], "big"), 8
        if size == 1:
            size, body = int.from_bytes(head[8:16], "big"), 16
        size = size or end - position
        if size < body:
            return None
        if head[4:8] == b"meta":
            return at(position + body, min(size - body, _MOST_META)), position + body
        position += size
    return None


def _inside(data: bytes, name: bytes, start: int, stop: int) -> tuple[int, int] | None:
    return next(((a, b) for found, a, b in _boxes(data, start, stop) if found == name), None)


def _properties(opened: Opened) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of each property of the file's items."""
    found = _meta(opened.at, opened.size)
    data = found[0] if found else b""
    outer = _inside(data, b"iprp", 4, len(data))
    inner = _inside(data, b"ipco", *outer) if outer else None
    for name, start, stop in _boxes(data, *inner) if inner else ():
        yield name, data[start:stop]


def colour_numbers(opened: Opened) -> tuple[int, int, int, int] | None:
    """Primaries, transfer, matrix and full-range flag that the file states for its pixels, or None."""
    for name, data in _properties(opened):
        if name == b"colr" and data[:4] == b"nclx" and len(data) >= 11:
            numbers = [int.from_bytes(data[k : k + 2], "big") for k in (4, 6, 8)]
            return numbers[0], numbers[1], numbers[2], data[10] >> 7
    return None


def largest_claim(opened: Opened) -> tuple[int, int]:
    """The longest width and the longest height that any item of the file claims."""
    sizes = [(0, 0)]
    for name, data in _properties(opened):
        if name == b"ispe" and len(data) >= 12:
            sizes.append((int.from_bytes(data[4:8], "big"), int.from_bytes(data[8:12], "big")))
    return max(width for width, _ in sizes), max(height for _, height in sizes)


def with_exif(encoded: bytearray, exif: bytes) -> bool:
    """Exchange the bytes of the EXIF item of an encoded file: appended at its end, and the item pointed there.

    libvips passes EXIF through a library that rewrites it and loses maker notes on the way.

    Returns:
        whether the file has an EXIF item that could be exchanged.
    """
    found = _meta(lambda start, count: bytes(encoded[start : start + count]), len(encoded))
    if found is None:
        return False
    data, base = found
    items, places = _inside(data, b"iinf", 4, len(data)), _inside(data, b"iloc", 4, len(data))
    number = _exif_item(data, *items) if items else None
    if number is None or places is None:
        return False
    payload = (6).to_bytes(4, "big") + b"Exif\x00\x00" + exif
    box = (len(payload) + 8).to_bytes(4, "big") + b"mdat" + payload
    target = len(encoded) + 8

    def put(position: int, size: int, value: int) -> None:
        encoded[base + position : base + position + size] = value.to_bytes(size, "big")

    if not _relocate(data, places[0], number, target, len(payload), put):
        return False
    encoded += box
    return True


def _exif_item(data: bytes, start: int, stop: int) -> int | None:
    """The number of the item of type "Exif" (version 2 or 3 of the item information entry)."""
    count = 2 if data[start] == 0 else 4
    for name, body, _ in _boxes(data, start + 4 + count, stop):
        size = 2 if data[body] == 2 else 4
        kind = data[body + 4 + size + 2 : body + 4 + size + 6]
        if name == b"infe" and kind == b"Exif":
            return int.from_bytes(data[body + 4 : body + 4 + size], "big")
    return None


def _relocate(
    data: bytes, start: int, number: int, target: int, length: int, put: Callable[[int, int, int], None]
) -> bool:
    """Point the first extent of an item elsewhere in the file."""
    version = data[start]
    offset_size, length_size = data[start + 4] >> 4, data[start + 4] & 15
    base_size, index_size = data[start + 5] >> 4, data[start + 5] & 15 if version else 0
    wide = 4 if version == 2 else 2
    count = int.from_bytes(data[start + 6 : start + 6 + wide], "big")
    position = start + 6 + wide
    for _ in range(count):
        item = int.from_bytes(data[position : position + wide], "big")
        position += wide
        method = int.from_bytes(data[position : position + 2], "big") & 15 if version else 0
        position += (2 if version else 0) + 2  # construction method, data reference
        shift = int.from_bytes(data[position : position + base_size], "big")
        position += base_size
        extents = int.from_bytes(data[position : position + 2], "big")
        position += 2
        if item == number:
            if extents != 1 or method != 0 or not offset_size or not length_size:
                return False
            put(position + index_size, offset_size, target - shift)
            put(position + index_size + offset_size, length_size, length)
            return True
        position += extents * (index_size + offset_size + length_size)
    return False
