"""TIFF and BigTIFF: tags read from the first page, EXIF and more appended to a finished file (TIFF 6.0, TIFF/EP)."""

from __future__ import annotations

from pathlib import Path

from finesight.errors import InputError
from finesight.media.exif import fields_for, from_tiff, pack_tables, resolution_in
from finesight.media.files import Opened
from finesight.media.ifd import SHORT, Entry, Field, Layout, merge, rational, read_header, read_ifd, value_of
from finesight.media.picture import Picture
from finesight.media.tags import Tags

__all__ = ["add_tags", "parse"]

_SUBFILE, _BITS, _PHOTOMETRIC, _ORIENTATION, _SUB_TABLES = 254, 258, 262, 274, 330
_RESOLUTIONS, _UNIT = (282, 283), 296
_XMP, _IPTC, _ICC, _DNG = 700, 33723, 34675, 50706
_CODINGS = {0: "grey", 1: "grey", 2: "RGB", 3: "palette", 5: "CMYK", 6: "YCbCr", 8: "Lab", 9: "Lab", 10: "Lab"}
_MOST_PAGES = 10_000
_MOST_BYTES = 2**26


def parse(opened: Opened) -> Tags:
    """Everything that the tags of the first page say.

    Raises:
        InputError: no table of tags, or a camera raw file.
    """
    header = read_header(opened.at)
    entries: dict[int, Entry] = {}
    if header is not None:
        layout, first = header
        entries, following = read_ifd(opened.at, layout, first, opened.size)
    if header is None or not entries:
        raise InputError(f"{opened.name} is damaged or cut short: it holds no table of tags.")

    def number(tag: int, default: int) -> int:
        value = value_of(opened.at, layout, entries[tag]) if tag in entries else default
        value = value[0] if isinstance(value, tuple) and value else value
        return value if isinstance(value, int) else default

    if _DNG in entries or opened.head[8:10] == b"CR" or (number(_SUBFILE, 0) & 1 and _SUB_TABLES in entries):
        raise InputError(
            f"{opened.name} is a camera raw file, whose first picture is only a preview. Develop it to TIFF first."
        )
    tags = Tags(bits=number(_BITS, 1))
    if tags.bits > 32:
        raise InputError(f"{opened.name} holds {tags.bits}-bit numbers. Convert it to 32-bit float or to 16 bits.")
    if tags.bits == 8 and number(_PHOTOMETRIC, 1) in (8, 9, 10):
        raise InputError(f"{opened.name} holds 8-bit Lab colours, which libvips does not read. Convert it to RGB.")
    tags.size = number(256, 0), number(257, 0)
    tags.coding = _CODINGS.get(number(_PHOTOMETRIC, 1), "unknown")
    turned = number(_ORIENTATION, 1)
    tags.orientation = turned if 1 <= turned <= 8 else 1
    tags.icc, tags.xmp, tags.iptc = (_bytes(opened, entries.get(tag)) for tag in (_ICC, _XMP, _IPTC))
    tags.dpi = resolution_in(opened.at, layout, entries)
    tags.exif = from_tiff(opened.at, layout, entries, opened.size)
    tags.frames = _count_pages(opened, layout, following)
    return tags


def _bytes(opened: Opened, entry: Entry | None) -> bytes | None:
    return opened.at(entry.start, entry.size) if entry is not None and entry.size <= _MOST_BYTES else None


def _count_pages(opened: Opened, layout: Layout, following: int) -> int:
    pages, seen = 1, {0}
    while following not in seen and pages < _MOST_PAGES:
        seen.add(following)
        entries, following = read_ifd(opened.at, layout, following, opened.size)
        pages += bool(entries)
    return pages


def add_tags(path: Path, picture: Picture) -> None:
    """Append a picture's EXIF, XMP and IPTC to a finished TIFF file and link them from a new first table.

    libvips leaves them out, and always writes a resolution. The pixels stay where they are;
    nothing is rewritten but the offset in the header.
    """
    with path.open("rb+") as file:

        def at(start: int, count: int) -> bytes:
            file.seek(start)
            return file.read(count)

        end = file.seek(0, 2)
        header = read_header(at)
        if header is None:  # cannot happen to a file that libvips has just written
            raise OSError(f"{path.name} is not a TIFF file after writing")
        layout, first = header
        old, following = read_ifd(at, layout, first, end)
        groups = (
            fields_for(picture.exif, layout) if picture.exif else {"image": [], "exif": [], "gps": [], "interop": []}
        )
        base = end + end % 2
        tables, pointers = pack_tables(groups, layout, base)
        fresh: dict[int, Field | None] = {f.tag: f for f in [*groups["image"], *pointers] if f.tag != _ORIENTATION}
        fresh.update(_resolution_fields(layout, picture.dpi))
        for tag, kind, data in ((_XMP, 1, picture.xmp), (_IPTC, 7, picture.iptc)):
            if data is not None:
                fresh[tag] = Field(tag, kind, len(data), data)
        position = base + len(tables)
        table = merge(old, fresh, layout, position, following)
        if not layout.big and position + len(table) >= 2**32:
            raise OSError("the metadata does not fit below the 4 GB of this TIFF file")
        file.seek(end)
        file.write(bytes(end % 2) + tables + table)
        file.seek(8 if layout.big else 4)
        file.write(layout.number(position, layout.slot_size))


def _resolution_fields(layout: Layout, dpi: tuple[float, float] | None) -> dict[int, Field]:
    """Pixels per inch, or square pixels of no stated size."""
    fields = {_UNIT: Field(_UNIT, SHORT, 1, layout.number(1 if dpi is None else 2, 2))}
    for tag, value in zip(_RESOLUTIONS, dpi or (1.0, 1.0), strict=True):
        fields[tag] = rational(layout, tag, value)
    return fields
