"""Filters as small matrix products: the quick way to blur in float64 on a CPU, where convolutions are slow."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["correlate", "correlate_columns", "correlate_plane", "correlate_rows", "gaussian", "half_size", "symmetric"]

_BLOCK = 32  # outputs per product: wide enough for the matrix product to be quick, narrow enough to waste little


def gaussian(
    taps: int, sigma: float, *, dtype: torch.dtype = torch.float64, device: torch.device | None = None
) -> Tensor:
    """``taps`` values of a normal curve around the middle, of sum 1."""
    places = torch.arange(taps, dtype=dtype, device=device) - (taps - 1) / 2
    values = (-places.square() / (2 * sigma**2)).exp()
    return values / values.sum()


def correlate(image: Tensor, taps: Tensor, *, stride: int = 1) -> Tensor:
    """Both axes filtered with ``taps``, where the window fits: (..., H, W) -> (..., (H - k)//s + 1, (W - k)//s + 1)."""
    return correlate_columns(correlate_rows(image, taps, stride=stride), taps, stride=stride)


def correlate_rows(image: Tensor, taps: Tensor, *, stride: int = 1) -> Tensor:
    """Each row filtered with ``taps`` where they fit: (..., H, W) -> (..., H, (W - k)//s + 1)."""
    count = (image.shape[-1] - len(taps)) // stride + 1
    band, blocks = _band(taps, count, stride)
    windows = _row_blocks(image, band, blocks, stride)
    # one copy and one product: windows overlap, and a product of each line alone would copy each alone
    answer: Tensor = (windows.reshape(-1, len(band)) @ band).view(*windows.shape[:-1], -1).flatten(-2)[..., :count]
    return answer


def correlate_columns(image: Tensor, taps: Tensor, *, stride: int = 1) -> Tensor:
    """Each column filtered with ``taps`` where they fit: (..., H, W) -> (..., (H - k)//s + 1, W)."""
    count = (image.shape[-2] - len(taps)) // stride + 1
    band, blocks = _band(taps, count, stride)
    span, step = band.shape[0], band.shape[1] * stride
    image = F.pad(image, (0, 0, 0, max(0, (blocks - 1) * step + span - image.shape[-2])))
    windows = image.unfold(-2, span, step)[..., :blocks, :, :].transpose(-1, -2)  # ... blocks span w
    answer: Tensor = (band.T @ windows).flatten(-3, -2)[..., :count, :]
    return answer


def correlate_plane(image: Tensor, kernel: Tensor, *, stride: int = 1) -> Tensor:
    """A kernel (k, l) that is no product of two lines, where it fits: (..., H, W) -> (..., (H - k)//s + 1, ...)."""
    height, width = kernel.shape
    rows = (image.shape[-2] - height) // stride + 1
    count = (image.shape[-1] - width) // stride + 1
    bands = [_band(line, count, stride) for line in kernel]
    blocks, block = bands[0][1], bands[0][0].shape[1]
    windows = _row_blocks(image, bands[0][0], blocks, stride)
    lines = (windows @ torch.cat([band for band, _ in bands], dim=1)).unflatten(-1, (height, block))
    last = (rows - 1) * stride + 1
    parts = (lines[..., line : line + last : stride, :, line, :] for line in range(height))  # ... h blocks block
    total = next(parts).clone()
    for part in parts:
        total = total + part if total.requires_grad else total.add_(part)
    answer: Tensor = total.flatten(-2)[..., :count]
    return answer


def half_size(image: Tensor) -> Tensor:
    """MATLAB's ``imresize(image, 0.5)``: bicubic, antialiased, sides rounded up: (..., H, W) -> (..., H/2, W/2).

    Every output pixel has the same eight taps; borders are mirrored with the edge pixel.
    """
    offsets = torch.arange(-3.5, 4, dtype=torch.float64) / 2
    near, far = offsets.abs(), offsets.abs()
    inner = 1.5 * near**3 - 2.5 * near**2 + 1
    outer = -0.5 * far**3 + 2.5 * far**2 - 4 * far + 2
    taps = torch.where(near <= 1, inner, outer)
    taps = (taps / taps.sum()).to(image)
    height, width = image.shape[-2:]
    return correlate(symmetric(image, (3, 3 + width % 2 + 1, 3, 3 + height % 2 + 1)), taps, stride=2)


def symmetric(image: Tensor, padding: tuple[int, int, int, int]) -> Tensor:
    """Extend by mirroring with the edge pixel (MATLAB's ``symmetric``): left, right, top, bottom; any amount."""
    left, right, top, bottom = padding
    return _mirrored(_mirrored(image, -2, top, bottom), -1, left, right)


def _mirrored(image: Tensor, axis: int, before: int, after: int) -> Tensor:
    length = image.shape[axis]
    if not (before or after):
        return image
    if max(before, after) <= length:  # the usual case, without a gather over the whole picture
        first = image.narrow(axis, 0, before).flip(axis)
        last = image.narrow(axis, length - after, after).flip(axis)
        return torch.cat([first, image, last], dim=axis)
    places = torch.arange(-before, length + after, device=image.device) % (2 * length)
    return image.index_select(axis, torch.where(places < length, places, 2 * length - 1 - places))


def _row_blocks(image: Tensor, band: Tensor, blocks: int, stride: int) -> Tensor:
    span, step = band.shape[0], band.shape[1] * stride
    image = F.pad(image, (0, max(0, (blocks - 1) * step + span - image.shape[-1])))
    return image.unfold(-1, span, step)[..., :blocks, :]  # ... h blocks span


def _band(taps: Tensor, count: int, stride: int) -> tuple[Tensor, int]:
    """The matrix that makes one block of outputs from the inputs that it sees, and the number of blocks."""
    block = max(1, min(_BLOCK // stride, count))
    band = taps.new_zeros((block - 1) * stride + len(taps), block)
    outputs = torch.arange(block, device=taps.device)
    for index, tap in enumerate(taps):
        band[outputs * stride + index, outputs] = tap
    return band, math.ceil(count / block)
