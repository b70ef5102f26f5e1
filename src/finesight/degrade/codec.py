"""JPEG as a file has it: libjpeg's integers, 4:2:0, the border of the picture repeated."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

__all__ = ["file_jpeg"]


def file_jpeg(image: Tensor, quality: int, *, swapped: bool = False) -> Tensor:
    """One picture through a JPEG file.

    Args:
        image: ``(1, 3, H, W)`` RGB; clipped to [0, 1] and rounded to 8 bits first.
        quality: 1 to 100.
        swapped: hand red over as blue and back, as mmediting does, so that luma's weights are swapped too.

    Returns:
        ``(1, 3, H, W)`` in [0, 1] on the 8-bit grid.
    """
    pixels = image[0].permute(1, 2, 0).mul(255).round().clamp(0, 255).byte().cpu().numpy()
    order = slice(None, None, -1) if swapped else slice(None)
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels[..., order])).save(buffer, "JPEG", quality=quality)
    decoded = np.asarray(Image.open(buffer).convert("RGB"))[..., order]
    return torch.from_numpy(decoded.copy()).permute(2, 0, 1)[None].to(image) / 255
