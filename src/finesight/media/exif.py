"""EXIF blocks: read, corrected in place, moved into and out of TIFF files.

Corrections keep every other byte where it is, because maker notes hold offsets into the block that nobody else
understands. What does not fit in place goes into a new first table at the end of the block. Tags after Exif 2.32.
"""

from __future__ import annotations

from .ifd import (
    ASCII,
    LONG,
    SHORT,
    At,
    Entry,
    Field,
    Layout,
    Value,
    merge,
    pack,
    rational,
    read_header,
    read_ifd,
    recoded,
    value_of,
)

__all__ = [
    "assembled",
    "corrected",
    "fields_for",
    "from_tiff",
    "orientation",
    "pack_tables",
    "plain",
    "resolution",
    "says_adobe_rgb",
    "tables",
    "tags",
    "upright_exif",
]

EXIF_TABLE, GPS_TABLE, INTEROP_TABLE = 0x8769, 0x8825, 0xA005
ORIENTATION, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT, SOFTWARE = 0x112, 0x11A, 0x11B, 0x128, 0x131
_WIDTHS = (0x100, 0xA002)  # ImageWidth of the first table, PixelXDimension of the EXIF table
_HEIGHTS = (0x101, 0xA003)

Groups = dict[str, list[Field]]
"""Fields by table: "image", "exif", "gps", "interop"."""

IFD8 = 18

# What in a TIFF file's first table describes the picture rather than how its pixels are stored.
_TITLES = {0x10D, 0x10E, 0x11D, 0x13B, 0x8298}  # document, description, page, artist, copyright
_ORIGIN = {0x10F, 0x110, 0x131, 0x132, 0x13C, 0x9003}  # maker, model, software, date, computer, date taken
_PLACE = {0x112, 0x11A, 0x11B, 0x128}  # orientation and resolution
_WINDOWS = {0x4746, 0x4749, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F}  # stars, title, comment, author, keywords, subject
_CAMERA = {0xA430, 0xA431, 0xA433, 0xA434}  # owner, serial number, lens
DESCRIPTIVE = frozenset(_TITLES | _ORIGIN | _PLACE | _WINDOWS | _CAMERA)


def plain(data: bytes) -> bytes | None:
    """EXIF from its byte-order mark on, whatever stands in front of it; None where it is none."""
    if data[:6] == b"Exif\x00\x00":
        data = data[6:]
    return data if _open(data) else None


def _at(data: bytes | bytearray) -> At:
    return lambda start, count: bytes(data[start : start + count]) if start >= 0 else b""


def _open(data: bytes | bytearray) -> tuple[Layout, int] | None:
    header = read_header(_at(data))
    return None if header is None or header[0].big or not 8 <= header[1] < len(data) else header


def tables(data: bytes | bytearray) -> tuple[Layout, dict[str, dict[int, Entry]], int]:
    """Layout, the entries of the tables "image", "exif", "gps" and "interop", and where the thumbnail's is or 0."""
    header = _open(data)
    if header is None:
        return Layout("<"), {"image": {}, "exif": {}, "gps": {}, "interop": {}}, 0
    layout, first = header
    at, end = _at(data), len(data)
    found: dict[str, dict[int, Entry]] = {}
    found["image"], thumbnail = read_ifd(at, layout, first, end)
    for name, parent, tag in (
        ("exif", "image", EXIF_TABLE),
        ("gps", "image", GPS_TABLE),
        ("interop", "exif", INTEROP_TABLE),
    ):
        entry = found[parent].get(tag)
        where = value_of(at, layout, entry) if entry else 0
        found[name] = read_ifd(at, layout, where, end)[0] if isinstance(where, int) and where else {}
    return layout, found, thumbnail if thumbnail < end else 0


def orientation(exif: bytes) -> int:
    """How the stored pixels must be turned, 1..8; 1 where it is not said or impossible."""
    layout, found, _ = tables(exif)
    entry = found["image"].get(ORIENTATION)
    turned = value_of(_at(exif), layout, entry) if entry else 1
    return turned if isinstance(turned, int) and 1 <= turned <= 8 else 1


def resolution(exif: bytes) -> tuple[float, float] | None:
    """Pixels per inch, or None."""
    layout, found, _ = tables(exif)
    return resolution_in(_at(exif), layout, found["image"])


def resolution_in(at: At, layout: Layout, entries: dict[int, Entry]) -> tuple[float, float] | None:
    """Pixels per inch that the tags of a first table say, or None."""
    values = [
        value_of(at, layout, entries[tag]) if tag in entries else None
        for tag in (X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT)
    ]
    across, down, unit = values
    if not isinstance(across, (int, float)) or not isinstance(down, (int, float)) or unit == 1:
        return None
    factor = 2.54 if unit == 3 else 1.0
    return (across * factor, down * factor) if 0 < across < 1e9 and 0 < down < 1e9 else None


