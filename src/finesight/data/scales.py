"""Training and testing at any scale: how LIIF's low-resolution pictures and its queries are made."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from finesight.errors import SettingError

__all__ = ["Queries", "drawn_queries", "fixed_scale_pair"]

Pixels = NDArray[np.uint8]


def fixed_scale_pair(pixels: Pixels, scale: float) -> tuple[Pixels, Pixels]:
    """A test pair at one scale, whole or not: low resolution by Pillow's bicubic, and the truth cut to fit.

    Args:
        pixels: uint8 ``(H, W, 3)``.
        scale: at least 1.

    Returns:
        low: ``(floor(H / scale), floor(W / scale), 3)``.
        truth: the top left ``round(low sides * scale)`` pixels.

    Raises:
        SettingError: nothing is left of the picture.
    """
    low = tuple(math.floor(side / scale + 1e-9) for side in pixels.shape[:2])
    if min(low) < 1 or scale < 1:
        raise SettingError(f"scale {scale:g}: a picture of {pixels.shape[1]}x{pixels.shape[0]} has nothing left")
    truth = pixels[: round(low[0] * scale), : round(low[1] * scale)]
    small = Image.fromarray(np.ascontiguousarray(truth)).resize((low[1], low[0]), Image.Resampling.BICUBIC)
    return np.asarray(small), truth


@dataclass(frozen=True, slots=True)
class Queries:
    """Pixels of a truth drawn without repetition.

    Args:
        coordinates: ``(q, 2)`` rows first, the centres of pixels in [-1, 1].
        cell: ``(q, 2)``, the size of a pixel of the truth, 2 / side.
        colours: ``(q, 3)`` in [0, 1].
    """

    coordinates: Tensor
    cell: Tensor
    colours: Tensor


def drawn_queries(truth: Tensor, count: int, generator: torch.Generator) -> Queries:
    """``count`` pixels of ``truth`` ``(3, H, W)`` with where they lie.

    Raises:
        SettingError: there are fewer.
    """
    height, width = truth.shape[-2:]
    if not 1 <= count <= height * width:
        raise SettingError(f"queries: expected 1 to {height * width} of a {width}x{height} picture, got {count}")
    chosen = torch.randperm(height * width, generator=generator)[:count]
    rows, columns = chosen // width, chosen % width
    coordinates = torch.stack([(2 * rows + 1) / height - 1, (2 * columns + 1) / width - 1], -1)
    cell = torch.tensor([2 / height, 2 / width]).expand(count, 2)
    return Queries(coordinates, cell.clone(), truth.flatten(1)[:, chosen].T.contiguous())
