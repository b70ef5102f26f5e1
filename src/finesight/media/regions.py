"""Parts of pictures for training: 8-bit RGB, decoded no further than needed where the format allows it.

libvips reads the rows of a JPEG or the tiles of a TIFF up to the wanted ones. Everything else, and everything where
libvips is not installed, goes through Pillow, which decodes whole pictures.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from finesight.errors import InputError

from .files import shown
from .libvips import vips

__all__ = ["picture_size", "read_region", "read_rgb"]

_ORIENTATION = 0x0112
_BY_REGION = {"JPEG", "TIFF"}
_LARGE = 1 << 20  # pixels; smaller pictures are decoded whole sooner than libvips is set up
_BROKEN = (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError)


def picture_size(path: str | Path) -> tuple[int, int]:
    """Height and width of a picture as it is looked at, from its header.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with Image.open(path) as file:
            turned = _orientation(file) >= 5
            width, height = file.size
    except _BROKEN as error:
        raise InputError(f"{shown(path)} cannot be read as a picture: {error}") from error
    return (width, height) if turned else (height, width)


def read_rgb(path: str | Path) -> np.ndarray:
    """A whole picture, upright: uint8 ``(H, W, 3)``. Transparency is left out, grey repeated, 16 bits cut to 8.

    Raises:
        InputError: it cannot be read, or its end is missing.
    """
    try:
        with Image.open(path) as file:
            upright = ImageOps.exif_transpose(file)
            if upright.mode.startswith("I"):  # 16 bits; convert() would clip them
                levels = (np.asarray(upright).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
                return np.repeat(levels[..., None], 3, 2)
            return np.array(upright.convert("RGB"))
    except _BROKEN as error:
        raise InputError(f"{shown(path)} cannot be read as a picture: {error}") from error


def read_region(path: str | Path, top: int, left: int, height: int, width: int) -> np.ndarray:
    """A part of a picture as ``read_rgb`` gives it: uint8 ``(height, width, 3)``.

    Raises:
        InputError: the picture cannot be read, or has no such part.
    """
    if _region_helps(path):
        part = _by_libvips(path, top, left, height, width)
    else:
        part = read_rgb(path)[max(top, 0) : top + height, max(left, 0) : left + width]
    if part.shape[:2] != (height, width):
        raise InputError(f"{shown(path)} has no part of {width}x{height} pixels at {left}, {top}")
    return part


def _orientation(file: Image.Image) -> int:
    """As the header says it: Pillow would decode a whole PNG to look behind its pixels."""
    if file.format == "PNG" and "exif" not in file.info:
        return 1
    return int(file.getexif().get(_ORIENTATION, 1))


@cache
def _has_libvips() -> bool:
    return importlib.util.find_spec("pyvips") is not None


def _region_helps(path: str | Path) -> bool:
    """Whether the file is large, 8-bit RGB, upright, and of a format that libvips reads in part."""
    if not _has_libvips():
        return False
    try:
        with Image.open(path) as file:
            if file.format not in _BY_REGION or file.mode != "RGB" or file.width * file.height < _LARGE:
                return False
            return _orientation(file) == 1
    except _BROKEN as error:
        raise InputError(f"{shown(path)} cannot be read as a picture: {error}") from error


def _by_libvips(path: str | Path, top: int, left: int, height: int, width: int) -> np.ndarray:
    pyvips = vips()
    try:
        image = pyvips.Image.new_from_file(str(path), access="sequential", fail_on="truncated")
        part = image.crop(left, top, width, height)
        pixels = np.frombuffer(part.write_to_memory(), np.uint8)
    except pyvips.Error as error:
        raise InputError(f"{shown(path)} cannot be read as a picture: {' '.join(str(error).split())}") from error
    return pixels.reshape(height, width, -1)[..., :3].copy()
