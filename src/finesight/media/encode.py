"""Pixels and metadata into a file of each format; the picture comes ready, see `writing`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from finesight.errors import OutputError

from . import raw
from .containers import heif, jpeg, png, tiff, webp
from .libvips import failure, from_bands, vips
from .picture import Picture

__all__ = ["encode"]

_BIG_TIFF = 3_900_000_000  # bytes of pixels from which offsets may need 8 bytes, whatever compression saves


def encode(
    path: Path,
    picture: Picture,
    format: str,  # noqa: A002
    quality: int,
    *,
    image: Callable[[], Any] | None = None,
) -> list[str]:
    """Write a picture, at a depth and in a mode that the format holds, with exactly the metadata it carries.

    With `image`, a maker of a libvips image of the same shape, its pixels are written (TIFF and PNG only).

    Returns:
        one sentence for everything that did not fit.

    Raises:
        OSError: the disk is full, ...
        OutputError: libvips refused.
    """
    if format in raw.WRITERS:
        raw.WRITERS[format](path, picture)
        return []
    try:
        if image is not None:
            return {"png": _png, "tiff": _tiff}[format](path, picture, quality, image())
        return _ENCODERS[format](path, picture, quality)
    except vips().Error as error:
        text = failure(error)
        if "No space left" in str(error):
            raise OSError(28, "No space left on device") from error
        if "File too large" in str(error):
            raise OSError(27, "File too large") from error
        raise OutputError(f"The picture could not be written as {format}: {text}.") from error


def _image(picture: Picture) -> Any:
    arrays = [picture.pixels] if picture.alpha is None else [picture.pixels, picture.alpha]
    spaces = {8: ("b-w", "srgb"), 16: ("grey16", "rgb16"), 32: ("b-w", "scrgb")}
    return from_bands(*arrays).copy(interpretation=spaces[picture.depth][picture.channels == 3])


class _Sink:
    """Takes what libvips writes, and puts our metadata where the format wants it."""

    def __init__(self, file: BinaryIO, split: Callable[[bytes], tuple[bytes, bytes] | None], metadata: bytes) -> None:
        self.file = file
        self.split = split
        self.metadata = metadata
        self.held: bytes | None = b""
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        """How many bytes were taken; -1 after an error, which libvips then reports without its reason."""
        try:
            if self.held is None:
                self.file.write(data)
            else:
                self.held += data
                parts = self.split(self.held)
                if parts is not None:
                    self.file.write(parts[0] + self.metadata + parts[1])
                    self.held = None
        except OSError as error:
            self.error = error
            return -1
        return len(data)

    def save(self, save: Callable[[Any], None]) -> None:
        """Let libvips write through this."""
        target = vips().TargetCustom()
        target.on_write(self.write)
        try:
            save(target)
        except vips().Error:
            if self.error is not None:
                raise self.error from None
            raise
        if self.error is not None:
            raise self.error


def _png(path: Path, picture: Picture, _: int, image: Any = None) -> list[str]:
    image = _image(picture) if image is None else image
    with path.open("wb") as file:
        sink = _Sink(file, png.only_pixels, png.chunks_for(picture))
        sink.save(lambda target: image.pngsave_target(target, compression=6, filter="up", keep="none"))
    return []


def _jpeg(path: Path, picture: Picture, quality: int) -> list[str]:
    segments, notes = jpeg.segments_for(picture)
    with path.open("wb") as file:
        sink = _Sink(file, jpeg.only_pixels, segments)
        sink.save(lambda target: _image(picture).jpegsave_target(target, Q=quality, optimize_coding=True, keep="none"))
    return notes


def _webp(path: Path, picture: Picture, quality: int) -> list[str]:
    lossless = quality == 100
    encoded = _image(picture).webpsave_buffer(
        Q=quality, lossless=lossless, exact=lossless, smart_subsample=not lossless, keep="none"
    )
    with path.open("wb") as file:
        for piece in webp.assembled(encoded, picture):
            file.write(piece)
    return []


def _tiff(path: Path, picture: Picture, _: int, image: Any = None) -> list[str]:
    image = _image(picture) if image is None else image.copy()
    if picture.icc is not None:
        image.set_type(vips().GValue.blob_type, "icc-profile-data", picture.icc)
    size = picture.pixels.nbytes + (0 if picture.alpha is None else picture.alpha.nbytes)
    image.tiffsave(
        str(path),
        compression="deflate",
        predictor="none" if picture.depth == 32 else "horizontal",  # few other programs undo the one for float
        bigtiff=size > _BIG_TIFF,
        keep="icc",
    )
    tiff.add_tags(path, picture)
    return []


def _avif(path: Path, picture: Picture, quality: int) -> list[str]:
    if picture.depth == 16:
        picture = picture.replace(
            pixels=_twelve_bits(picture.pixels),
            alpha=None if picture.alpha is None else _twelve_bits(picture.alpha),
        )
    image = _image(picture)
    kept = []
    for kind, name, data in (
        ("icc", "icc-profile-data", picture.icc),
        ("xmp", "xmp-data", picture.xmp),
        ("exif", "exif-data", heif.PLACEHOLDER if picture.exif else None),
    ):
        if data is not None:
            image.set_type(vips().GValue.blob_type, name, data)
            kept.append(kind)
    encoded = image.heifsave_buffer(
        compression="av1",
        Q=quality,
        lossless=quality == 100,
        bitdepth=12 if picture.depth == 16 else 8,
        subsample_mode="off" if quality >= 80 else "auto",
        keep="|".join(kept) or "none",  # with "exif" and no block libvips would write one of its own
    )
    notes = []
    if picture.exif is not None:
        encoded = bytearray(encoded)
        if not heif.with_exif(encoded, picture.exif):
            notes.append("The EXIF block could not be put into the AVIF file and was left out.")
    with path.open("wb") as file:
        file.write(encoded)
    return notes


def _twelve_bits(array: Any) -> Any:
    """16 bits rounded to 12, which libvips expects in the upper bits and would otherwise cut."""
    table = (np.rint(np.arange(65536) * (4095 / 65535)).astype(np.uint16)) << np.uint16(4)
    result = np.empty_like(array)
    for start in range(0, array.shape[0], 256):
        result[start : start + 256] = table[array[start : start + 256]]
    return result


_ENCODERS: dict[str, Callable[[Path, Picture, int], list[str]]] = {
    "png": _png,
    "jpeg": _jpeg,
    "webp": _webp,
    "tiff": _tiff,
    "avif": _avif,
}
