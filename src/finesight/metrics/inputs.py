"""What every metric asks of its pictures, and how it crops them."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from finesight.errors import InputError, SettingError

__all__ = ["check_pair", "check_picture", "crop", "double", "shrunk"]


def check_picture(image: Tensor, *, smallest: int = 1, what: str = "this metric") -> None:
    """Refuse anything but floating pictures (N, C, H, W) whose sides are at least ``smallest``.

    Raises:
        SettingError: not four axes, or integers.
        InputError: a side is smaller than the metric's window.
    """
    if image.ndim != 4 or not image.is_floating_point():
        raise SettingError(
            f"{what} takes floating pictures (N, C, H, W) in [0, 1], got {image.dtype} of shape {tuple(image.shape)}"
        )
    height, width = image.shape[-2:]
    if min(height, width) < smallest:
        raise InputError(f"{what} needs pictures of at least {smallest}x{smallest} pixels, got {width}x{height}")


def check_pair(restored: Tensor, truth: Tensor, *, smallest: int = 1, what: str = "this metric") -> None:
    """Refuse two batches that cannot be compared pixel by pixel; both sizes are named.

    Raises:
        SettingError: wrong axes or types (see ``check_picture``).
        InputError: sizes, channels or counts differ, or a side is too small.
    """
    check_picture(restored, smallest=smallest, what=what)
    check_picture(truth, smallest=smallest, what=what)
    if restored.shape[-2:] != truth.shape[-2:]:
        first, second = (f"{x.shape[-1]}x{x.shape[-2]}" for x in (restored, truth))
        raise InputError(f"{what} compares pictures of one size, got {first} and {second}: crop or resize one of them")
    if restored.shape[:2] != truth.shape[:2]:
        raise InputError(
            f"{what} compares batches of one count and mode, got {tuple(restored.shape[:2])} and "
            f"{tuple(truth.shape[:2])} (pictures, channels)"
        )


def crop(image: Tensor, border: int) -> Tensor:
    """``image`` without ``border`` pixels on each side.

    Raises:
        SettingError: a negative border.
        InputError: nothing would be left.
    """
    if border < 0:
        raise SettingError(f"border must be 0 or more pixels, got {border}")
    height, width = image.shape[-2:]
    if min(height, width) <= 2 * border:
        raise InputError(f"a picture of {width}x{height} pixels has nothing left without a border of {border}")
    return image[..., border : height - border, border : width - border]


def double(image: Tensor) -> Tensor:
    """``image`` in float64 (float32 on devices without it): the arithmetic of the published code."""
    return image.float() if image.device.type == "mps" else image.double()


def shrunk(image: Tensor) -> Tensor:
    """``image`` averaged over whole blocks until its short side is about 256 pixels: SSIM's and FSIM's viewing size."""
    return F.avg_pool2d(image, max(1, round(min(image.shape[-2:]) / 256)))
