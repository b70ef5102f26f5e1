"""BMP and the netpbm family (PPM, PGM, PBM, PFM), written and read here: Pillow drops 16 bits and BMP's alpha."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from finesight.errors import InputError

from .files import Opened
from .picture import Picture, Pixels

__all__ = ["WRITERS", "NetpbmHeader", "netpbm_header", "netpbm_pixels"]

ROWS = 256
_TOKEN = re.compile(rb"(?:\s|#[^\r\n]*[\r\n])*([^\s#]+)")


@dataclass(frozen=True)
class NetpbmHeader:
    """The header of a netpbm file: kind "1".."6", "F", "f"; for floats `peak` is the signed scale of PFM."""

    kind: str
    width: int
    height: int
    peak: float
    start: int

    @property
    def channels(self) -> int:
        """1 or 3."""
        return 3 if self.kind in "36F" else 1


def netpbm_header(opened: Opened) -> NetpbmHeader:
    """Parse the header of a PBM, PGM, PPM or PFM file.

    Raises:
        InputError: it is damaged.
    """
    head = opened.at(0, 4096)
    kind = chr(head[1])
    values: list[bytes] = []
    position = 2
    while len(values) < (2 if kind in "14" else 3):
        found = _TOKEN.match(head, position)
        if found is None:
            raise InputError(f"{opened.name} has a damaged header: numbers are missing.")
        values.append(found.group(1))
        position = found.end()
    try:
        width, height = int(values[0]), int(values[1])
        peak = float(values[2]) if len(values) > 2 else 1.0
    except ValueError as error:
        raise InputError(f"{opened.name} has a damaged header: {values!r} should be numbers.") from error
    good = np.isfinite(peak) and peak != 0 if kind in "Ff" else 1 <= peak <= 65535 and peak == int(peak)
    if not good:
        raise InputError(f"{opened.name} has a damaged header: its largest value {peak:g} is impossible.")
    return NetpbmHeader(kind, width, height, peak, position + 1)


def netpbm_pixels(opened: Opened, header: NetpbmHeader) -> Pixels:
    """The pixels (H, W, 1 or 3): uint8 up to a largest value of 255, uint16 above, float32 for PFM.

    Raises:
        InputError: data is missing, or a value is above the stated largest.
    """
    samples = header.width * header.channels
    if header.kind in "123":
        return _plain(opened, header)
    if header.kind == "4":
        row = (header.width + 7) // 8
        packed = np.frombuffer(_data(opened, header, row * header.height), np.uint8).reshape(header.height, row)
        ink = np.unpackbits(packed, axis=1)[:, : header.width]
        return ((1 - ink) * np.uint8(255)).reshape(header.height, header.width, 1)
    if header.kind in "Ff":
        data = _data(opened, header, samples * header.height * 4)
        values = np.frombuffer(data, "<f4" if header.peak < 0 else ">f4").astype(np.float32)
        return np.ascontiguousarray(values.reshape(header.height, header.width, header.channels)[::-1])
    wide = header.peak > 255
    data = _data(opened, header, samples * header.height * (2 if wide else 1))
    values = np.frombuffer(data, ">u2" if wide else np.uint8)
    return _full_range(opened, values.reshape(header.height, header.width, header.channels), int(header.peak))


def _plain(opened: Opened, header: NetpbmHeader) -> Pixels:
    text = re.sub(rb"#[^\r\n]*", b" ", opened.at(header.start, opened.size))
    count = header.width * header.height * header.channels
    if len(text) < count:  # every number takes a character at least
        raise InputError(f"{opened.name} is cut short: {count:,} numbers are claimed.")
    if header.kind == "1":
        digits = np.frombuffer(bytes(c for c in text if c in b"01")[:count], np.uint8)
    else:
        words = text.split(maxsplit=count)[:count]
        try:
            digits = np.array([int(word) for word in words], dtype=np.int64)
        except (ValueError, OverflowError) as error:
            raise InputError(f"{opened.name} is damaged: not all of its pixels are numbers.") from error
    if len(digits) < count:
        raise InputError(f"{opened.name} is cut short: {len(digits):,} of {count:,} numbers are there.")
    shape = (header.height, header.width, header.channels)
    if header.kind == "1":
        return np.where(digits == ord("1"), np.uint8(0), np.uint8(255)).reshape(shape)
    if digits.min() < 0:
        raise InputError(f"{opened.name} is damaged: it holds negative values.")
    return _full_range(opened, digits.reshape(shape), int(header.peak))


def _full_range(opened: Opened, values: np.ndarray[Any, Any], peak: int) -> Pixels:
    depth, dtype = (255, np.uint8) if peak <= 255 else (65535, np.uint16)
    if peak == depth:
        if values.dtype.kind == "i" and int(values.max()) > peak:
            raise InputError(f"{opened.name} is damaged: a value is above its largest, {peak}.")
        return values.astype(dtype)
    if int(values.max()) > peak:
        raise InputError(f"{opened.name} is damaged: a value is above its largest, {peak}.")
    table = np.rint(np.arange(peak + 1) * (depth / peak)).astype(dtype)
    scaled: Pixels = table[values]
    return scaled


def _data(opened: Opened, header: NetpbmHeader, count: int) -> bytes:
    if opened.size - header.start < count:
        there = max(0, opened.size - header.start)
        raise InputError(f"{opened.name} is cut short: {count:,} bytes of pixels are claimed, {there:,} are there.")
    return opened.at(header.start, count)


def _write_ppm(path: Path, picture: Picture) -> None:
    """P5 for grey, P6 for RGB, 8 or 16 bits."""
    with path.open("wb") as file:
        kind = 5 if picture.channels == 1 else 6
        file.write(f"P{kind}\n{picture.width} {picture.height}\n{2**picture.depth - 1}\n".encode())
        for start in range(0, picture.height, ROWS):
            rows = picture.pixels[start : start + ROWS]
            file.write(rows.astype(">u2").tobytes() if picture.depth == 16 else rows.tobytes())


def _write_bmp(path: Path, picture: Picture) -> None:
    """8-bit grey with its palette, 24-bit BGR, or 32-bit BGRA with the V4 header that declares alpha; rows upwards."""
    grey, alpha = picture.channels == 1, picture.alpha is not None
    bits = 32 if alpha else 8 if grey else 24
    row = (picture.width * bits // 8 + 3) // 4 * 4
    header = 108 if alpha else 40
    palette = b"".join(bytes((v, v, v, 0)) for v in range(256)) if bits == 8 else b""
    start = 14 + header + len(palette)
    across, down = (round(d / 0.0254) for d in picture.dpi) if picture.dpi else (0, 0)
    with path.open("wb") as file:
        file.write(b"BM" + struct.pack("<IHHI", start + row * picture.height, 0, 0, start))
        file.write(
            struct.pack(
                "<IiiHHIIiiII",
                header,
                picture.width,
                picture.height,
                1,
                bits,
                3 if alpha else 0,  # BI_BITFIELDS: the masks that follow say where alpha is
                row * picture.height,
                across,
                down,
                len(palette) // 4,
                0,
            )
        )
        if alpha:
            file.write(struct.pack("<4I", 0x00FF0000, 0x0000FF00, 0x000000FF, 0xFF000000) + b"BGRs" + bytes(48))
        file.write(palette)
        _write_bmp_rows(file, picture, row)


def _write_bmp_rows(file: BinaryIO, picture: Picture, row: int) -> None:
    for stop in range(picture.height, 0, -ROWS):
        rows = picture.pixels[max(0, stop - ROWS) : stop][::-1]
        if picture.alpha is not None:
            alpha = picture.alpha[max(0, stop - ROWS) : stop][::-1, :, None]
            colour = rows[:, :, ::-1] if picture.channels == 3 else np.repeat(rows, 3, axis=2)
            rows = np.concatenate([colour, alpha], axis=2)
        else:
            rows = rows[:, :, ::-1]
        flat = rows.reshape(rows.shape[0], -1)
        file.write(np.pad(flat, ((0, 0), (0, row - flat.shape[1]))).tobytes())


WRITERS: dict[str, Callable[[Path, Picture], None]] = {"ppm": _write_ppm, "bmp": _write_bmp}
"""How to write the formats that need no library. Pictures come at a depth the format holds; alpha only for BMP."""
