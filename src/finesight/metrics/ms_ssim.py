"""Multi-scale structural similarity (Wang, Simoncelli, Bovik, 2003)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.errors import SettingError
from finesight.metrics.inputs import check_pair, crop, double
from finesight.metrics.ssim import ssim_maps

__all__ = ["ms_ssim"]

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the five scales, finest first


def ms_ssim(
    restored: Tensor,
    truth: Tensor,
    *,
    peak: float = 1.0,
    border: int = 0,
    combine: Literal["product", "sum"] = "product",
) -> Tensor:
    """SSIM over five scales, each half the size of the one before.

    Halving averages 2x2 pixels; an odd side gets a zero on both ends that counts (as the published code has it).

    Args:
        restored, truth: (N, C, H, W) in [0, peak]; papers usually pass the rounded grey luma.
        peak: the largest possible value.
        border: pixels left out on each side.
        combine: the weighted product of the paper, or its variant with a weighted sum.

    Returns:
        (N,) float64, at most 1.

    Raises:
        InputError: a side of 160 pixels or less is left: nothing of the coarsest scale would fit.
    """
    if combine not in ("product", "sum"):
        raise SettingError(f"combine must be product or sum, got {combine!r}")
    check_pair(restored, truth, what="MS-SSIM")
    first, second = double(crop(restored, border)), double(crop(truth, border))
    check_pair(first, second, smallest=161, what="MS-SSIM")
    weights = first.new_tensor(WEIGHTS)
    values = []
    for scale in range(len(WEIGHTS)):
        luminance, structure = ssim_maps(first, second, peak=peak)
        structure = structure.clamp(min=0)
        last = scale == len(WEIGHTS) - 1
        values.append((luminance * structure if last else structure).mean(dim=(1, 2, 3)))
        if not last:
            odd = (first.shape[-2] % 2, first.shape[-1] % 2)
            first, second = F.avg_pool2d(first, 2, padding=odd), F.avg_pool2d(second, 2, padding=odd)
    scales = torch.stack(values)  # scale, picture
    if combine == "sum":
        return (scales * (weights / weights.sum())[:, None]).sum(0)
    return (scales ** weights[:, None]).prod(0)
