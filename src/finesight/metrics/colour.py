"""One plane out of three: the luma of metrics, and the colour differences of FSIMc."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from finesight.errors import SettingError

__all__ = ["Luma", "chroma", "luma", "luma_levels"]

Luma = Literal["matlab", "gray", "gray-rounded", "matlab-rounded"]

_MATLAB = (65.481, 128.553, 24.966)  # of RGB in [0, 1], plus 16: MATLAB's rgb2ycbcr, BT.601 with head- and footroom
_GRAY = (0.299, 0.587, 0.114)  # BT.601 without it
_I = (0.5959, -0.2746, -0.3213)
_Q = (0.2115, -0.5227, 0.3112)


def luma(image: Tensor, kind: Luma = "matlab") -> Tensor:
    """The luma of an RGB picture in [0, 1]; a picture of one channel is returned as it is.

    Args:
        image: (N, 3, H, W) or (N, 1, H, W), RGB in [0, 1].
        kind: ``matlab`` is (16 + 65.481 R + 128.553 G + 24.966 B)/255, not rounded, 16/255 to 235/255: what
            super-resolution tables and mmediting measure. ``gray`` is .299 R + .587 G + .114 B. ``-rounded`` forms
            are rounded to 8-bit levels, computed in float32 so that ties fall as in the published code.

    Returns:
        (N, 1, H, W) in [0, 1], of the picture's type.

    >>> white = torch.ones(1, 3, 1, 1, dtype=torch.float64)
    >>> round(float(luma(white)) * 255, 9), round(float(luma(white, "gray")), 9)
    (235.0, 1.0)
    """
    if image.shape[1] == 1:
        return image
    return luma_levels(image, kind) / 255


def luma_levels(image: Tensor, kind: Luma) -> Tensor:
    """The same in levels 0..255: (N, 1, H, W); a picture of one channel is only scaled (and rounded)."""
    if kind not in ("matlab", "gray", "gray-rounded", "matlab-rounded"):
        raise SettingError(f"luma must be matlab, gray, matlab-rounded or gray-rounded, got {kind!r}")
    if image.shape[1] not in (1, 3):
        raise SettingError(f"luma needs pictures of 1 or 3 channels, got {image.shape[1]}")
    rounded = kind.endswith("-rounded")
    source = image.float() if rounded else image
    if image.shape[1] == 1:
        levels = source * 255
    elif kind.startswith("matlab"):
        levels = _mix(source, _MATLAB) + 16
    else:
        levels = _mix(source, _GRAY) * 255
    return levels.round().to(image.dtype) if rounded else levels


def chroma(image: Tensor) -> Tensor:
    """The I and Q of YIQ, in the scale of the picture: (N, 2, H, W)."""
    return torch.cat([_mix(image, _I), _mix(image, _Q)], dim=1)


def _mix(image: Tensor, weights: tuple[float, float, float]) -> Tensor:
    red, green, blue = image.unbind(1)
    return (weights[0] * red + weights[1] * green + weights[2] * blue).unsqueeze(1)
