"""JPEG marker segments (ITU-T T.81 annex B; Exif 2.32; ICC.1:2010 annex B.4; XMP part 3)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from finesight.media.exif import plain
from finesight.media.files import Opened
from finesight.media.picture import Picture
from finesight.media.tags import Tags

__all__ = ["iptc_from_resources", "only_pixels", "parse", "segments_for"]

_EXIF, _XMP, _MORE_XMP = b"Exif\x00\x00", b"http://ns.adobe.com/xap/1.0/\x00", b"http://ns.adobe.com/xmp/extension/\x00"
_ICC, _PHOTOSHOP = b"ICC_PROFILE\x00", b"Photoshop 3.0\x00"
_ROOM = 65533  # bytes of data in one segment
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # SOF0..SOF15


def _segments(opened: Opened) -> Iterator[tuple[int, int, int]]:
    """Marker, start and length of the data of each segment before the first scan."""
    position = 2
    while position + 4 <= opened.size:
        head = opened.at(position, 4)
        if head[0] != 0xFF:
            return
        if head[1] in (0xFF, 0x01) or 0xD0 <= head[1] <= 0xD8:  # padding and markers without data
            position += 1 if head[1] == 0xFF else 2
            continue
        length = int.from_bytes(head[2:], "big") - 2
        if head[1] in (0xD9, 0xDA) or length < 0 or position + 4 + length > opened.size:
            return
        yield head[1], position + 4, length
        position += 4 + length


def parse(opened: Opened) -> Tags:
    """Everything that the segments say."""
    tags = Tags()
    profile: dict[int, bytes] = {}
    density: tuple[float, float] | None = None
    for marker, start, length in _segments(opened):
        if not (marker in _FRAMES or 0xE0 <= marker <= 0xEF or marker == 0xFE):
            continue
        data = opened.at(start, length)
        if marker == 0xE0 and data[:5] == b"JFIF\x00" and length >= 12 and data[7] in (1, 2):
            across, down = struct.unpack(">HH", data[8:12])
            factor = 2.54 if data[7] == 2 else 1.0
            density = (across * factor, down * factor) if across and down else None
        elif marker == 0xE1:
            _take_app1(tags, data)
        elif marker == 0xE2 and data.startswith(_ICC) and length > 14:
            profile[data[12]] = data[14:]
        elif marker == 0xE2 and data.startswith(b"MPF\x00"):
            tags.notes.append("Further pictures in the file (a preview or an HDR gain map) were not read.")
        elif marker == 0xED and data.startswith(_PHOTOSHOP):
            tags.iptc = iptc_from_resources(data[len(_PHOTOSHOP) :]) or tags.iptc
        elif marker == 0xFE:
            tags.comments.append(("Comment", data.rstrip(b"\x00").decode("utf-8", "replace")))
        elif marker in _FRAMES and length >= 6:
            tags.bits, tags.coding = data[0], {1: "grey", 3: "YCbCr", 4: "CMYK"}.get(data[5], f"{data[5]} channels")
    if profile:
        tags.icc = b"".join(profile[number] for number in sorted(profile))
    tags.dpi = density
    return tags


def _take_app1(tags: Tags, data: bytes) -> None:
    if data.startswith(_EXIF) and tags.exif is None:
        tags.exif = plain(data)
        if tags.exif is None:
            tags.notes.append("The EXIF block is damaged and was left out.")
    elif data.startswith(_XMP):
        tags.xmp = data[len(_XMP) :]
    elif data.startswith(_MORE_XMP) and not any("extended XMP" in note for note in tags.notes):
        tags.notes.append("The extended XMP packet (a depth map or another large attachment) was not read.")


def iptc_from_resources(data: bytes) -> bytes | None:
    """The IPTC-IIM records among Photoshop's image resources (number 0x0404), or None."""
    position = 0
    while data[position : position + 4] == b"8BIM" and position + 12 <= len(data):
        number = int.from_bytes(data[position + 4 : position + 6], "big")
        start = position + 6 + (data[position + 6] + 2) // 2 * 2  # a name, its length first, padded to even
        length = int.from_bytes(data[start : start + 4], "big")
        if number == 0x0404:
            return data[start + 4 : start + 4 + length] or None
        position = start + 4 + (length + 1) // 2 * 2
    return None


def _segment(marker: int, data: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(data) + 2).to_bytes(2, "big") + data


def segments_for(picture: Picture) -> tuple[bytes, list[str]]:
    """The segments that carry a picture's metadata, to follow SOI, and a sentence for each that does not fit."""
    notes: list[str] = []
    units, across, down = 0, 1, 1
    if picture.dpi is not None and all(0.5 <= value < 65535 for value in picture.dpi):
        units, across, down = 1, round(picture.dpi[0]), round(picture.dpi[1])
    result = _segment(0xE0, b"JFIF\x00\x01\x02" + struct.pack(">BHHBB", units, across, down, 0, 0))
    resources = None
    if picture.iptc is not None:
        padded = picture.iptc + bytes(len(picture.iptc) % 2)
        resources = b"8BIM\x04\x04\x00\x00" + len(picture.iptc).to_bytes(4, "big") + padded
    for marker, start, data, what in (
        (0xE1, _EXIF, picture.exif, "EXIF block"),
        (0xE1, _XMP, picture.xmp, "XMP packet"),
        (0xED, _PHOTOSHOP, resources, "set of IPTC records"),
    ):
        if data is not None and len(start) + len(data) > _ROOM:
            notes.append(f"The {what} of {len(data):,} bytes does not fit into a JPEG file and was left out.")
        elif data is not None:
            result += _segment(marker, start + data)
    if picture.icc is not None:
        room = _ROOM - len(_ICC) - 2
        parts = [picture.icc[start : start + room] for start in range(0, len(picture.icc), room)]
        if len(parts) > 255:
            notes.append("The colour profile is too large for a JPEG file and was left out.")
        else:
            for number, part in enumerate(parts, start=1):
                result += _segment(0xE2, _ICC + bytes((number, len(parts))) + part)
    for key, value in picture.comments:
        text = value if key == "Comment" else f"{key}: {value}"
        result += _segment(0xFE, text.encode("utf-8", "replace")[:_ROOM])
    return result, notes


def only_pixels(head: bytes) -> tuple[bytes, bytes] | None:
    """Split the start of a JPEG file where metadata belongs, dropping the application segments that were there.

    Returns:
        what goes before and what after our segments, or None while `head` does not reach the first table yet.
    """
    position = 2
    while position + 4 <= len(head):
        if not 0xE0 <= head[position + 1] <= 0xEF:
            return head[:2], head[position:]
        position += 2 + int.from_bytes(head[position + 2 : position + 4], "big")
    return None
