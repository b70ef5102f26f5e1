"""Padding a picture of any size to what a network's strides and windows need."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["mirror_to_multiple"]


def mirror_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """Mirror ``image`` (..., H, W) at its right and lower border until both sides are multiples of ``multiple``.

    The border pixel is not repeated. A side shorter than its padding is mirrored to and fro; a side of one pixel is
    repeated. Returns ``image`` itself where nothing is missing.
    """
    height, width = image.shape[-2:]
    below, right = -height % multiple, -width % multiple
    if not below and not right:
        return image
    if below < height and right < width:
        return F.pad(image, (0, right, 0, below), mode="reflect")
    for axis, length, missing in ((-2, height, below), (-1, width, right)):
        if missing:
            period = max(2 * length - 2, 1)
            index = torch.arange(length + missing, device=image.device) % period
            image = image.index_select(axis, torch.minimum(index, period - index) if length > 1 else index)
    return image
