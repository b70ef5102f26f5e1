"""Statistics of natural scenes: normalised luminance and the generalised Gaussians that fit it (NIQE, BRISQUE)."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.metrics.filtering import correlate, gaussian

__all__ = ["fit_asymmetric", "fit_symmetric", "local_contrast", "neighbours"]

NIQE_SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))
WINDOW, SIGMA = 7, 7 / 6
NOTHING = 1e-9  # levels; rounding is some 1e-13


def local_contrast(
    levels: Tensor, *, padding: Literal["replicate", "constant"] = "replicate", window: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Mean-subtracted, contrast-normalised luminance and the local deviation it was divided by (plus one).

    Args:
        levels: (N, 1, H, W) in 0..255.
        padding: what lies beyond the border: its pixels repeated, or zeros (``constant``, original BRISQUE).
        window: a published 7x7 window. Where a pixel equals its local mean (flat areas), rounding alone decides on
            which side of the later fits it is counted, and whole scores hang on that (0.2 % have been seen). With a
            window such pixels are summed term by term, as the published code does; without, they count as they fall.

    Returns:
        two tensors like ``levels``.
    """
    taps = gaussian(WINDOW, SIGMA, dtype=levels.dtype, device=levels.device)
    edge = WINDOW // 2
    padded = F.pad(levels, (edge, edge, edge, edge), mode=padding)
    mean = correlate(padded, taps)
    deviation = (correlate(padded.square(), taps) - mean.square()).abs().sqrt()
    difference = levels - mean
    if window is not None:
        difference = _rounded_as_published(difference, levels, padded, window.to(levels))
    return difference / (deviation + 1), deviation


def _rounded_as_published(difference: Tensor, levels: Tensor, padded: Tensor, window: Tensor) -> Tensor:
    """``difference``, where it is rounding error, computed by adding 49 products in the order of the window's rows."""
    picture, channel, row, column = torch.nonzero(difference.abs() < NOTHING, as_tuple=True)
    mean = levels.new_zeros(len(row))
    for down in range(WINDOW):
        for along in range(WINDOW):
            mean += window[down, along] * padded[picture, channel, row + down, column + along]
    difference = difference.clone()
    difference[picture, channel, row, column] = levels[picture, channel, row, column] - mean
    return difference


def neighbours(blocks: Tensor, shift: tuple[int, int]) -> Tensor:
    """Each value times its neighbour, circular within the last two axes."""
    return blocks * blocks.roll(shift, dims=(-2, -1))


def fit_asymmetric(values: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Asymmetric generalised Gaussian of each row of ``values`` (..., count).

    Returns:
        shape alpha, scales beta left and right, deviations left and right, each (...). A side without values gives
        NaN scales; the shape is then the first of the grid, as the published search for the smallest gives.
    """
    right = values.clamp(min=0)
    left = values - right
    above = right.count_nonzero(dim=-1)
    below = values.count_nonzero(dim=-1) - above
    left_norm, right_norm = (torch.linalg.vector_norm(side, dim=-1) for side in (left, right))
    left_deviation, right_deviation = left_norm / below.sqrt(), right_norm / above.sqrt()
    ratio = left_deviation / right_deviation
    mean = (right.sum(-1) - left.sum(-1)) / values.shape[-1]
    moment = mean.square() * values.shape[-1] / (left_norm.square() + right_norm.square())
    target = moment * (ratio**3 + 1) * (ratio + 1) / (ratio.square() + 1).square()
    shapes, moments = _grid(values.dtype, str(values.device))
    alpha = shapes[_nearest(moments, target)]
    width = _width(alpha)
    return alpha, left_deviation * width, right_deviation * width, left_deviation, right_deviation


def fit_symmetric(values: Tensor) -> tuple[Tensor, Tensor]:
    """Generalised Gaussian of each row of ``values`` (..., count): shape alpha and variance, each (...)."""
    variance = values.square().mean(-1)
    target = variance / values.abs().mean(-1).square()
    shapes, moments = _grid(values.dtype, str(values.device))
    return shapes.flip(0)[_nearest(1 / moments.flip(0), target)], variance


def _width(alpha: Tensor) -> Tensor:
    return ((torch.lgamma(1 / alpha) - torch.lgamma(3 / alpha)) / 2).exp()


def _nearest(ascending: Tensor, target: Tensor) -> Tensor:
    """Index of the entry nearest to each target; 0 for NaN."""
    middles = (ascending[1:] + ascending[:-1]) / 2
    return torch.searchsorted(middles, target.nan_to_num(nan=-torch.inf, posinf=torch.inf).contiguous())


@lru_cache(maxsize=4)
def _grid(dtype: torch.dtype, device: str) -> tuple[Tensor, Tensor]:
    """Shapes 0.2 to 10 in steps of 0.001 and (E|x|)² / E x² of the generalised Gaussian with each."""
    shapes = torch.arange(200, 10001, dtype=torch.float64) / 1000
    moments = (2 * torch.lgamma(2 / shapes) - torch.lgamma(1 / shapes) - torch.lgamma(3 / shapes)).exp()
    return shapes.to(device, dtype), moments.to(device, dtype)
