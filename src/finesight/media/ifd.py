"""The tables of tags ("image file directories") that TIFF files and EXIF blocks are made of.

TIFF 6.0, section 2, and the BigTIFF extension. Reading is forgiving: an entry that points outside the data is left out.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

__all__ = [
    "At",
    "Entry",
    "Field",
    "Layout",
    "Value",
    "merge",
    "pack",
    "rational",
    "read_header",
    "read_ifd",
    "recoded",
    "value_of",
]

At = Callable[[int, int], bytes]
"""Gives up to so many bytes from a position on; fewer at the end of the data."""

Value = int | float | str | bytes | tuple[int, ...] | tuple[float, ...]

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED = 1, 2, 3, 4, 5, 7

# type: (bytes of one value, struct code of its units, units in one value)
TYPES: dict[int, tuple[int, str, int]] = {
    1: (1, "B", 1),
    2: (1, "B", 1),
    3: (2, "H", 1),
    4: (4, "I", 1),
    5: (8, "I", 2),
    6: (1, "b", 1),
    7: (1, "B", 1),
    8: (2, "h", 1),
    9: (4, "i", 1),
    10: (8, "i", 2),
    11: (4, "f", 1),
    12: (8, "d", 1),
    13: (4, "I", 1),
    16: (8, "Q", 1),
    17: (8, "q", 1),
    18: (8, "Q", 1),
}
MOST_ENTRIES = 4096


@dataclass(frozen=True)
class Layout:
    """Byte order ("<" or ">") and whether offsets have 8 bytes (BigTIFF) instead of 4."""

    order: Literal["<", ">"]
    big: bool = False

    @property
    def entry_size(self) -> int:
        """Bytes of one entry of a table."""
        return 20 if self.big else 12

    @property
    def slot_size(self) -> int:
        """Bytes of an offset, and of a value that needs no offset."""
        return 8 if self.big else 4

    def number(self, value: int, size: int) -> bytes:
        """An unsigned integer of 2, 4 or 8 bytes."""
        return value.to_bytes(size, "little" if self.order == "<" else "big")

    def parse(self, data: bytes) -> int:
        """The unsigned integer that these bytes are."""
        return int.from_bytes(data, "little" if self.order == "<" else "big")


@dataclass(frozen=True)
class Entry:
    """One entry that was found: where it lies (`position`) and where its value's `size` bytes start."""

    tag: int
    type: int
    count: int
    position: int
    start: int
    size: int
    raw: bytes


@dataclass(frozen=True)
class Field:
    """One entry to be written: the value in the byte order of the table it goes into."""

    tag: int
    type: int
    count: int
    data: bytes


def read_header(at: At) -> tuple[Layout, int] | None:
    """Byte order and the position of the first table, or None where this is no TIFF structure."""
    head = at(0, 16)
    if head[:2] not in (b"II", b"MM") or len(head) < 8:
        return None
    order: Literal["<", ">"] = "<" if head[:2] == b"II" else ">"
    small = Layout(order)
    magic = small.parse(head[2:4])
    if magic == 42:
        return small, small.parse(head[4:8])
    if magic == 43 and len(head) == 16 and small.parse(head[4:6]) == 8:
        return Layout(order, big=True), small.parse(head[8:16])
    return None


