"""Maps of where a picture is wrong, for people to look at."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.errors import InputError
from finesight.metrics.colour import luma
from finesight.metrics.ssim import WINDOW, ssim_maps

__all__ = ["Box", "difference_map", "dissimilarity_map", "heat", "worst_box"]


@dataclass(frozen=True)
class Box:
    """A rectangle of a picture, in pixels."""

    left: int
    top: int
    width: int
    height: int

    def of(self, image: Tensor) -> Tensor:
        """That part of (..., H, W)."""
        return image[..., self.top : self.top + self.height, self.left : self.left + self.width]


def difference_map(restored: Tensor, truth: Tensor) -> Tensor:
    """(H, W): the mean absolute difference over channels of two pictures (1, C, H, W) in [0, 1]."""
    return (restored - truth).abs().mean(dim=1)[0]


def dissimilarity_map(restored: Tensor, truth: Tensor) -> Tensor:
    """(H, W) in [0, 1]: 1 - SSIM of the luma at each place, 1 where it is 0 or less; the outermost window is repeated.

    Raises:
        InputError: pictures smaller than SSIM's window.
    """
    if min(truth.shape[-2:]) < WINDOW:
        raise InputError(f"SSIM's map needs at least {WINDOW}x{WINDOW} pixels, got {truth.shape[-1]}x{truth.shape[-2]}")
    luminance, structure = ssim_maps(luma(restored), luma(truth))
    edge = WINDOW // 2
    found = F.pad((1 - luminance * structure).clamp(0, 1), (edge, edge, edge, edge), mode="replicate")
    return found[0, 0].float()


def worst_box(difference: Tensor, side: int) -> Box:
    """The square, ``side`` pixels or less, in which a map (H, W) is largest on the average; the first of equals."""
    height, width = (min(side, length) for length in difference.shape)
    sums = F.avg_pool2d(difference[None, None].double(), (height, width), stride=1)[0, 0]
    place = int(sums.argmax())
    top, left = divmod(place, sums.shape[1])
    return Box(left, top, width, height)


def heat(distance: Tensor, *, largest: float | None = None) -> Tensor:
    """A map (H, W) of distances as a picture (3, H, W) uint8, from black over red and yellow to white.

    Args:
        distance: for instance ``difference_map``, or the challenge's ``PictureScore.best_map``.
        largest: what becomes white; by default the largest value.
    """
    top = float(distance.max()) if largest is None else largest
    share = (distance.float() / top).clamp(0, 1) if top > 0 else torch.zeros_like(distance, dtype=torch.float32)
    ramps = [((share * 3) - start).clamp(0, 1) for start in (0, 1, 2)]
    return (torch.stack(ramps) * 255).round().byte()
