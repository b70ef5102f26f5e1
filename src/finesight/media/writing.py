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

from . import raw
from .atomic import atomic, explain
from .colour import fits, to_srgb
from .files import shown
from .formats import WRITABLE, Format, check_size, find_format, format_of_suffix
from .libvips import failure, from_bands, vips
from .picture import Depth, Picture

__all__ = ["QUALITY", "Keep", "write"]

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
    quality = quality if quality is not None else QUALITY.get(form.name, 100)
    if os.fspath(path) == "-":
        _to_stdout(ready, form.name, quality)
        return tuple(notes)
    target = Path(path)
    with atomic(target) as temporary:
        _encode(temporary, ready, form.name, quality)
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
        if not form.tags and metadata != "strip":
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


def _to_stdout(picture: Picture, name: str, quality: int) -> None:
    with tempfile.TemporaryDirectory() as folder:  # TIFF is not written in order, so a pipe cannot take it directly
        temporary = Path(folder) / "picture"
        _encode(temporary, picture, name, quality)
        try:
            with temporary.open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        except OSError as error:
            raise OutputError(explain(error, "standard output")) from error


def _encode(path: Path, picture: Picture, name: str, quality: int) -> None:
    if name in ("bmp", "ppm"):
        raw.WRITERS[name](path, picture)
        return
    pyvips = vips()
    arrays = [picture.pixels] if picture.alpha is None else [picture.pixels, picture.alpha]
    grey = picture.channels == 1
    image = from_bands(*arrays)
    if picture.depth == 32:
        image = image.copy(interpretation="b-w" if grey else "scrgb")
    elif picture.depth == 16:
        image = image.copy(interpretation="grey16" if grey else "rgb16")
    else:
        image = image.copy(interpretation="b-w" if grey else "srgb")
    if picture.icc is not None:
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", picture.icc)
    try:
        if name == "png":
            image.pngsave(str(path), compression=6, keep="icc")
        elif name == "jpeg":
            image.jpegsave(str(path), Q=quality, keep="icc")
        elif name == "webp":
            image.webpsave(str(path), Q=quality, lossless=quality == 100, keep="icc")
        elif name == "tiff":
            image.tiffsave(
                str(path), compression="deflate", predictor="float" if picture.depth == 32 else "horizontal", keep="icc"
            )
        else:
            image.heifsave(
                str(path),
                compression="av1",
                Q=quality,
                lossless=quality == 100,
                bitdepth=12 if picture.depth == 16 else 8,
                keep="icc",
            )
    except pyvips.Error as error:
        raise OutputError(f"{shown(path)} was not written: {failure(error)}.") from error
