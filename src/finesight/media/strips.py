"""Giant pictures: read by strips of rows, written by rows, never whole in memory."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from finesight.errors import InputError, OutputError

from .atomic import atomically
from .colour import fits, is_srgb
from .decode import LIMIT, check_limit, lazily_rgb, open_lazily, samples
from .encode import encode
from .files import Opened, Source, open_input
from .formats import check_size, find_format
from .libvips import damage, vips
from .metadata import profile_of, read_tags
from .picture import DTYPES, Depth, Picture, Pixels
from .reading import remarks
from .tags import Tags
from .writing import Keep, with_metadata
from .xmp import usable

__all__ = ["STREAMED", "StripReader", "blank", "why_not_written", "write_rows"]

STREAMED = ("tiff", "png")
"""Formats that `write_rows` writes."""

_READ = frozenset({"jpeg", "png", "tiff"})
_ROWS = 64  # decoded in one go


def blank(width: int, height: int, channels: int, depth: Depth, **facts: Any) -> Picture:
    """A picture of that size that takes no memory, to carry metadata; its pixels are all zero and must not be written.

    Args:
        width, height: in pixels.
        channels: 1 or 3, without alpha.
        depth: 8, 16 or 32.
        facts: the other attributes of `Picture`; `alpha` is an attribute too.
    """
    zero = np.zeros((1, 1, channels), DTYPES[depth])
    return Picture(pixels=np.broadcast_to(zero, (height, width, channels)), depth=depth, **facts)


class StripReader:
    """An upright JPEG (baseline), PNG (not interlaced) or TIFF picture, read from top to bottom; a context manager.

    Attributes:
        header: everything that `read` would give but the pixels: a `blank` picture, its alpha blank too.
        width, height, channels, depth: of the picture; `channels` without alpha.
        has_alpha: whether the rows end in alpha.

    Raises:
        InputError: the file cannot be read, or not by strips (`why` says so before): turned by its EXIF orientation,
            progressive, interlaced, of another format.
    """

    def __init__(self, source: Source, *, limit: int | None = LIMIT) -> None:
        self._opened = open_input(source)
        try:
            self._start(limit)
        except BaseException:
            self._opened.close()
            raise

    @staticmethod
    def why_not(source: Source) -> str:
        """Why a picture cannot be read by strips; empty where it can."""
        try:
            with StripReader(source):
                return ""
        except InputError as error:
            return str(error)

    def _start(self, limit: int | None) -> None:
        opened = self._opened
        reason = "" if opened.format in _READ else f"{opened.format} is not decoded by rows"
        tags = Tags() if reason else read_tags(opened)
        if tags.size is not None:
            check_limit(opened, *tags.size, limit)
        if not reason and tags.orientation != 1:
            reason = "it has to be turned upright"
        lazy = None if reason else open_lazily(opened)
        if lazy is not None and any(
            name in lazy.get_fields() and lazy.get(name) for name in ("interlaced", "jpeg-multiscan")
        ):
            reason = "it is progressive or interlaced"
        if reason or lazy is None:
            raise InputError(f"{opened.name} cannot be read by strips: {reason}. It has to be read whole.")
        check_limit(opened, lazy.width, lazy.height, limit)
        self._notes: list[str] = []
        image, converted = lazily_rgb(opened, lazy, self._notes)
        self._image = image
        self._region = vips().Region.new(image)
        self._next = 0
        self._kept = np.zeros((0, image.width, image.bands), np.uint8)
        self._first = 0
        self.header = self._header(opened, tags, image, converted)
        self.width, self.height = self.header.width, self.header.height
        self.channels, self.depth = self.header.channels, self.header.depth
        self.has_alpha = self.header.alpha is not None

    def _header(self, opened: Opened, tags: Tags, image: Any, converted: bool) -> Picture:
        dtype = {"uchar": np.uint8, "ushort": np.uint16}.get(image.format, np.float32)
        depth: Depth = 8 if dtype == np.uint8 else 16 if dtype == np.uint16 else 32
        channels = 1 if image.bands <= 2 else 3
        icc, note = (None, "") if converted else profile_of(tags, grey=channels == 1)
        notes = [*remarks(opened, tags), *tags.notes, *([note] if note else []), *self._notes]
        xmp = tags.xmp
        if xmp is not None and not usable(xmp):
            xmp = None
            notes.append("The XMP packet is damaged and was left out.")
        alpha = np.broadcast_to(np.zeros((1, 1), dtype), (image.height, image.width))
        return blank(
            image.width,
            image.height,
            channels,
            depth,
            alpha=alpha if image.bands in (2, 4) else None,
            icc=icc,
            exif=tags.exif,
            xmp=xmp,
            dpi=tags.dpi,
            format=opened.format,
            times=opened.times,
            notes=tuple(dict.fromkeys(notes)),
            iptc=tags.iptc,
            comments=tuple(tags.comments),
        )

    def __enter__(self) -> StripReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._opened.close()

    def rows(self, top: int, count: int) -> Pixels:
        """Rows ``top`` to ``top + count``: (count, width, channels [+ 1 with alpha]) in the file's depth.

        `top` never goes back; rows above it are forgotten, those from it on are kept for the next strip.

        Raises:
            InputError: the file is damaged or cut short there.
            ValueError: rows above an earlier `top`, or outside the picture.
        """
        if top < self._first or count < 1 or top + count > self.height:
            raise ValueError(f"rows {top} to {top + count} of {self.height}, after rows from {self._first} on")
        pieces = [self._kept[top - self._first :]] if top < self._next else []
        while self._next < top + count:
            piece = self._decode()
            begin = max(0, top - (self._next - len(piece)))
            if begin < len(piece):
                pieces.append(piece[begin:])
        self._kept = np.concatenate(pieces) if len(pieces) > 1 else pieces[0].copy()
        self._first = top
        return self._kept[:count]

    def _decode(self) -> Pixels:
        count = min(_ROWS, self.height - self._next)
        try:
            data = self._region.fetch(0, self._next, self.width, count)
        except (vips().Error, UnicodeDecodeError) as error:
            raise InputError(damage(self._opened.name, self._opened.format, error)) from error
        self._next += count
        array = np.frombuffer(data, samples(self._image)).reshape(count, self.width, self._image.bands)
        if array.dtype == np.uint32:
            return (array / np.float64(2**32 - 1)).astype(np.float32)
        return array


def why_not_written(header: Picture, format: str, metadata: Keep) -> str:  # noqa: A002
    """Why such a picture cannot be written by rows; empty where it can."""
    if format not in STREAMED:
        return f"{format} is not written by rows"
    if header.depth not in find_format(format).depths:
        return f"{format} does not hold this depth"
    if metadata == "strip" and header.icc is not None and not is_srgb(header.icc, header.channels):
        return "its colours have to be converted to sRGB"
    return ""


def write_rows(
    path: str | os.PathLike[str],
    header: Picture,
    rows: Iterable[Pixels],
    *,
    format: str,  # noqa: A002 (the user's word)
    metadata: Keep = "keep",
    provenance: Mapping[str, str] | None = None,
) -> tuple[str, ...]:
    """Write a TIFF or PNG file from its rows, whole or not at all; what `write` does, in little memory.

    Args:
        path: where to; an existing file is replaced.
        header: a `blank` picture of the size, depth and channels of the result, with its metadata.
        rows: strips (n, width, channels [+ 1 with alpha]) of the header's dtype, from the top; their heights may vary.
        format, metadata, provenance: as for `write`.

    Returns:
        One sentence for everything that the format could not hold.

    Raises:
        OutputError: a format or conversion that needs the whole picture, the disk is full, ...
        Whatever `rows` raises.
    """
    reason = why_not_written(header, format, metadata)
    if reason:
        raise OutputError(f"{path} cannot be written by rows: {reason}.")
    bands = header.channels + (header.alpha is not None)
    check_size(format, header.width, header.height, channels=bands)
    notes: list[str] = []
    if header.icc is not None and not fits(header.icc, header.channels):
        header = header.replace(icc=None)
        notes.append("The colour profile did not fit the pixels and was left out.")
    ready = with_metadata(header, find_format(format), metadata, provenance, notes)
    if header.alpha is not None:
        ready = ready.replace(alpha=header.alpha)
    feed = _Feed(header, bands, rows)
    with atomically(Path(path)) as temporary:
        try:
            notes += encode(temporary, ready, format, 100, image=feed.image)
        except Exception:
            if feed.error is not None:
                raise feed.error from None
            raise
        if feed.error is not None:
            raise feed.error
        if metadata == "keep" and header.times is not None:
            os.utime(temporary, ns=header.times)
    return tuple(notes)


class _Feed:
    """Rows as a file that libvips reads while it writes: an uncompressed BigTIFF whose header we make up."""

    def __init__(self, header: Picture, bands: int, rows: Iterable[Pixels]) -> None:
        self.error: BaseException | None = None
        self._dtype = np.dtype(DTYPES[header.depth])
        self._line = header.width * bands * self._dtype.itemsize
        self._head = _big_tiff(header, bands, self._line)
        self._size = len(self._head) + self._line * header.height
        self._position = 0
        self._shape = (header.width, bands)
        self._rows: Iterator[Pixels] = iter(rows)
        self._data = memoryview(b"")
        self._begin = len(self._head)  # where _data lies in the file

    def image(self) -> Any:
        """A libvips image over the rows."""
        self._source = vips().SourceCustom()  # libvips does not keep the callbacks alive
        self._source.on_read(self._read)
        self._source.on_seek(self._seek)
        return vips().Image.tiffload_source(self._source, access="sequential", fail_on="error")

    def _seek(self, offset: int, whence: int) -> int:
        base = {0: 0, 1: self._position, 2: self._size}[whence]
        self._position = base + offset
        return self._position

    def _read(self, count: int) -> bytes:
        try:
            data = self._bytes(min(count, self._size - self._position))
        except BaseException as error:  # nothing may pass through libvips; it is raised again behind it
            self.error = self.error or error
            return b""
        self._position += len(data)
        return data

    def _bytes(self, count: int) -> bytes:
        if count <= 0:
            return b""
        if self._position < len(self._head):
            return self._head[self._position : self._position + count]
        while self._position >= self._begin + len(self._data):
            strip = next(self._rows, None)
            if strip is None or strip.shape[1:] != self._shape or strip.dtype != self._dtype:
                found = "no more" if strip is None else f"{strip.dtype} {strip.shape}"
                raise ValueError(f"rows of {self._dtype} {self._shape} are wanted, there are {found}")
            self._begin += len(self._data)
            self._data = memoryview(np.ascontiguousarray(strip).tobytes())
        start = self._position - self._begin
        if start < 0:
            raise ValueError("rows were asked for a second time")
        return bytes(self._data[start : start + count])


def _big_tiff(header: Picture, bands: int, line: int) -> bytes:
    """The start of a little-endian BigTIFF file of raw rows in strips of one row, up to its first pixel."""
    bits = header.depth
    entries: list[tuple[int, int, list[int]]] = [
        (256, 4, [header.width]),
        (257, 4, [header.height]),
        (258, 3, [bits] * bands),
        (259, 3, [1]),  # no compression
        (262, 3, [1 if header.channels == 1 else 2]),
        (273, 16, []),  # where the strips are; filled in below
        (277, 3, [bands]),
        (278, 4, [1]),  # rows in a strip
        (279, 16, [line] * header.height),
        (284, 3, [1]),
    ]
    if header.alpha is not None:
        entries.append((338, 3, [2]))  # alpha that is not premultiplied
    entries.append((339, 3, [3 if bits == 32 else 1] * bands))
    codes = {3: "H", 4: "I", 16: "Q"}
    table = 16 + 8 + 20 * len(entries) + 8
    extra = {tag: len(values) * struct.calcsize(codes[kind]) for tag, kind, values in entries}
    extra[273] = 8 * header.height
    first = table + sum(-(-size // 8) * 8 for size in extra.values() if size > 8)
    offsets = [first + line * row for row in range(header.height)]
    result = struct.pack("<2sHHHQQ", b"II", 43, 8, 0, 16, len(entries))
    values_at, values_data = table, b""
    for tag, kind, values in entries:
        values = offsets if tag == 273 else values
        data = struct.pack(f"<{len(values)}{codes[kind]}", *values)
        padded = data + bytes(-len(data) % 8)
        if len(data) > 8:
            slot = struct.pack("<Q", values_at + len(values_data))
            values_data += padded
        else:
            slot = padded
        result += struct.pack("<HHQ", tag, kind, len(values)) + slot
    return result + bytes(8) + values_data
