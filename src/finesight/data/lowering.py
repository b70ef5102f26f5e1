"""How the low resolution of a training pair is made from a block of the high one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from finesight.degrade import first_order, record, second_order
from finesight.degrade.filtering import unsharp_mask
from finesight.degrade.record import Degradation
from finesight.errors import SettingError

__all__ = ["How", "Lowering", "as_tensor", "mirrored_to"]

How = first_order.FirstOrder | second_order.SecondOrder | Degradation
"""Ranges of one's own, or the name of a degradation with its published ones."""

_JPEG_GRID = 8  # a patch is cut out of a block that is this much larger, so that the 8x8 grid lies anywhere
_PUBLISHED_BLOCK = 400 / 256  # block over patch in Real-ESRGAN


def as_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """uint8 ``(H, W, 3)`` as float ``(3, H, W)`` in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pixels).copy()).permute(2, 0, 1).float().div_(255)


def mirrored_to(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """A picture continued at its lower and right side by its mirror image (without the last pixel) where too small."""
    down, right = max(0, height - pixels.shape[0]), max(0, width - pixels.shape[1])
    return np.pad(pixels, ((0, down), (0, right), (0, 0)), mode="reflect") if down or right else pixels


@dataclass(frozen=True, slots=True)
class Lowering:
    """A degradation of a block, out of which a pair of patches is cut.

    Args:
        how: what is done.
        scale: high over low resolution.
        patch: side of the low patch.
        block: side of the high block that is degraded, a multiple of ``scale``; ``None``: as published where it is
            (400 for patches of 64 at x4), otherwise a little more than the patch.
        sharpen: unsharp masking before the degradation; the target is the sharpened high patch.
    """

    how: How
    scale: int
    patch: int
    block: int | None = None
    sharpen: bool = False

    def __post_init__(self) -> None:
        if self.block is not None and (self.block % self.scale or self.block < self.patch * self.scale):
            raise SettingError(
                f"block: expected a multiple of {self.scale} from {self.patch * self.scale} on, got {self.block}"
            )
        if self.sharpen and self.patch * self.scale <= 25:
            raise SettingError(
                f"sharpen needs high patches above 25 pixels, got {self.patch * self.scale}; enlarge patch"
            )

    @property
    def side(self) -> int:
        """Of the block that ``pair`` wants."""
        if self.block is not None:
            return self.block
        if isinstance(self.how, first_order.FirstOrder) or self.how in ("first-order", "bicubic"):
            return (self.patch + _JPEG_GRID) * self.scale
        return int(np.ceil(self.patch * _PUBLISHED_BLOCK)) * self.scale

    def low(self, high: Tensor, generator: torch.Generator) -> Tensor:
        """A whole picture ``(3, H, W)``, sides multiples of the scale, made small by freshly drawn parameters."""
        image = (unsharp_mask(high[None]) if self.sharpen else high[None]).contiguous()
        if isinstance(self.how, first_order.FirstOrder):
            return first_order.apply(image, first_order.sample(self.how, generator), scale=self.scale)[0]
        if isinstance(self.how, second_order.SecondOrder):
            return second_order.apply(image, second_order.sample(self.how, generator), scale=self.scale)[0]
        return record.apply(image, record.sample(self.how, self.scale, generator))[0]

    def pair(self, block: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Low patch ``(3, patch, patch)`` and plain high patch from a random place of a block ``(3, side, side)``."""
        low = self.low(block, generator)
        top, left = (int(torch.randint(low.shape[-1] - self.patch + 1, (), generator=generator)) for _ in range(2))
        s, p = self.scale, self.patch
        return low[:, top : top + p, left : left + p], block[:, s * top : s * (top + p), s * left : s * (left + p)]

    def target(self, high: Tensor) -> Tensor:
        """What the network should give back for plain high patches ``(N, 3, H, W)``."""
        return unsharp_mask(high) if self.sharpen else high
