"""Enlarging layers that several networks share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import SettingError
from finesight.nn.reach import Reach

__all__ = ["NearestConv", "PixelShuffleConv", "SubpixelConv", "enlarging_steps", "through_steps"]


def enlarging_steps(scale: int, *, name: str) -> tuple[int, ...]:
    """The factors of a step-by-step enlargement: ``2`` as often as needed, or ``3`` once; none for 1.

    Raises:
        SettingError: the scale is neither a power of two nor three.
    """
    if scale == 3:
        return (3,)
    if scale < 1 or scale & (scale - 1):
        raise SettingError(f"{name} enlarges by 3 or a power of two, and {scale} was asked for.")
    return (2,) * (scale.bit_length() - 1)


def through_steps(reach: Reach, steps: tuple[int, ...]) -> Reach:
    """Follow a reach backwards through a 3x3 convolution and a pixel shuffle for each step."""
    for factor in reversed(steps):
        reach = reach.shuffle(factor).conv(3)
    return reach


class PixelShuffleConv(nn.Module):
    """3x3 convolution to ``factor ** 2`` times the channels, then pixel shuffle (ESPCN, Shi et al. 2016).

    Args:
        inputs, outputs: channels before and after.
        factor: enlargement.
    """

    def __init__(self, inputs: int, outputs: int, *, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.upsample_conv = nn.Conv2d(inputs, outputs * factor * factor, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """``(N, inputs, H, W)`` to ``(N, outputs, factor H, factor W)``."""
        return F.pixel_shuffle(self.upsample_conv(features), self.factor)


class NearestConv(nn.Conv2d):
    """Nearest-neighbour enlargement, then a 3x3 convolution.

    Args:
        inputs, outputs: channels before and after.
        factor: enlargement, at least 2.
    """

    def __init__(self, inputs: int, outputs: int, *, factor: int = 2) -> None:
        super().__init__(inputs, outputs, 3, padding=1)
        self.factor = factor

    def forward(self, features: Tensor) -> Tensor:
        """``(N, inputs, H, W)`` to ``(N, outputs, factor H, factor W)``."""
        return super().forward(F.interpolate(features, scale_factor=float(self.factor), mode="nearest"))

    def fused(self) -> SubpixelConv:
        """The same function without ever making the enlarged input."""
        return SubpixelConv(self.weight.detach(), None if self.bias is None else self.bias.detach(), self.factor)


class SubpixelConv(nn.Module):
    """One 3x3 convolution at low resolution and a pixel shuffle that equal a ``NearestConv``.

    An output pixel of phase ``i`` reads enlarged pixels ``i - 1, i, i + 1``, which are copies of low-resolution
    pixels -1, 0 or 1: the kernel of each phase is the sum of the taps that fall on the same pixel. Zero padding agrees.

    Args:
        weight: ``(outputs, inputs, 3, 3)`` of the convolution after the enlargement.
        bias: ``(outputs,)``.
        factor: enlargement.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, factor: int) -> None:
        super().__init__()
        self.factor = factor
        outputs, inputs = weight.shape[:2]
        taps = weight.new_zeros(factor, 3, 3)  # phase, tap at low resolution, tap of the enlarged picture
        for phase in range(factor):
            for tap in range(3):
                taps[phase, (phase + tap - 1) // factor + 1, tap] = 1
        kernels = torch.einsum("pyk,qxl,oikl->opqiyx", taps, taps, weight)
        self.conv = nn.Conv2d(inputs, outputs * factor * factor, 3, padding=1, bias=bias is not None)
        self.conv.to(weight.device, weight.dtype)
        with torch.no_grad():
            self.conv.weight.copy_(kernels.reshape(outputs * factor * factor, inputs, 3, 3))
            if bias is not None and self.conv.bias is not None:
                self.conv.bias.copy_(bias.repeat_interleave(factor * factor))

    def forward(self, features: Tensor) -> Tensor:
        """``(N, inputs, H, W)`` to ``(N, outputs, factor H, factor W)``."""
        return F.pixel_shuffle(self.conv(features), self.factor)
