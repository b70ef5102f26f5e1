"""PIQE (Venkatanath et al., 2015): distortion of the blocks that have detail; no parameters, no training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from finesight.metrics.colour import luma
from finesight.metrics.filtering import symmetric
from finesight.metrics.inputs import check_picture, crop, double
from finesight.metrics.scene_statistics import local_contrast

__all__ = ["PiqeReport", "piqe", "piqe_report"]

BLOCK, RUN = 16, 6
THRESHOLD = 0.1


@dataclass(frozen=True)
class PiqeReport:
    """PIQE's score (N,) and its masks of blocks (N, rows, columns): with detail, with an artefact's edge, noisy."""

    score: Tensor
    active: Tensor
    impaired: Tensor
    noisy: Tensor


def piqe(image: Tensor, *, border: int = 0) -> Tensor:
    """Score of each picture, 0 to 100; lower is better.

    Args:
        image: (N, 3 or 1, H, W) in [0, 1].
        border: pixels left out on each side.

    Returns:
        (N,) float64. Not differentiable (blocks are counted).

    Raises:
        InputError: a side of less than 16 pixels is left.
    """
    return piqe_report(image, border=border).score


def piqe_report(image: Tensor, *, border: int = 0) -> PiqeReport:
    """The same with the masks that show where the distortion lies."""
    check_picture(image, what="PIQE")
    grey = double(luma(crop(image, border), "gray"))
    check_picture(grey, smallest=BLOCK, what="PIQE")
    brightest = grey.amax(dim=(1, 2, 3), keepdim=True).clamp(min=1e-12)
    levels = (255 * grey / brightest).round()
    height, width = levels.shape[-2:]
    # Published: mirrored by the remainder itself, not by what is lacking; then only whole blocks are taken.
    padded = symmetric(levels, (0, width % BLOCK, 0, height % BLOCK))
    contrast = local_contrast(padded)[0][:, 0]
    rows, columns = (side // BLOCK for side in contrast.shape[-2:])
    blocks = contrast[:, : rows * BLOCK, : columns * BLOCK].reshape(-1, rows, BLOCK, columns, BLOCK).transpose(2, 3)
    variance = blocks.var(dim=(-2, -1))  # n rows columns, over n - 1
    active = variance > THRESHOLD
    edges = torch.stack([blocks[..., 0, :], blocks[..., -1, :], blocks[..., :, 0], blocks[..., :, -1]], dim=-2)
    impaired = (edges.unfold(-1, RUN, 1).std(dim=-1) < THRESHOLD).flatten(-2).any(dim=-1)
    noisy = _noisy(blocks, variance)
    distortion = active * (impaired * (1 - variance) + noisy * variance)
    score = 100 * (distortion.sum(dim=(1, 2)) + 1) / (active.sum(dim=(1, 2)) + 1)
    return PiqeReport(score, active, impaired, noisy)


def _noisy(blocks: Tensor, variance: Tensor) -> Tensor:
    """Blocks whose deviation is more than twice the disagreement of it with the ratio of centre to surround."""
    deviation = variance.sqrt()
    centre = blocks[..., 7:9].flatten(-2).std(dim=-1)
    left = torch.cat([blocks[..., :7], blocks[..., 8:]], dim=-1)  # without column 7
    surround = torch.cat([left[..., :8], left[..., 9:]], dim=-1)  # then without column 8 of what remains (published)
    ratio = (centre / surround.flatten(-2).std(dim=-1)).nan_to_num(nan=0.0)
    disagreement = (deviation - ratio).abs() / torch.maximum(deviation, ratio)
    return deviation > 2 * disagreement