def says_adobe_rgb(exif: bytes) -> bool:
    """Whether a camera marked its pixels as Adobe RGB: interoperability index "R03"."""
    layout, found, _ = tables(exif)
    entry = found["interop"].get(1)
    return entry is not None and value_of(_at(exif), layout, entry) == "R03"


def upright_exif(exif: bytes) -> bytes:
    """The same block saying that the pixels are upright."""
    block = bytearray(exif)
    layout, found, _ = tables(block)
    _put_number(block, layout, found["image"].get(ORIENTATION), 1)
    return bytes(block)


def corrected(
    exif: bytes | None, *, width: int, height: int, dpi: tuple[float, float] | None, software: str | None
) -> bytes | None:
    """The block as it must stand in a file of this size: upright, sizes right, without thumbnail, software said.

    Args:
        exif: the block to be corrected, None to make a new one.
        width, height: size of the written picture.
        dpi: its resolution, None to leave whatever the block says.
        software: what wrote the file, None to leave whatever the block says.

    Returns:
        the block, or None where there was none and nothing is to be said.
    """
    wanted: dict[int, Field] = {}
    order = tables(exif)[0] if exif else Layout("<")
    if dpi is not None:
        for tag, value in ((X_RESOLUTION, dpi[0]), (Y_RESOLUTION, dpi[1])):
            wanted[tag] = rational(order, tag, value)
        wanted[RESOLUTION_UNIT] = Field(RESOLUTION_UNIT, SHORT, 1, order.number(2, 2))
    if software is not None:
        text = software.encode("utf-8") + b"\x00"
        wanted[SOFTWARE] = Field(SOFTWARE, ASCII, len(text), text)
    if exif is None or _open(exif) is None:
        return b"II*\x00\x08\x00\x00\x00" + pack(wanted.values(), Layout("<"), 8) if wanted else None
    block = bytearray(exif)
    _remove_thumbnail(block)
    layout, found, _ = tables(block)
    for tags_of_side, size in ((_WIDTHS, width), (_HEIGHTS, height)):
        for name, tag in zip(("image", "exif"), tags_of_side, strict=True):
            _put_number(block, layout, found[name].get(tag), size)
    _put_number(block, layout, found["image"].get(ORIENTATION), 1)
    missing = {tag: f for tag, f in wanted.items() if not _put_in_place(block, layout, found["image"].get(tag), f)}
    if missing:
        _append_first_table(block, layout, found["image"], missing)
    return bytes(block)


def _put_number(block: bytearray, layout: Layout, entry: Entry | None, value: int) -> None:
    if entry is None or entry.count != 1 or entry.type not in (SHORT, LONG):
        return
    kind, size = (SHORT, 2) if entry.type == SHORT and value < 65536 else (LONG, 4)
    start = entry.position
    block[start + 2 : start + 4] = layout.number(kind, 2)
    block[start + 8 : start + 12] = layout.number(value, size).ljust(4, b"\x00")


def _put_in_place(block: bytearray, layout: Layout, entry: Entry | None, new: Field) -> bool:
    if entry is None or entry.type != new.type or entry.size < len(new.data):
        return False
    if entry.count != new.count and (entry.type != ASCII or len(new.data) <= 4):
        return False
    block[entry.position + 4 : entry.position + 8] = layout.number(new.count, 4)
    block[entry.start : entry.start + entry.size] = new.data.ljust(entry.size, b"\x00")
    return True


def _append_first_table(block: bytearray, layout: Layout, old: dict[int, Entry], new: dict[int, Field]) -> None:
    block += bytes(len(block) % 2)
    base = len(block)
    block += merge(old, new, layout, base)
    block[4:8] = layout.number(base, 4)


def _remove_thumbnail(block: bytearray) -> None:
    """Unlink the thumbnail, which shows the picture before the change, and blank or cut off its bytes."""
    layout, found, where = tables(block)
    header = _open(block)
    if header is None:
        return
    first = header[1]
    link = first + 2 + layout.parse(bytes(block[first : first + 2])) * 12
    if link + 4 > len(block) or not any(block[link : link + 4]):
        return
    block[link : link + 4] = bytes(4)
    if not where:
        return
    entries, _ = read_ifd(_at(block), layout, where, len(block))
    data = _thumbnail_ranges(block, layout, entries)
    kept = [(first, link + 4)] + [(e.start, e.start + e.size) for t in found.values() for e in t.values()]
    kept += [(e.position, e.position + 12) for t in found.values() for e in t.values()]
    for start, stop in data:
        if not any(a < stop and start < b for a, b in kept):
            block[start:stop] = bytes(stop - start)
            if stop >= len(block) - 8:
                del block[start:]


