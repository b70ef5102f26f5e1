"""Pictures that metrics can be tried on: texture over a slope, and what can happen to it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def textured(count: int = 1, height: int = 128, width: int = 144, *, channels: int = 3, seed: int = 3) -> Tensor:
    """Smooth noise of several sizes on a slope, (count, channels, H, W) float32 in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.linspace(0.3, 0.6, width).expand(count, channels, height, width).clone()
    for size in (8, 32, 128):
        noise = torch.randn(count, channels, size, size, generator=generator)
        image += 0.1 * F.interpolate(noise, (height, width), mode="bicubic")
    return image.clamp(0.02, 0.98)


def noisy(image: Tensor, strength: float = 0.05, seed: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (image + strength * torch.randn(image.shape, generator=generator)).clamp(0, 1)


def blurred(image: Tensor) -> Tensor:
    return F.avg_pool2d(F.pad(image, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
