"""Pixels out of files: lazily opened, checked against the pixel limit, decoded to grey or RGB with or without alpha."""

from __future__ import annotations

from typing import Any

import numpy as np

from finesight.errors import InputError

from .files import Opened
from .formats import LIBVIPS_LONGEST
from .libvips import damage, vips
from .picture import Pixels

__all__ = ["LIMIT", "VIPS_LOADERS", "check_limit", "decode", "lazily_rgb", "open_lazily", "samples", "stretch"]

LIMIT = 2**30
"""Pixels that `read` takes by default: 32,768 x 32,768."""

VIPS_LOADERS = {
    "png": "pngload_source",
    "jpeg": "jpegload_source",
    "webp": "webpload_source",
    "tiff": "tiffload_source",
    "avif": "heifload_source",
    "gif": "gifload_source",
}

_SIGNED = {"char", "short", "int"}


def check_limit(opened: Opened, width: int, height: int, limit: int | None) -> None:
    """Refuse a picture whose header claims more pixels than `limit`, before memory is asked for."""
    if width < 1 or height < 1:
        raise InputError(f"{opened.name} claims a size of {width} x {height} pixels: it is damaged.")
    if max(width, height) > LIBVIPS_LONGEST:
        raise InputError(f"{opened.name} claims {width:,} x {height:,} pixels: it is damaged, or too large to be read.")
    if limit is not None and width * height > limit:
        raise InputError(
            f"{opened.name} ({opened.size:,} bytes) claims {width:,} x {height:,} pixels, "
            f"more than the limit of {limit:,}. If it is genuine, read it with a larger limit=."
        )


def open_lazily(opened: Opened) -> Any:
    """A libvips image that has read the header only; pixels come when they are asked for, from top to bottom.

    Raises:
        InputError: the header is damaged.
    """
    pyvips = vips()
    try:
        number = opened.descriptor()
        source = (
            pyvips.Source.new_from_descriptor(number)
            if number is not None
            else pyvips.Source.new_from_memory(opened.whole())
        )
        load = getattr(pyvips.Image, VIPS_LOADERS[opened.format])
        # A TIFF file cut short behind its tags is an error to libvips, not a truncation.
        return load(source, access="sequential", fail_on="error" if opened.format == "tiff" else "truncated")
    except (pyvips.Error, UnicodeDecodeError) as error:
        raise InputError(damage(opened.name, opened.format, error)) from error


def decode(opened: Opened, image: Any, *, bits: int = 0, notes: list[str]) -> tuple[Pixels, Pixels | None, bool]:
    """Decode a lazily opened image.

    Args:
        opened: where it came from, for messages.
        image: what `open_lazily` gave.
        bits: the bits per sample that the file states; more than 8 but fewer than 16 are stretched to full range.
        notes: gets a sentence for everything that was assumed or dropped.

    Returns:
        pixels (H, W, 1 or 3), alpha (H, W) or None, and whether the pixels were converted to sRGB on the way (so that
        the profile in the file no longer describes them).

    Raises:
        InputError: damaged, or of a kind that is not a picture.
    """
    pyvips = vips()
    try:
        image, converted = lazily_rgb(opened, image, notes)
        array = image.numpy()
    except (pyvips.Error, UnicodeDecodeError) as error:
        raise InputError(damage(opened.name, opened.format, error)) from error
    array = array.reshape(image.height, image.width, image.bands)
    if opened.format == "avif" and array.dtype == np.uint16 and 8 < bits < 16:
        stretch(array, bits)
        notes.append(f"The AVIF file holds {bits} bits a channel; read as 16.")
    array = _to_known_dtype(opened, array, notes)
    colour = 1 if array.shape[2] <= 2 else 3
    alpha = np.ascontiguousarray(array[:, :, colour]) if array.shape[2] in (2, 4) else None
    pixels = np.ascontiguousarray(array[:, :, :colour])
    if pixels.dtype == np.float32:
        _note_float_range(pixels, notes)
    return pixels, alpha, converted


def lazily_rgb(opened: Opened, image: Any, notes: list[str]) -> tuple[Any, bool]:
    """Grey, grey+alpha, RGB or RGBA of any libvips image, and whether it is sRGB by conversion now."""
    if image.interpretation in ("lab", "labs", "xyz"):
        notes.append(f"The {image.interpretation} colours were converted to sRGB.")
        return image.colourspace("rgb16" if image.format != "uchar" else "srgb"), True
    if image.format in _SIGNED:
        raise InputError(
            f"{opened.name} holds {image.format} numbers, which are measurements rather than a picture. "
            "Convert them to unsigned integers or to float in 0..1."
        )
    if image.interpretation == "cmyk":
        return _from_cmyk(image, notes), True
    if image.bands > 4:
        notes.append(
            f"Of {image.bands} channels the first three were read as red, green and blue; the rest was dropped."
        )
        image = image[:3]
    return image, False


def samples(image: Any) -> np.dtype:
    """The NumPy type of a libvips image's numbers.

    Raises:
        InputError: numbers that are not read as a picture.
    """
    known = {"uchar": np.uint8, "ushort": np.uint16, "uint": np.uint32, "float": np.float32}
    if image.format not in known:
        raise InputError(f"The picture holds {image.format} numbers, which finesight does not read as a picture.")
    return np.dtype(known[image.format])


def _from_cmyk(image: Any, notes: list[str]) -> Any:
    embedded = "icc-profile-data" in image.get_fields()
    if image.bands > 5:
        image = image[:5]
    depth = 16 if image.format == "ushort" else 8
    notes.append(
        "CMYK was converted to sRGB through "
        + ("the profile in the file." if embedded else "libvips' default CMYK profile, as the file has none.")
    )
    # Relative colorimetric with black point compensation is what image editors do by default.
    return image.icc_transform(
        "srgb",
        embedded=embedded,
        input_profile="cmyk",
        intent="relative",
        black_point_compensation=True,
        depth=depth,
    )


def stretch(array: Pixels, bits: int) -> None:
    """Samples that sit in the upper `bits` of 16 to full range, in place, by repeating their bits below."""
    for start in range(0, array.shape[0], 256):
        rows = array[start : start + 256]
        rows |= rows >> np.uint16(bits)


def _to_known_dtype(opened: Opened, array: Pixels, notes: list[str]) -> Pixels:
    if array.dtype in (np.uint8, np.uint16, np.float32):
        return array
    if array.dtype == np.uint32:
        notes.append("32-bit integers were read as float: divided by 4,294,967,295.")
        return (array / np.float64(2**32 - 1)).astype(np.float32)
    raise InputError(f"{opened.name} holds {array.dtype} numbers, which finesight does not read as a picture.")


def _note_float_range(pixels: Pixels, notes: list[str]) -> None:
    low, high = float(pixels.min()), float(pixels.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        notes.append("Some float values are NaN or infinite.")
    elif low < -0.01 or high > 1.01:
        notes.append(f"Float values go from {low:.4g} to {high:.4g}; 0 is taken as black and 1 as white.")
