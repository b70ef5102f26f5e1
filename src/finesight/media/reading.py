"""`read`: a file becomes a `Picture`."""

from __future__ import annotations

import numpy as np

from .decode import LIMIT, check_limit, decode, open_lazily
from .exif import upright_exif
from .files import Opened, Source, open_input
from .formats import format_of_suffix
from .metadata import profile_of, read_tags
from .picture import Depth, Picture, Pixels
from .pillow_files import PILLOW_FORMATS, largest_icon, open_pillow, pillow_pixels
from .raw import netpbm_header, netpbm_pixels
from .tags import Tags
from .turning import upright
from .xmp import usable

__all__ = ["read", "remarks"]


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
    if opened.format == "ico":
        opened = largest_icon(opened)
    notes: list[str] = []
    converted = False
    if opened.format in PILLOW_FORMATS:
        image, tags = open_pillow(opened, limit)
        pixels, alpha = pillow_pixels(opened, image)
    elif opened.format in ("ppm", "pfm"):
        header = netpbm_header(opened)
        check_limit(opened, header.width, header.height, limit)
        tags = Tags()
        pixels, alpha = netpbm_pixels(opened, header), None
    else:
        tags = read_tags(opened)
        if tags.size is not None:
            check_limit(opened, *tags.size, limit)
        lazy = open_lazily(opened)
        check_limit(opened, lazy.width, lazy.height, limit)
        pixels, alpha, converted = decode(opened, lazy, bits=tags.bits, notes=notes)
    return _assemble(opened, tags, pixels, alpha, converted, notes)


def _assemble(
    opened: Opened, tags: Tags, pixels: Pixels, alpha: Pixels | None, converted: bool, notes: list[str]
) -> Picture:
    depth: Depth = 8 if pixels.dtype == np.uint8 else 16 if pixels.dtype == np.uint16 else 32
    icc, profile_note = (None, "") if converted else profile_of(tags, grey=pixels.shape[2] == 1)
    notes = [*remarks(opened, tags), *tags.notes, *([profile_note] if profile_note else []), *notes]
    exif, xmp = tags.exif, tags.xmp
    if xmp is not None and not usable(xmp):
        xmp = None
        notes.append("The XMP packet is damaged and was left out.")
    return Picture(
        pixels=upright(pixels, tags.orientation),
        alpha=None if alpha is None else upright(alpha, tags.orientation),
        depth=depth,
        icc=icc,
        exif=None if exif is None else upright_exif(exif),
        xmp=xmp,
        dpi=_turned(tags.dpi, tags.orientation),
        format=opened.format,
        times=opened.times,
        notes=tuple(notes),
        iptc=tags.iptc,
        comments=tuple(tags.comments),
    )


def remarks(opened: Opened, tags: Tags) -> list[str]:
    """What the user should know about the file as such."""
    remarks = []
    named = format_of_suffix(opened.suffix)
    if named is not None and named != opened.format and {named, opened.format} != {"ppm", "pfm"}:
        remarks.append(f"The name says {named}, the content is {opened.format}; it was read as {opened.format}.")
    if tags.frames > 1:
        what = "page" if opened.format in ("tiff", "heic", "avif") else "frame"
        remarks.append(f"Only the first of {tags.frames} {what}s was read.")
    return remarks


def _turned(dpi: tuple[float, float] | None, orientation: int) -> tuple[float, float] | None:
    return (dpi[1], dpi[0]) if dpi is not None and orientation >= 5 else dpi
