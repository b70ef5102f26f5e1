"""Colour spaces: which profile fits, what it is called, and the way to sRGB."""

from __future__ import annotations

import io

import numpy as np

from .libvips import failure, from_bands, vips
from .picture import Picture, Pixels, to_depth

__all__ = ["describe", "fits", "to_srgb"]


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


def to_srgb(picture: Picture) -> Picture:
    """The same colours as far as sRGB reaches, in sRGB and without a profile; depth, alpha and metadata stay.

    Relative colorimetric with black point compensation. Float is converted with 16 bits of precision and clipped to
    0..1. A profile that cannot be used is left out with a note, and the pixels are taken for sRGB.
    """
    if picture.icc is None:
        return picture
    if not fits(picture.icc, picture.channels):
        return picture.replace(icc=None).noted("The colour profile does not fit the pixels; they were taken for sRGB.")
    pyvips = vips()
    pixels = to_depth(picture.pixels, 16) if picture.depth == 32 else picture.pixels
    try:
        image = from_bands(pixels)
        wide = pixels.dtype == np.uint16
        if picture.channels == 1:
            image = image.copy(interpretation="grey16" if wide else "b-w")
        else:
            image = image.copy(interpretation="rgb16" if wide else "srgb")
        image = image.copy()
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", picture.icc)
        image = image.icc_transform(
            "srgb", embedded=True, intent="relative", black_point_compensation=True, depth=16 if wide else 8
        )
        converted: Pixels = image.numpy().reshape(picture.height, picture.width, -1)[:, :, : picture.channels]
    except pyvips.Error as error:
        return picture.replace(icc=None).noted(
            f"The colour profile could not be used ({failure(error)}); the pixels were taken for sRGB."
        )
    converted = np.ascontiguousarray(converted)
    return picture.replace(pixels=to_depth(converted, 32) if picture.depth == 32 else converted, icc=None)
