"""Pictures to and from PIL images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from finesight.errors import InputError

from .colour import fits
from .exif import orientation, plain, upright_exif
from .picture import Picture, from_array, to_array
from .turning import upright

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["array_of", "from_pil", "to_pil"]


def from_pil(image: Image) -> Picture:
    """A picture from a PIL image of any mode, upright, with its profile, EXIF, XMP and resolution.

    Modes 1, L, LA, La, P, RGB, RGBX, RGBA, RGBa, CMYK, YCbCr, LAB and HSV become 8 bits; I;16 and I become 16 bits; F
    becomes float and must lie in 0..1. A transparent colour (``image.info["transparency"]``) becomes alpha.

    Raises:
        InputError: not a PIL image, or values out of range.
    """
    if not (hasattr(image, "getbands") and hasattr(image, "info")):
        raise InputError(f"A PIL image is wanted, this is a {type(image).__name__}.")
    info = image.info
    exif = plain(info["exif"]) if isinstance(info.get("exif"), bytes) else None
    turned = orientation(exif) if exif else 1
    picture = from_array(upright(array_of(image), turned))
    icc, xmp, dpi = info.get("icc_profile"), info.get("xmp") or info.get("XML:com.adobe.xmp"), info.get("dpi")
    if image.mode == "CMYK":
        picture = picture.noted("CMYK was converted to sRGB by PIL's formula, without a profile.")
        icc = None
    return picture.replace(
        format="pil",
        icc=icc if icc and fits(icc, picture.channels) else None,
        exif=upright_exif(exif) if exif else None,
        xmp=xmp.encode() if isinstance(xmp, str) else xmp,
        dpi=(float(dpi[0]), float(dpi[1])) if dpi and all(float(value) > 0 for value in dpi) else None,
    )


def array_of(image: Image) -> np.ndarray[Any, Any]:
    """The pixels of a PIL image as an array that `from_array` takes."""
    mode = image.mode
    if mode in ("I;16", "I;16B", "I;16L", "I;16N"):
        return np.asarray(image).astype(np.uint16)
    if mode == "I":
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise InputError(
                f"A PIL image of mode I must hold 0..65535; this one goes from {values.min()} to {values.max()}."
            )
        return values.astype(np.uint16)
    if mode == "F":
        return np.asarray(image)
    if "transparency" in image.info and mode in ("1", "L", "P", "RGB"):
        return np.asarray(image.convert("LA" if mode in ("1", "L") else "RGBA"))
    if mode in ("1", "L", "LA", "RGB", "RGBA"):
        return np.asarray(image.convert("L") if mode == "1" else image)
    if mode in ("La", "RGBa"):
        return np.asarray(image.convert("LA" if mode == "La" else "RGBA"))
    if mode in ("PA",):
        return np.asarray(image.convert("RGBA"))
    return np.asarray(image.convert("RGB"))


def to_pil(picture: Picture) -> Image:
    """A PIL image: L, LA, RGB or RGBA at 8 bits, I;16 for grey of 16 bits, F for grey float.

    PIL has no colour of more than 8 bits: such a picture is rounded to 8. Profile, EXIF, XMP and resolution go into
    ``image.info``, from where ``image.save`` takes some of them.
    """
    from PIL import Image as pil  # noqa: N813 (a module)

    if not (picture.channels == 1 and picture.alpha is None):
        picture = picture.to_depth(8)
    image = pil.fromarray(to_array(picture))
    if picture.icc is not None:
        image.info["icc_profile"] = picture.icc
    if picture.exif is not None:
        image.info["exif"] = b"Exif\x00\x00" + picture.exif
    if picture.xmp is not None:
        image.info["xmp"] = picture.xmp
    if picture.dpi is not None:
        image.info["dpi"] = picture.dpi
    return image