def read_ifd(at: At, layout: Layout, position: int, end: int) -> tuple[dict[int, Entry], int]:
    """The entries of the table at `position` by tag, and the position of the next table (0 = none).

    Args:
        at: gives the data.
        layout: what `read_header` found.
        position: where the table begins.
        end: the size of the data; values beyond it are left out.
    """
    count_size = 8 if layout.big else 2
    header = at(position, count_size)
    if position < 8 or len(header) < count_size:
        return {}, 0
    count = min(layout.parse(header), MOST_ENTRIES)
    step, slot = layout.entry_size, layout.slot_size
    table = at(position + count_size, count * step + slot)
    entries: dict[int, Entry] = {}
    for index in range(min(count, len(table) // step)):
        raw = table[index * step : (index + 1) * step]
        tag, kind = layout.parse(raw[:2]), layout.parse(raw[2:4])
        number = layout.parse(raw[4 : step - slot])
        if kind not in TYPES or tag in entries:
            continue
        size = TYPES[kind][0] * number
        where = position + count_size + index * step
        start = where + step - slot if size <= slot else layout.parse(raw[step - slot :])
        if number and start + size <= end:
            entries[tag] = Entry(tag, kind, number, where, start, size, raw)
    following = table[count * step : count * step + slot]
    return entries, layout.parse(following) if len(following) == slot else 0


def value_of(at: At, layout: Layout, entry: Entry, *, most: int = 65536) -> Value:
    """An entry's value: text for ASCII, bytes for undefined, else a number or a tuple of numbers (rationals divided).

    Of longer values only the first `most` bytes are looked at.
    """
    width, code, units = TYPES[entry.type]
    data = at(entry.start, min(entry.size, most // width * width))
    data = data[: len(data) // width * width]
    if entry.type == ASCII:
        return data.split(b"\x00")[0].decode("utf-8", "replace")
    if entry.type == UNDEFINED or (entry.type == BYTE and entry.count > 8):
        return data
    numbers = struct.unpack(f"{layout.order}{len(data) // struct.calcsize(code)}{code}", data)
    if units == 2:
        numbers = tuple(a / b if b else 0.0 for a, b in zip(numbers[::2], numbers[1::2], strict=True))
    return numbers[0] if len(numbers) == 1 else numbers


def recoded(at: At, layout: Layout, entry: Entry, target: Layout) -> Field:
    """The entry as a field of a table in another byte order."""
    data = at(entry.start, entry.size)
    code = TYPES[entry.type][1]
    unit = struct.calcsize(code)
    if layout.order != target.order and unit > 1:
        data = np.frombuffer(data[: len(data) // unit * unit], f"u{unit}").byteswap().tobytes()
    return Field(entry.tag, entry.type, entry.count, data)


def rational(layout: Layout, tag: int, value: float) -> Field:
    """A field that holds a number from 0 up to 2^32-1 as a fraction."""
    ratio = Fraction(value).limit_denominator(max(1, min(10_000, int(2**32 / (value + 1)))))
    return Field(tag, RATIONAL, 1, layout.number(ratio.numerator, 4) + layout.number(ratio.denominator, 4))


def pack(fields: Iterable[Field], layout: Layout, base: int, following: int = 0) -> bytes:
    """A table to be placed at the even position `base`, followed by the values that do not fit into its entries."""
    return merge({}, {f.tag: f for f in fields}, layout, base, following)


def merge(
    old: Mapping[int, Entry], new: Mapping[int, Field | None], layout: Layout, base: int, following: int = 0
) -> bytes:
    """A table of old entries, whose values stay where they are, and new fields, which replace them (None: removed).

    Args:
        old: entries of a table in the same data.
        new: fields by tag.
        layout: of the data.
        base: the even position where the table will be placed.
        following: the position of the next table.
    """
    tags = sorted({tag for tag in old if tag not in new} | {tag for tag, f in new.items() if f is not None})
    count_size, slot = (8, 8) if layout.big else (2, 4)
    outside = base + count_size + len(tags) * layout.entry_size + slot
    rows, values = bytearray(), bytearray()
    for tag in tags:
        fresh = new.get(tag)
        if fresh is None:
            rows += old[tag].raw
            continue
        rows += layout.number(tag, 2) + layout.number(fresh.type, 2)
        rows += layout.number(fresh.count, layout.entry_size - 4 - slot)
        if len(fresh.data) <= slot:
            rows += fresh.data.ljust(slot, b"\x00")
        else:
            rows += layout.number(outside + len(values), slot)
            values += fresh.data + bytes(len(fresh.data) % 2)
    return layout.number(len(tags), count_size) + bytes(rows) + layout.number(following, slot) + bytes(values)
