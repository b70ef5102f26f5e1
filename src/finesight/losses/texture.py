"""TTSR's transferal perceptual loss (Yang et al., CVPR 2020, section 3.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.errors import SettingError

__all__ = ["texture_transfer"]


def texture_transfer(
    maps: Sequence[Tensor],
    textures: Sequence[Tensor],
    attention: Tensor | None = None,
    *,
    criterion: Literal["l1", "mse"] = "mse",
    sigmoid: Literal["all", "first"] = "all",
) -> Tensor:
    """How far the restored picture's features are from the transferred textures, summed over the levels.

    Neither side is taken as a constant. Published: MSE, no attention, times 0.01; the authors' release divides by 3.

    Args:
        maps: the texture extractor's levels 3, 2, 1 of the restored picture, (N, C_i, h * 2^i, w * 2^i).
        textures: the transferred ones, of the same shapes.
        attention: soft attention (N, 1, h, w), enlarged for each level; both sides are multiplied by its sigmoid.
        criterion: mean of absolute or of squared differences.
        sigmoid: ``first`` repeats mmediting, where the enlarged attention of levels 2 and 1 stays raw.
    """
    if criterion not in ("l1", "mse"):
        raise SettingError(f"criterion: expected l1 or mse, got {criterion}")
    terms = []
    for level, (found, texture) in enumerate(zip(maps, textures, strict=True)):
        difference = found - texture
        if attention is not None:
            weight = attention
            if level:
                weight = F.interpolate(attention, size=found.shape[2:], mode="bicubic", align_corners=False)
            difference = difference * (weight if level and sigmoid == "first" else weight.sigmoid())
        terms.append((difference.abs() if criterion == "l1" else difference.square()).mean())
    return torch.stack(terms).sum()
