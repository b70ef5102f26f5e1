"""Colour spaces: which profile fits, what it is called, and the way to sRGB."""

from __future__ import annotations

import io

import numpy as np

from .libvips import failure, from_bands, vips
from .picture import Picture, Pixels, to_depth

__all__ = ["describe", "fits", "is_srgb", "to_srgb"]


def fits(icc: bytes, channels: int) -> bool:
    """Whether these bytes are an ICC profile for pixels of 1 (grey) or 3 (RGB) channels."""
    return len(icc) >= 132 and icc[36:40] == b"acsp" and icc[16:20] == (b"GRAY" if channels == 1 else b"RGB ")


def describe(icc: bytes) -> str:
    """The name that a profile gives itself, for instance "Display P3"."""
    from PIL import ImageCms

    try:
        return ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(icc))).strip() or "without a name"
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return "damaged"


def is_srgb(icc: bytes, channels: int) -> bool:
    """Whether a profile means sRGB: none of 729 colours (or 256 greys) moves by more than one step of 8 bits."""
    steps = np.linspace(0, 255, 9 if channels == 3 else 256).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(*[steps] * channels, indexing="ij"), -1).reshape(1, -1, channels)
    try:
        moved = _transformed(grid, icc).astype(np.int16)
    except vips().Error:
        return False
    return int(np.abs(moved - grid.astype(np.int16)).max()) <= 1


def _transformed(pixels: Pixels, icc: bytes) -> Pixels:
    """(H, W, 1 or 3) integers through a profile to sRGB, relative colorimetric with black point compensation."""
    wide, grey = pixels.dtype == np.uint16, pixels.shape[2] == 1
    space = ("grey16" if wide else "b-w") if grey else ("rgb16" if wide else "srgb")
    image = from_bands(pixels).copy(interpretation=space)
    image.set_type(vips().GValue.blob_type, "icc-profile-data", icc)
    image = image.icc_transform(
        "srgb", embedded=True, intent="relative", black_point_compensation=True, depth=16 if wide else 8
    )
    array: Pixels = image.numpy().reshape(*pixels.shape[:2], -1)
    return np.ascontiguousarray(array[:, :, : pixels.shape[2]])


def to_srgb(picture: Picture) -> Picture:
    """The same colours as far as sRGB reaches, in sRGB and without a profile; depth, alpha and metadata stay.

    Relative colorimetric with black point compensation. Float is converted with 16 bits of precision and clipped to
    0..1. A profile that cannot be used is left out with a note, and the pixels are taken for sRGB.
    """
    if picture.icc is None:
        return picture
    if not fits(picture.icc, picture.channels):
        return picture.replace(icc=None).noted("The colour profile does not fit the pixels; they were taken for sRGB.")
    pixels = to_depth(picture.pixels, 16) if picture.depth == 32 else picture.pixels
    try:
        converted = _transformed(pixels, picture.icc)
    except vips().Error as error:
        return picture.replace(icc=None).noted(
            f"The colour profile could not be used ({failure(error)}); the pixels were taken for sRGB."
        )
    return picture.replace(pixels=to_depth(converted, 32) if picture.depth == 32 else converted, icc=None)