def _thumbnail_ranges(block: bytearray, layout: Layout, entries: dict[int, Entry]) -> list[tuple[int, int]]:
    """Where the thumbnail's bytes are: JPEG (0x201, 0x202) or strips (0x111, 0x117); the last one first."""
    ranges = []
    for offset, length in ((0x201, 0x202), (0x111, 0x117)):
        if offset in entries and length in entries:
            starts, sizes = (value_of(_at(block), layout, entries[tag]) for tag in (offset, length))
            starts = starts if isinstance(starts, tuple) else (starts,)  # type: ignore[assignment]
            sizes = sizes if isinstance(sizes, tuple) else (sizes,)  # type: ignore[assignment]
            for start, size in zip(starts, sizes, strict=False):  # type: ignore[arg-type]
                if isinstance(start, int) and isinstance(size, int) and 8 <= start < start + size <= len(block):
                    ranges.append((start, start + size))
    return sorted(ranges, reverse=True)


def from_tiff(at: At, layout: Layout, first: dict[int, Entry], end: int) -> bytes | None:
    """An EXIF block of the descriptive tags of a TIFF file, or None where it has none."""
    target = Layout(layout.order)
    groups: Groups = {"image": [], "exif": [], "gps": [], "interop": []}
    small = [e for e in first.values() if e.tag in DESCRIPTIVE and e.type < 14 and e.size < 2**20]
    if resolution_in(at, layout, first) is None:
        small = [e for e in small if e.tag not in (X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT)]
    groups["image"] = [recoded(at, layout, e, target) for e in small if not _describes_storage(at, layout, e)]
    for name, parent, tag in (("exif", first, EXIF_TABLE), ("gps", first, GPS_TABLE)):
        entry = parent.get(tag)
        where = value_of(at, layout, entry) if entry else 0
        if isinstance(where, int) and where:
            entries = read_ifd(at, layout, where, end)[0]
            inner = entries.pop(INTEROP_TABLE, None)
            groups[name] = [recoded(at, layout, e, target) for e in entries.values() if e.type < 14 and e.size < 2**22]
            where = value_of(at, layout, inner) if inner else 0
            if name == "exif" and isinstance(where, int) and where:
                entries = read_ifd(at, layout, where, end)[0]
                groups["interop"] = [recoded(at, layout, e, target) for e in entries.values() if e.size < 4096]
    says_something = {f.tag for fields in groups.values() for f in fields} - _PLACE
    return assembled(groups, target) if says_something else None


def assembled(groups: Groups, layout: Layout) -> bytes:
    """An EXIF block of these fields."""
    sub, pointers = pack_tables(groups, layout, 8)
    first = pack([*groups["image"], *pointers], layout, 8 + len(sub))
    return (b"II*\x00" if layout.order == "<" else b"MM\x00*") + layout.number(8 + len(sub), 4) + sub + first


def _describes_storage(at: At, layout: Layout, entry: Entry) -> bool:
    """Descriptions in which scientific programs keep the shape of the array, which will be another one."""
    if entry.tag != 0x10E:
        return False
    text = str(value_of(at, layout, entry))[:400]
    return text.startswith(('{"shape"', "ImageJ=")) or "openmicroscopy.org" in text


def pack_tables(groups: Groups, layout: Layout, base: int) -> tuple[bytes, list[Field]]:
    """The EXIF, GPS and interoperability tables laid out from the even position `base` on (an even number of bytes),
    and the fields by which a first table points to them."""
    kind = IFD8 if layout.big else LONG
    result = bytearray()
    pointers: dict[int, Field] = {}
    for name, tag in (("interop", INTEROP_TABLE), ("exif", EXIF_TABLE), ("gps", GPS_TABLE)):
        fields = list(groups[name])
        if name == "exif" and INTEROP_TABLE in pointers:
            fields.append(pointers.pop(INTEROP_TABLE))
        if fields:
            start = base + len(result)
            result += pack(fields, layout, start)
            pointers[tag] = Field(tag, kind, 1, layout.number(start, layout.slot_size))
    return bytes(result), list(pointers.values())


def fields_for(exif: bytes, target: Layout) -> Groups:
    """The fields of a block in the byte order of a TIFF file; of its first table only what describes the picture."""
    layout, found, _ = tables(exif)
    groups: Groups = {}
    for name, entries in found.items():
        wanted = [e for e in entries.values() if e.tag not in (EXIF_TABLE, GPS_TABLE, INTEROP_TABLE)]
        if name == "image":
            wanted = [e for e in wanted if e.tag in DESCRIPTIVE]
        groups[name] = [recoded(_at(exif), layout, e, target) for e in wanted]
    return groups


def tags(exif: bytes) -> dict[str, Value]:
    """Every tag by name, in the order image, EXIF, GPS, interoperability; unknown ones as "0x1234"."""
    from PIL.ExifTags import GPSTAGS, TAGS

    layout, found, _ = tables(exif)
    named: dict[str, Value] = {}
    for group, entries in found.items():
        for tag, entry in entries.items():
            if tag in (EXIF_TABLE, GPS_TABLE, INTEROP_TABLE):
                continue
            name = (GPSTAGS if group == "gps" else TAGS).get(tag, f"0x{tag:04X}")
            named[name] = value_of(_at(exif), layout, entry)
    return named
