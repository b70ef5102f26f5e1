"""JPEG's loss on tensors, a batch at a time, with gradient if wanted ("DiffJPEG" of Real-ESRGAN).

A real file codec differs: it subsamples and rounds in integers. This one has the published form, whose quantisation
tables are transposed and neither rounded nor clipped; ``standard_tables=True`` gives the standard's own.
"""

from __future__ import annotations

import functools
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.errors import SettingError

__all__ = ["jpeg"]

_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)  # table K.1 of ITU-T T.81
_CHROMA_CORNER = ((17, 18, 24, 47), (18, 21, 26, 66), (24, 26, 56, 99), (47, 66, 99, 99))  # K.2; 99 elsewhere

_TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))


@functools.cache
def _tables(standard: bool, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    with torch.inference_mode(False):  # kept for callers in any mode
        luma, chroma = torch.tensor(_LUMA, dtype=dtype), torch.full((8, 8), 99.0, dtype=dtype)
        chroma[:4, :4] = torch.tensor(_CHROMA_CORNER, dtype=dtype)
        pair = (luma, chroma) if standard else (luma.T.contiguous(), chroma.T.contiguous())
        return pair[0].to(device), pair[1].to(device)


@functools.cache
def _colours(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """From RGB in [0, 1] to YCbCr in 0..255 and back."""
    with torch.inference_mode(False):
        there, back = torch.tensor(_TO_YCC, dtype=torch.float64) * 255, torch.tensor(_TO_RGB, dtype=torch.float64) / 255
        return there.to(device, dtype), back.to(device, dtype)


def _factor(quality: Tensor) -> Tensor:
    return torch.where(quality < 50, 5000 / quality, 200 - 2 * quality) / 100


@functools.cache
def _transform(factor: int, dtype: torch.dtype, device: torch.device) -> tuple[tuple[Tensor, Tensor], ...]:
    """The DCT of 8 means of ``factor`` neighbours each, and what brings it back.

    Returns:
        Two pairs, to multiply from the left and from the right. From the right two blocks of 8 go at once: products
        with a matrix of 16x16 take a quarter of the time of those with one of 8x8.
    """
    with torch.inference_mode(False):
        u, x = torch.arange(8, dtype=torch.float64)[:, None], torch.arange(8, dtype=torch.float64)[None, :]
        matrix = 0.5 * torch.cos((2 * x + 1) * u * math.pi / 16)
        matrix[0] /= math.sqrt(2)
        forward = matrix.repeat_interleave(factor, 1) / factor  # 8, 8 * factor
        pairs = []
        for left in (forward, forward.T * factor):
            right = torch.block_diag(left.T, left.T) if factor == 1 else left.T
            pairs.append((left.to(device, dtype).contiguous(), right.to(device, dtype).contiguous()))
        return tuple(pairs)


def _both_ways(values: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """``left @ block @ right`` of all blocks, without moving one: few large products, not many small ones."""
    columns = left @ values.reshape(-1, left.shape[1], values.shape[-1])
    return columns.reshape(-1, len(right)) @ right


def _plane(plane: Tensor, table: Tensor, factor: int, differentiable: bool) -> Tensor:
    """One plane ``(N, H, W)``, 0 in the middle, through DCT, quantisation and back.

    Args:
        plane: its sides are multiples of 16.
        table: ``(N or 1, 8, 8)``.
        factor: the plane is halved (2) by means of blocks and brought back by repetition, within the transforms.
        differentiable: see ``jpeg``.
    """
    n, height, width = plane.shape
    forward, backward = _transform(factor, plane.dtype, plane.device)
    step = table.repeat(1, 1, width // (8 * factor))[:, None]  # n 1 8 w: long rows divide quickly
    transformed = _both_ways(plane, *forward).reshape(n, height // (8 * factor), 8, width // factor) / step
    if differentiable:
        nearest = transformed.detach().round()
        levels = (nearest + (transformed - nearest) ** 3) * step
    else:
        levels = transformed.detach().round_().mul_(step)
    return _both_ways(levels.reshape(-1, 8, width // factor), *backward).reshape(n, height, width)


def jpeg(
    image: Tensor, quality: Tensor | float, *, differentiable: bool = False, standard_tables: bool = False
) -> Tensor:
    """Compress and decompress a batch with 4:2:0 chroma.

    Args:
        image: ``(N, 3, H, W)`` RGB in [0, 1]; padded with black to multiples of 16 inside.
        quality: above 0 and below 100, one number or ``(N,)``; not changed.
        differentiable: rounding is round(v) + (v - round(v))^3, which has a gradient, instead of round(v).
        standard_tables: the standard's tables, rounded and clipped to 1..255 as a file has them.

    Returns:
        ``(N, 3, H, W)`` in [0, 1], not rounded to grey levels.

    Raises:
        SettingError: a quality out of range (at 100 the published tables are zero).
    """
    n, _, height, width = image.shape
    qualities = torch.as_tensor(quality, dtype=torch.float32, device=image.device).reshape(-1).expand(n)
    top = 100 if standard_tables else 99.999
    if n and not (float(qualities.min()) > 0 and float(qualities.max()) <= top):
        raise SettingError(f"JPEG quality: expected above 0 and below 100, got {qualities.tolist()}")
    factor = _factor(qualities)[:, None, None]
    tables = [table * factor for table in _tables(standard_tables, image.dtype, image.device)]
    if standard_tables:
        tables = [(table + 1e-4).round().clamp(1, 255) for table in tables]
    padded = F.pad(image, (0, -width % 16, 0, -height % 16)) if height % 16 or width % 16 else image
    shape = padded.shape[-2:]
    there, back = _colours(image.dtype, image.device)
    ycc = torch.matmul(there, padded.flatten(2)).unflatten(2, shape)
    luma = _plane(ycc[:, 0].sub_(128), tables[0], 1, differentiable).add_(128)
    chroma = _plane(ycc[:, 1:].flatten(0, 1), tables[1].repeat_interleave(2, 0), 2, differentiable)
    planes = torch.cat([luma[:, None], chroma.unflatten(0, (n, 2))], 1).flatten(2)
    rgb: Tensor = torch.matmul(back, planes).unflatten(2, shape)
    return rgb.clamp_(0, 1)[..., :height, :width].contiguous()
