"""`read`: a file becomes a `Picture`."""

from __future__ import annotations

import numpy as np

from .decode import LIMIT, check_limit, decode, open_lazily
from .files import Opened, Source, open_input
from .picture import Depth, Picture, Pixels
from .tags import Tags

__all__ = ["read", "upright"]


def read(source: Source, *, limit: int | None = LIMIT) -> Picture:
    """Read a picture: its pixels upright in the file's own depth, and everything the file says about them.

    PNG, JPEG, WebP, TIFF (first page), AVIF, BMP, PPM/PGM/PBM, PFM, GIF (first frame), TGA, DDS, ICO and, with the
    extra ``heic``, HEIC. The content decides which, not the name.

    Args:
        source: a path, ``"-"`` for standard input, the bytes of a file, or a binary stream.
        limit: the most pixels (width x height) a header may claim, None for no limit.

    Raises:
        InputError: missing, unreadable, empty, not a picture, cut short, damaged, or beyond `limit`.
        MissingExtraError: HEIC without the extra.
    """
    with open_input(source) as opened:
        return _read(opened, limit)


def _read(opened: Opened, limit: int | None) -> Picture:
    tags = Tags()
    image = open_lazily(opened)
    check_limit(opened, image.width, image.height, limit)
    fields = set(image.get_fields())
    if "icc-profile-data" in fields:
        tags.icc = image.get("icc-profile-data")
    if "orientation" in fields and opened.format != "avif":
        tags.orientation = image.get("orientation")
    if "bits-per-sample" in fields:
        tags.bits = image.get("bits-per-sample")
    notes: list[str] = []
    pixels, alpha, converted = decode(opened, image, bits=tags.bits, notes=notes)
    depth: Depth = 8 if pixels.dtype == np.uint8 else 16 if pixels.dtype == np.uint16 else 32
    return Picture(
        pixels=upright(pixels, tags.orientation),
        alpha=None if alpha is None else upright(alpha, tags.orientation),
        depth=depth,
        icc=None if converted else tags.icc,
        format=opened.format,
        times=opened.times,
        notes=tuple(notes),
    )


def upright(array: Pixels, orientation: int) -> Pixels:
    """Turn (H, W, ...) pixels stored in an EXIF orientation (1..8) so that they stand upright; contiguous."""
    if orientation in (5, 6, 7, 8):  # row 0 of the file is a column of the picture
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return np.ascontiguousarray(array)
