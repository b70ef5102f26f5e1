"""`write`: a `Picture` becomes a file, whole or not at all."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from finesight.errors import OutputError, SettingError

from .atomic import atomically, explain
from .colour import fits, is_srgb, to_srgb
from .encode import encode
from .exif import corrected
from .files import shown
from .formats import WRITABLE, Format, check_size, find_format, format_of_suffix
from .picture import Depth, Picture
from .xmp import corrected_xmp

__all__ = ["QUALITY", "Keep", "with_metadata", "write"]

Keep = Literal["keep", "minimal", "strip"]

QUALITY = {"jpeg": 95, "webp": 92, "avif": 85}
"""The quality that is used where none is given."""


def write(
    path: str | os.PathLike[str],
    picture: Picture,
    *,
    format: str | None = None,  # noqa: A002 (the user's word)
    quality: int | None = None,
    metadata: Keep = "keep",
    provenance: Mapping[str, str] | None = None,
) -> tuple[str, ...]:
    """Write a picture; the file appears only when it is whole.

    Args:
        path: where to; ``"-"`` is standard output and needs `format`. An existing file is replaced.
        picture: what to write.
        format: name of a format that finesight writes; None takes it from the name's ending.
        quality: 1..100 for JPEG, WebP and AVIF (None: 95, 92, 85); 100 makes WebP and AVIF lossless. Has no meaning for
            the others.
        metadata: "keep" writes everything the picture carries, corrected to its size, and restores the file times;
            "minimal" only the colour profile, the resolution and `provenance`; "strip" converts to sRGB and writes
            pixels and nothing else, not even `provenance`.
        provenance: what made the picture (software, model, weights, settings): into XMP, the software into EXIF too.

    Returns:
        One sentence for everything that the format could not hold.

    Raises:
        OutputError: the picture is too large for the format, the folder cannot be written, the disk is full, ...
        SettingError: an unknown format, quality or metadata.
    """
    form = _format_for(path, format)
    _check_settings(form, quality, metadata)
    check_size(form.name, picture.width, picture.height, channels=picture.channels + (picture.alpha is not None))
    ready, notes = _prepare(picture, form, metadata)
    ready = with_metadata(ready, form, metadata, provenance, notes)
    quality = quality if quality is not None else QUALITY.get(form.name, 100)
    if os.fspath(path) == "-":
        return (*notes, *_to_stdout(ready, form.name, quality))
    target = Path(path)
    with atomically(target) as temporary:
        notes += encode(temporary, ready, form.name, quality)
        if metadata == "keep" and picture.times is not None:
            os.utime(temporary, ns=picture.times)
    return tuple(notes)


def _format_for(path: str | os.PathLike[str], name: str | None) -> Format:
    if name is not None:
        return find_format(name)
    if os.fspath(path) == "-":
        raise SettingError("Standard output has no name that tells a format: give format= (--format png).")
    found = format_of_suffix(Path(path).suffix)
    if found is None:
        raise OutputError(
            f"{shown(path)} has no ending that names a picture format. Use one of .png .jpg .webp .tif .avif .bmp "
            ".ppm, or give format= (--format)."
        )
    return find_format(found)


def _check_settings(form: Format, quality: int | None, metadata: str) -> None:
    if not form.writable:
        raise OutputError(f"finesight reads {form.name} but does not write it. It writes {', '.join(WRITABLE)}.")
    if quality is not None and not 1 <= quality <= 100:
        raise SettingError(f"quality must be from 1 to 100; {quality} is not.")
    if metadata not in ("keep", "minimal", "strip"):
        raise SettingError(f'metadata must be "keep", "minimal" or "strip"; {metadata!r} is none of them.')


def _prepare(picture: Picture, form: Format, metadata: Keep) -> tuple[Picture, list[str]]:
    """Bring a picture to what the format holds; a sentence for every loss."""
    notes: list[str] = []
    known = len(picture.notes)
    if picture.icc is not None and (metadata == "strip" or not form.tags):
        if fits(picture.icc, picture.channels) and is_srgb(picture.icc, picture.channels):
            picture = picture.replace(icc=None)  # not one value would change for the better
        else:
            if metadata != "strip":
                notes.append(f"{form.name} holds no colour profile: the colours were converted to sRGB.")
            picture = to_srgb(picture)
    elif picture.icc is not None and not fits(picture.icc, picture.channels):
        picture = picture.replace(icc=None)
        notes.append("The colour profile did not fit the pixels and was left out.")
    if picture.alpha is not None and not form.alpha:
        picture = flatten(picture)
        notes.append(f"{form.name} holds no transparency: the picture was laid on white.")
    if picture.depth not in form.depths:
        best: Depth = 16 if 16 in form.depths else 8
        if form.name == "avif":
            notes.append("AVIF holds 12 bits a channel at most: rounded from " + _depth_words(picture.depth) + ".")
            best = 16
        else:
            most = f"{form.name} holds {max(form.depths)} bits a channel at most"
            notes.append(f"{most}: rounded from {_depth_words(picture.depth)}.")
        picture = picture.to_depth(best)
    return picture, notes + list(picture.notes[known:])


def with_metadata(
    picture: Picture, form: Format, metadata: Keep, provenance: Mapping[str, str] | None, notes: list[str]
) -> Picture:
    """The picture carrying exactly what goes into its file; its pixels are not looked at."""
    nothing = picture.replace(exif=None, xmp=None, iptc=None, comments=(), dpi=None, icc=None)
    if metadata == "strip":
        return nothing
    if not form.tags:
        if provenance or picture.exif or picture.xmp:
            notes.append(
                f"{form.name} has no place for metadata: EXIF, XMP and what made the picture are not in the file."
            )
        return nothing.replace(dpi=picture.dpi)
    old = picture if metadata == "keep" else nothing
    if old.iptc is not None and form.name not in ("jpeg", "tiff"):
        old = old.replace(iptc=None)
        notes.append(f"{form.name} has no place for IPTC records; they were left out.")
    if old.comments and form.name not in ("png", "jpeg"):
        old = old.replace(comments=())
        notes.append(f"{form.name} has no place for text comments; they were left out.")
    if picture.dpi is not None and not all(0.01 < value < 1e6 for value in picture.dpi):
        picture = picture.replace(dpi=None)
        notes.append("The resolution was impossible and was left out.")
    size = {"width": picture.width, "height": picture.height}
    software = provenance.get("software") if provenance else None
    # Where the format itself has no place for the resolution, EXIF carries it.
    dpi = picture.dpi if old.exif is not None or form.name in ("webp", "avif") or software else None
    return old.replace(
        icc=picture.icc,
        dpi=picture.dpi,
        exif=corrected(old.exif, **size, dpi=dpi, software=software),
        xmp=corrected_xmp(old.xmp, **size, provenance=provenance),
    )


def _depth_words(depth: int) -> str:
    return "float" if depth == 32 else f"{depth} bits"


def flatten(picture: Picture) -> Picture:
    """Lay a picture with alpha on white, in its own colour space and depth."""
    if picture.alpha is None:
        return picture
    pixels = np.empty_like(picture.pixels)
    peak = np.float32({8: 255, 16: 65535, 32: 1}[picture.depth])
    for start in range(0, picture.height, 256):
        rows = slice(start, start + 256)
        alpha = picture.alpha[rows, :, None].astype(np.float32) / peak
        mixed = picture.pixels[rows].astype(np.float32) * alpha + peak * (1 - alpha)
        pixels[rows] = mixed if picture.depth == 32 else np.rint(mixed)
    return picture.replace(pixels=pixels, alpha=None)


def _to_stdout(picture: Picture, name: str, quality: int) -> list[str]:
    try:
        with tempfile.TemporaryDirectory() as folder:  # TIFF is not written in order, so a pipe cannot take it directly
            temporary = Path(folder) / "picture"
            notes = encode(temporary, picture, name, quality)
            with temporary.open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()
    except OSError as error:
        raise OutputError(explain(error, "standard output")) from error
    return notes
