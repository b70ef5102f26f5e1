"""Separable filters as small matrix products: the quick way to blur in float64 on a CPU."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["correlate", "correlate_columns", "correlate_rows", "gaussian"]

_BLOCK = (
    32  # outputs per product: the matrix has BLOCK x (BLOCK + taps - 1) entries, of which taps/(BLOCK + taps) are used
)


def gaussian(
    taps: int, sigma: float, *, dtype: torch.dtype = torch.float64, device: torch.device | None = None
) -> Tensor:
    """``taps`` values of a normal curve around the middle, of sum 1."""
    places = torch.arange(taps, dtype=dtype, device=device) - (taps - 1) / 2
    values = (-places.square() / (2 * sigma**2)).exp()
    return values / values.sum()


def correlate(image: Tensor, taps: Tensor) -> Tensor:
    """Both axes filtered with ``taps``, where the window fits: (..., H, W) -> (..., H - k + 1, W - k + 1)."""
    return correlate_columns(correlate_rows(image, taps), taps)


def correlate_rows(image: Tensor, taps: Tensor) -> Tensor:
    """Each row filtered with ``taps`` where they fit: (..., H, W) -> (..., H, W - k + 1)."""
    count = image.shape[-1] - len(taps) + 1
    band, blocks = _band(taps, count)
    image = torch.nn.functional.pad(image, (0, blocks * band.shape[1] + len(taps) - 1 - image.shape[-1]))
    windows = image.unfold(-1, band.shape[0], band.shape[1])  # ... h blocks span
    return (windows @ band).flatten(-2)[..., :count]


def correlate_columns(image: Tensor, taps: Tensor) -> Tensor:
    """Each column filtered with ``taps`` where they fit: (..., H, W) -> (..., H - k + 1, W)."""
    count = image.shape[-2] - len(taps) + 1
    band, blocks = _band(taps, count)
    image = torch.nn.functional.pad(image, (0, 0, 0, blocks * band.shape[1] + len(taps) - 1 - image.shape[-2]))
    windows = image.unfold(-2, band.shape[0], band.shape[1]).transpose(-1, -2)  # ... blocks span w
    return (band.T @ windows).flatten(-3, -2)[..., :count, :]


def _band(taps: Tensor, count: int) -> tuple[Tensor, int]:
    """The matrix that makes one block of outputs from the inputs that it sees, and the number of blocks."""
    block = min(_BLOCK, count)
    band = taps.new_zeros(block + len(taps) - 1, block)
    for index, tap in enumerate(taps):
        band.diagonal(-index).fill_(tap)
    return band, math.ceil(count / block)
