"""Formats that Pillow or its HEIC plugin decodes: BMP, TGA, DDS, ICO, HEIC.

Pillow's plugins are used directly, not through ``Image.open``: the format is known, and the check for too many pixels
is ours, so that neither warnings nor Pillow's global limit come in between.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from finesight.errors import InputError
from finesight.extras import need

from .containers.png import per_inch
from .decode import check_limit, stretch
from .exif import plain
from .files import Opened
from .formats import HEAD
from .picture import Pixels
from .pil import array_of
from .tags import Tags

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

__all__ = ["PILLOW_FORMATS", "largest_icon", "open_pillow", "pillow_pixels", "size_of"]

PILLOW_FORMATS = ("bmp", "tga", "dds", "ico", "heic")

# Everything that a decoder may raise over damaged bytes; Pillow's own Image.open catches a similar list.
_DAMAGE = (OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError)
_MORE_DAMAGE = (struct.error, zlib.error, NotImplementedError, AssertionError, MemoryError, RuntimeError)


@contextlib.contextmanager
def _damage(opened: Opened) -> Iterator[None]:
    try:
        yield
    except (*_DAMAGE, *_MORE_DAMAGE) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        message = f"{opened.name} is damaged or cut short, or not a {opened.format} picture that can be read: {reason}."
        raise InputError(message) from error


def open_pillow(opened: Opened, limit: int | None) -> tuple[ImageFile | Any, Tags]:
    """The picture with its header read only, within `limit` pixels, and its metadata.

    Raises:
        InputError: damaged or beyond the limit.
        MissingExtraError: HEIC without the extra ``heic``.
    """
    if opened.format == "heic":
        return _open_heic(opened, limit)
    from PIL.BmpImagePlugin import BmpImageFile
    from PIL.DdsImagePlugin import DdsImageFile
    from PIL.IcoImagePlugin import IcoImageFile
    from PIL.TgaImagePlugin import TgaImageFile

    plugins: dict[str, Callable[..., ImageFile]] = {
        "bmp": BmpImageFile,
        "tga": TgaImageFile,
        "dds": DdsImageFile,
        "ico": IcoImageFile,
    }
    tags = Tags()
    with _damage(opened):
        image = plugins[opened.format](io.BytesIO(opened.whole()))
        dpi = image.info.get("dpi")
        if dpi and all(value > 0 for value in dpi):
            tags.dpi = (per_inch(round(dpi[0] / 0.0254)), per_inch(round(dpi[1] / 0.0254)))
        tags.coding = {"P": "palette", "1": "1 bit"}.get(image.mode, "")
    check_limit(opened, *size_of(image), limit)
    return image, tags


def _open_heic(opened: Opened, limit: int | None) -> tuple[Any, Tags]:
    heif = need("pillow_heif", extra="heic", why="to read HEIC pictures")
    with _damage(opened):
        image = heif.open_heif(io.BytesIO(opened.whole()), convert_hdr_to_8bit=False)
        check_limit(opened, *size_of(image), limit)
        info = image.info
        tags = Tags(icc=info.get("icc_profile"), xmp=info.get("xmp"), frames=len(image))
        tags.exif = plain(info["exif"]) if info.get("exif") else None
        tags.bits = int(info.get("bit_depth") or 8)
        nclx = info.get("nclx_profile")
        if nclx:
            tags.cicp = (nclx["color_primaries"], nclx["transfer_characteristics"], nclx["matrix_coefficients"], 1)
    return image, tags


def largest_icon(opened: Opened) -> Opened:
    """The largest picture of an icon file, as the PNG file that it may be, or else as an icon file of this one only.

    Raises:
        InputError: the file holds no picture, or one larger than icons can be.
    """
    entries = opened.at(6, 16 * min(int.from_bytes(opened.at(4, 2), "little"), 256))
    best: tuple[int, int, int] = (0, 0, 0)
    for start in range(0, len(entries) - 15, 16):
        width, height, _, _, _, bits, length, where = struct.unpack("<BBBBHHII", entries[start : start + 16])
        best = max(best, ((width or 256) * (height or 256) * 64 + bits, where, length))
    data = opened.at(best[1], best[2])
    form = "png"
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        form = "ico"
        width, doubled = struct.unpack("<ii", data[4:12]) if len(data) > 40 else (0, 0)  # colours above, mask below
        if not (0 < width <= 256 and 0 < doubled // 2 <= 256):
            raise InputError(f"{opened.name} is damaged: its largest icon claims {width} x {doubled // 2} pixels.")
        size = bytes((width % 256, doubled // 2 % 256, 0, 0, 1, 0))
        data = b"\0\0\1\0\1\0" + size + data[14:16] + struct.pack("<II", len(data), 22) + data
    return dataclasses.replace(opened, file=io.BytesIO(data), size=len(data), head=data[:HEAD], format=form, suffix="")


def size_of(image: Any) -> tuple[int, int]:
    """Width and height."""
    return int(image.size[0]), int(image.size[1])


def pillow_pixels(opened: Opened, image: Any) -> tuple[Pixels, Pixels | None]:
    """Pixels (H, W, 1 or 3) and alpha (H, W) or None."""
    with _damage(opened):
        if opened.format == "heic":
            array = np.array(image)
            bits = int(image.info.get("bit_depth") or 8)
            if array.dtype == np.uint16 and 8 < bits < 16:  # they come in the upper bits
                stretch(array, bits)
        else:
            image.load()
            array = array_of(image)
        if array.ndim == 2:
            array = array[:, :, None]
        colour = 1 if array.shape[2] <= 2 else 3
        alpha = np.ascontiguousarray(array[:, :, colour]) if array.shape[2] in (2, 4) else None
        return np.ascontiguousarray(array[:, :, :colour]), alpha
