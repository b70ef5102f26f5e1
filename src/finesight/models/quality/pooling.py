"""Poolings that do not alias: L2 pooling (Hénaff and Simoncelli; DISTS) and blur pooling (Zhang, 2019)."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import SettingError

__all__ = ["BlurPool", "L2Pool"]


class L2Pool(nn.Module):
    """Root of the blurred squares, at half size; zeros lie outside. It has no parameters.

    Args:
        points: length of the Hanning window, of which the two zero ends are dropped (5 in DISTS: a 3x3 filter).
    """

    kernel: Tensor

    def __init__(self, points: int = 5) -> None:
        super().__init__()
        if points < 3:
            raise SettingError(f"L2 pooling needs a window of at least 3 points, got {points}")
        window = torch.hann_window(points, periodic=False, dtype=torch.float64)[1:-1]
        kernel = window[:, None] * window
        self.register_buffer("kernel", (kernel / kernel.sum()).float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        kernel = self.kernel.to(x.dtype).expand(channels, 1, -1, -1)
        blurred = F.conv2d(x.square(), kernel, stride=2, padding=self.kernel.shape[-1] // 2, groups=channels)
        return (blurred + 1e-12).sqrt()


class BlurPool(nn.Module):
    """Binomial blur, then every ``stride``-th pixel. It has no parameters.

    A max-pooling of stride s becomes the same at stride 1 followed by this.

    Args:
        points: side of the filter: 1, 1 1, 1 2 1, 1 3 3 1, ...
        stride: which pixels remain.
        padding: what lies outside.
        more: further pixels of padding on every side.
    """

    kernel: Tensor

    def __init__(
        self,
        points: int = 3,
        *,
        stride: int = 2,
        padding: Literal["reflect", "replicate", "zero"] = "reflect",
        more: int = 0,
    ) -> None:
        super().__init__()
        if points < 1 or stride < 1 or padding not in ("reflect", "replicate", "zero"):
            raise SettingError(f"blur pooling cannot have {points} points, stride {stride} and padding {padding!r}")
        line = torch.tensor([float(math.comb(points - 1, k)) for k in range(points)])
        kernel = line[:, None] * line
        self.register_buffer("kernel", kernel / kernel.sum(), persistent=False)
        before, after = (points - 1) // 2 + more, points // 2 + more
        self.stride, self.edges = stride, (before, after, before, after)
        self.padding = "constant" if padding == "zero" else padding

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        padded = F.pad(x, self.edges, mode=self.padding)
        return F.conv2d(
            padded, self.kernel.to(x.dtype).expand(channels, 1, -1, -1), stride=self.stride, groups=channels
        )
