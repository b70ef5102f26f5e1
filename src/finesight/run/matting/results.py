"""What is made of an alpha: itself as a picture, the cut-out, the composite."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import ImageColor

from finesight.errors import SettingError
from finesight.media.picture import Depth, Picture, to_depth
from finesight.run.pixels import most_of

__all__ = ["alpha_picture", "composite", "covering", "cutout", "parse_colour"]

Floats = NDArray[np.float32]

_STRIP = 512  # rows


def _opacity(picture: Picture, alpha: Floats) -> Floats:
    """Alpha times the picture's own."""
    if picture.alpha is None:
        return alpha
    own: Floats = alpha * (picture.alpha.astype(np.float32) / np.float32(most_of(picture.alpha.dtype)))
    return own


def alpha_picture(picture: Picture, alpha: Floats, depth: Depth | None = None) -> Picture:
    """Alpha as a grey picture with the metadata of ``picture``; its colour profile, made for colours, is left out."""
    pixels = to_depth(alpha, depth or picture.depth)[:, :, None]
    return picture.replace(pixels=pixels, alpha=None, icc=None)


def cutout(picture: Picture, alpha: Floats, foreground: NDArray[Any], depth: Depth | None = None) -> Picture:
    """The foreground with alpha, which is multiplied with the picture's own where it has one."""
    wanted = depth or picture.depth
    return picture.replace(
        pixels=to_depth(foreground, wanted), alpha=to_depth(_opacity(picture, alpha), wanted), depth=wanted
    )


def composite(
    picture: Picture, alpha: Floats, foreground: NDArray[Any], background: Picture | tuple[int, int, int]
) -> Picture:
    """The foreground over a colour (0 to 255) or a picture brought to cover it; opaque, of the picture's depth."""
    height, width = alpha.shape
    opacity = _opacity(picture, alpha)
    most = np.float32(most_of(picture.pixels.dtype))
    channels = 3 if isinstance(background, tuple) or background.channels == 3 else picture.channels
    out = np.empty((height, width, max(channels, picture.channels)), picture.pixels.dtype)
    behind: NDArray[Any]
    if isinstance(background, tuple):
        behind = np.broadcast_to(np.array(background, np.float32) / 255, (height, width, 3))
    else:
        behind = covering(background, height, width)
    for top in range(0, height, _STRIP):
        rows = slice(top, top + _STRIP)
        share = opacity[rows, :, None]
        back = behind[rows].astype(np.float32) / np.float32(most_of(behind.dtype))
        mixed = share * (foreground[rows].astype(np.float32) / most) + (1 - share) * back
        out[rows] = np.rint(np.clip(mixed, 0, 1) * most) if most > 1 else mixed
    return picture.replace(pixels=out, alpha=None)


def covering(background: Picture, height: int, width: int) -> NDArray[Any]:
    """A picture enlarged or shrunk until it covers ``height`` x ``width``, and cut to it around its middle."""
    scale = max(height / background.height, width / background.width)
    if (background.height, background.width) == (height, width):
        return background.pixels
    tall, wide = max(height, round(background.height * scale)), max(width, round(background.width * scale))
    source = torch.from_numpy(to_depth(background.pixels, 32)).permute(2, 0, 1)[None]
    sized = F.interpolate(source, (tall, wide), mode="bicubic", align_corners=False, antialias=True)[0]
    top, left = (tall - height) // 2, (wide - width) // 2
    found: NDArray[Any] = sized[:, top : top + height, left : left + width].clamp(0, 1).permute(1, 2, 0).numpy()
    return found


def parse_colour(text: str) -> tuple[int, int, int]:
    """Red, green and blue of ``white``, ``#ff8800`` or ``255,136,0``.

    >>> parse_colour("white"), parse_colour("#f80"), parse_colour("1, 2, 3")
    ((255, 255, 255), (255, 136, 0), (1, 2, 3))

    Raises:
        SettingError: not a colour.
    """
    try:
        parts = [int(part) for part in text.split(",")]
        colour = tuple(parts) if len(parts) == 3 else ImageColor.getrgb(text.strip())[:3]
    except ValueError:
        try:
            colour = ImageColor.getrgb(text.strip())[:3]
        except ValueError:
            colour = ()
    if len(colour) != 3 or not all(0 <= value <= 255 for value in colour):
        raise SettingError(f"expected a colour such as white, #ff8800 or 255,136,0, got '{text}'.")
    return colour[0], colour[1], colour[2]
