"""BD, the other degradation of video super-resolution: Gaussian blur, then every fourth pixel."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["BlurDown", "blur_down", "blur_down_kernel"]

BlurDown = Literal["centred", "duf"]


def blur_down_kernel(form: BlurDown = "centred") -> Tensor:
    """The Gaussian of deviation 1.6, float64: 12x12 (``centred``) or 13x13 (``duf``), its sum 1."""
    size = 12 if form == "centred" else 13
    axis = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    row = torch.exp(-(axis**2) / (2 * 1.6**2))
    row = row / row.sum()
    return row[:, None] * row[None, :]


def blur_down(image: Tensor, *, form: BlurDown = "centred") -> Tensor:
    """Reduce pictures four times. The forms differ by a shift of 1.5 pixels: a network wants the one it was trained on.

    Args:
        image: ``(..., H, W)``, floating point; not rounded, not clipped. Sides are multiples of 4.
        form: ``centred`` (BasicVSR family, TDAN; Vimeo-90K, UDM10, Vid4): an even kernel and borders repeated, so that
            pixels stand at the centres of 4x4 blocks. ``duf``: an odd kernel, borders mirrored, and pixels 0, 4, 8 ...

    Returns:
        ``(..., H/4, W/4)``.
    """
    kernel = blur_down_kernel(form).to(image)
    planes = image.reshape(-1, 1, *image.shape[-2:])
    # "centred" reads taps -5..+6 around pixels 1, 5, 9 ...; "duf" -6..+6 around 0, 4, 8 ...
    padded = F.pad(planes, (4, 7, 4, 7), "replicate") if form == "centred" else F.pad(planes, (6, 6, 6, 6), "reflect")
    small = F.conv2d(padded, kernel[None, None], stride=4)
    small = small[..., : (image.shape[-2] + 3) // 4, : (image.shape[-1] + 3) // 4]
    return small.reshape(*image.shape[:-2], *small.shape[-2:])
