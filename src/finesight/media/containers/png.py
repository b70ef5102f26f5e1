"""PNG chunks (PNG specification, third edition, W3C 2025)."""

from __future__ import annotations

import binascii
import struct
import zlib
from collections.abc import Iterator

from finesight.media.exif import plain
from finesight.media.files import Opened
from finesight.media.picture import Picture
from finesight.media.tags import Tags

__all__ = ["chunks_for", "only_pixels", "parse", "per_inch"]

_XMP_KEY = b"XML:com.adobe.xmp"
_MOST_TEXT = 2**24  # bytes that a compressed text or profile may grow to
_CODINGS = {0: "grey", 2: "RGB", 3: "palette", 4: "grey+alpha", 6: "RGBA"}


def _chunks(opened: Opened) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and length of the data of each chunk that is wholly there."""
    position = 8
    while position + 12 <= opened.size:
        head = opened.at(position, 8)
        length, name = int.from_bytes(head[:4], "big"), head[4:]
        if position + 12 + length > opened.size:
            return
        yield name, position + 8, length
        if name == b"IEND":
            return
        position += 12 + length


def parse(opened: Opened) -> Tags:
    """Everything that the chunks say; broken ones are left out with a note where that loses something."""
    tags = Tags()
    srgb = False
    for name, start, length in _chunks(opened):
        if name == b"IDAT" or length > _MOST_TEXT:
            continue
        data = opened.at(start, length)
        if name == b"IHDR" and length == 13:
            tags.bits, tags.coding = data[8], _CODINGS.get(data[9], "unknown")
            tags.size = int.from_bytes(data[:4], "big"), int.from_bytes(data[4:8], "big")
        elif name == b"tRNS":
            tags.coding += ", transparent colours"
        elif name == b"iCCP":
            tags.icc = _inflate(data.partition(b"\x00")[2][1:])
        elif name == b"eXIf":
            tags.exif = plain(data)
            if tags.exif is None:
                tags.notes.append("The EXIF block is damaged and was left out.")
        elif name == b"pHYs" and length == 9 and data[8] == 1:
            across, down = struct.unpack(">II", data[:8])
            tags.dpi = (per_inch(across), per_inch(down)) if across and down else None
        elif name == b"sRGB":
            srgb = True
        elif name == b"gAMA" and length == 4:
            tags.gamma = int.from_bytes(data, "big") / 100000
        elif name == b"cHRM" and length == 32:
            tags.chromaticities = tuple(value / 100000 for value in struct.unpack(">8I", data))
        elif name == b"cICP" and length == 4:
            tags.cicp = (data[0], data[1], data[2], data[3])
        elif name == b"acTL" and length == 8:
            tags.frames = max(1, int.from_bytes(data[:4], "big"))
        elif name in (b"tEXt", b"zTXt", b"iTXt"):
            _take_text(tags, name, data)
    if srgb:
        tags.gamma = tags.chromaticities = None
    return tags


def per_inch(per_metre: int) -> float:
    """Pixels per inch: the whole number that a file meant, where pixels per metre were rounded from one."""
    nearest = round(per_metre * 0.0254)
    return float(nearest) if round(nearest / 0.0254) == per_metre else per_metre * 0.0254


def _inflate(data: bytes) -> bytes | None:
    try:
        return zlib.decompressobj().decompress(data, _MOST_TEXT)
    except zlib.error:
        return None


def _take_text(tags: Tags, name: bytes, data: bytes) -> None:
    key, _, rest = data.partition(b"\x00")
    text: bytes | None = rest
    if name == b"zTXt":
        text = _inflate(rest[1:])
    elif name == b"iTXt":
        packed, body = rest[:1] == b"\x01", rest[2:].split(b"\x00", 2)
        text = None if len(body) < 3 else _inflate(body[2]) if packed else body[2]
    if text is None:
        return
    if key == _XMP_KEY:
        tags.xmp = text
    elif key.startswith(b"Raw profile type "):
        _take_raw_profile(tags, key, text)
    else:
        value = text.decode("utf-8" if name == b"iTXt" else "latin-1", "replace")
        tags.comments.append((key.decode("latin-1"), value))


def _take_raw_profile(tags: Tags, key: bytes, text: bytes) -> None:
    """ImageMagick's way before eXIf existed: name, length and hexadecimal digits as text."""
    words = text.split(maxsplit=2)
    try:
        data = binascii.unhexlify(b"".join(words[2].split()))
    except (IndexError, binascii.Error, ValueError):
        return
    kind = key.rsplit(b" ", 1)[-1]
    if kind in (b"exif", b"APP1", b"app1") and tags.exif is None:
        tags.exif = plain(data)
    elif kind == b"xmp" and tags.xmp is None:
        tags.xmp = data
    elif kind == b"iptc" and tags.iptc is None:
        from .jpeg import iptc_from_resources

        tags.iptc = iptc_from_resources(data) or data


def _chunk(name: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")


def chunks_for(picture: Picture) -> bytes:
    """The chunks that carry a picture's metadata, to be placed between IHDR and the pixels."""
    result = b""
    if picture.icc is not None:
        result += _chunk(b"iCCP", b"ICC profile\x00\x00" + zlib.compress(picture.icc))
    if picture.dpi is not None:
        across, down = (round(value / 0.0254) for value in picture.dpi)
        result += _chunk(b"pHYs", struct.pack(">IIB", across, down, 1))
    if picture.exif is not None:
        result += _chunk(b"eXIf", picture.exif)
    if picture.xmp is not None:
        result += _chunk(b"iTXt", _XMP_KEY + b"\x00\x00\x00\x00\x00" + picture.xmp)
    for key, value in picture.comments:
        keyword = key.encode("latin-1", "replace").replace(b"\x00", b" ").strip()[:79] or b"Comment"
        result += _chunk(
            b"iTXt", keyword + b"\x00\x00\x00\x00\x00" + value.replace("\x00", " ").encode("utf-8", "replace")
        )
    return result


def only_pixels(head: bytes) -> tuple[bytes, bytes] | None:
    """Split the start of a PNG file, up to its first pixels, where metadata belongs, dropping what was there.

    Returns:
        what goes before and what after our chunks, or None while `head` does not reach the pixels yet.
    """
    before, after, position = head[:8], b"", 8
    while position + 8 <= len(head):
        length, name = int.from_bytes(head[position : position + 4], "big"), head[position + 4 : position + 8]
        if name == b"IDAT":
            return before, after + head[position:]
        chunk = head[position : position + 12 + length]
        if len(chunk) < 12 + length:
            return None
        if name == b"IHDR":
            before += chunk
        elif name in (b"PLTE", b"tRNS"):
            after += chunk
        position += 12 + length
    return None
