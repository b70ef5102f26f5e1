"""Errors of alpha mattes: SAD, MSE, gradient and connectivity (Rhemann et al., 2009), as on Composition-1k."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from finesight.metrics.filtering import correlate_columns, correlate_rows
from finesight.metrics.inputs import check_pair, double

__all__ = [
    "alpha_mse",
    "connectivity_error",
    "gaussian_slope",
    "gradient_error",
    "gradient_length",
    "largest_component",
    "sad",
]

STEP = 0.1  # between the thresholds of connectivity


def sad(restored: Tensor, truth: Tensor) -> Tensor:
    """Sum of absolute differences over all pixels, in thousands.

    Args:
        restored, truth: alphas (N, 1, H, W) in [0, 1].

    Returns:
        (N,) float64.
    """
    check_pair(restored, truth, what="SAD")
    return (double(restored) - double(truth)).abs().sum(dim=(1, 2, 3)) / 1000


def alpha_mse(restored: Tensor, truth: Tensor, unknown: Tensor) -> Tensor:
    """Sum of squared differences over *all* pixels per unknown pixel; 0 where nothing is unknown.

    Args:
        restored, truth: alphas (N, 1, H, W) in [0, 1].
        unknown: (N, 1, H, W) bool, where the trimap leaves the alpha open.

    Returns:
        (N,) float64.
    """
    check_pair(restored, truth, what="the error of alphas")
    squares = (double(restored) - double(truth)).square().sum(dim=(1, 2, 3))
    count = unknown.sum(dim=(1, 2, 3))
    return torch.where(count > 0, squares / count.clamp(min=1), torch.zeros_like(squares))


def gradient_error(restored: Tensor, truth: Tensor, unknown: Tensor, *, sigma: float = 1.4) -> Tensor:
    """Squared differences of gradient lengths over the unknown pixels, in thousands.

    Args:
        restored, truth: alphas (N, 1, H, W) in [0, 1]; each is first stretched to fill [0, 1], as published.
        unknown: (N, 1, H, W) bool.
        sigma: of the Gaussian whose derivative is taken.

    Returns:
        (N,) float64.
    """
    check_pair(restored, truth, what="the gradient error")
    lengths = [_gradient(image, sigma) for image in (restored, truth)]
    return ((lengths[0] - lengths[1]).square() * unknown).sum(dim=(1, 2, 3)) / 1000


def gaussian_slope(sigma: float = 1.4, *, epsilon: float = 0.01) -> tuple[Tensor, Tensor]:
    """The normal curve and its slope as taps whose outer product has Frobenius norm 1, float64, of odd equal length.

    The filter along x is ``outer(normal, slope)``, the one along y its transpose.

    Args:
        sigma: deviation in pixels.
        epsilon: where the curve may end.
    """
    half = math.ceil(sigma * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * sigma * epsilon)))
    places = torch.arange(-half, half + 1, dtype=torch.float64)
    normal = (-places.square() / (2 * sigma**2)).exp() / (sigma * math.sqrt(2 * math.pi))
    slope = -places * normal / sigma**2
    return normal, slope / torch.outer(normal, slope).square().sum().sqrt()


def gradient_length(image: Tensor, *, sigma: float = 1.4) -> Tensor:
    """Length of the gradient of a blurred image, borders repeated: ``(N, C, H, W)`` to the same in float64."""
    image = double(image)
    normal, slope = (taps.to(image.device) for taps in gaussian_slope(sigma))
    half = len(normal) // 2
    padded = F.pad(image, (half, half, half, half), mode="replicate")
    across = correlate_columns(correlate_rows(padded, slope), normal)
    down = correlate_columns(correlate_rows(padded, normal), slope)
    return (across.square() + down.square()).sqrt()


def _gradient(image: Tensor, sigma: float) -> Tensor:
    image = double(image)
    low, high = image.amin(dim=(1, 2, 3), keepdim=True), image.amax(dim=(1, 2, 3), keepdim=True)
    stretched = torch.where(high > low, (image - low) / (high - low).clamp(min=1e-12), torch.zeros_like(image))
    return gradient_length(stretched, sigma=sigma)


def connectivity_error(restored: Tensor, truth: Tensor, unknown: Tensor) -> Tensor:
    """Difference of how firmly pixels hang on the largest part that both alphas share, in thousands.

    Args:
        restored, truth: alphas (N, 1, H, W) in [0, 1].
        unknown: (N, 1, H, W) bool.

    Returns:
        (N,) float64. Not differentiable.
    """
    check_pair(restored, truth, what="the connectivity error")
    values = []
    for one, other, open_ in zip(restored[:, 0], truth[:, 0], unknown[:, 0], strict=True):
        first, second = (x.detach().cpu().float().numpy() for x in (one, other))
        level = _shared_level(first, second)
        firmness = [1 - np.where(x - level >= 0.15, x - level, 0) for x in (first, second)]
        values.append(float(np.abs(firmness[0] - firmness[1])[open_.cpu().numpy()].sum(dtype=np.float64)) / 1000)
    return torch.tensor(values, dtype=torch.float64)


def _shared_level(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Up to which threshold each pixel belongs to the largest component of what both alphas reach."""
    level = np.full(first.shape, -1, np.float32)
    for index in range(1, round(1 / STEP) + 1):
        outside = ~largest_component((first >= index * STEP) & (second >= index * STEP))
        level[outside & (level < 0)] = (index - 1) * STEP
    level[level < 0] = 1
    return level


def largest_component(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The 4-connected part of a mask (H, W) that has most pixels, the first of several; none of an empty mask.

    Runs of each row are joined with those that touch them in the next, by hooking roots and jumping pointers.
    """
    if not mask.any():
        return np.zeros_like(mask)
    before = np.zeros_like(mask)
    before[:, 1:] = mask[:, :-1]
    run = (np.cumsum(mask & ~before) - 1).reshape(mask.shape)  # number of the run that a pixel of the mask is in
    touching = mask[:-1] & mask[1:]
    edges = np.unique(np.stack([run[:-1][touching], run[1:][touching]], axis=1), axis=0)
    root = np.arange(int(run.max()) + 1)
    while True:
        ends = root[edges]
        apart = ends[:, 0] != ends[:, 1]
        if not apart.any():
            break
        np.minimum.at(root, ends[apart].max(1), ends[apart].min(1))
        while not np.array_equal(jumped := root[root], root):
            root = jumped
    pixels = np.bincount(root[run[mask]], minlength=len(root))
    found: NDArray[np.bool_] = mask & (root[run] == int(pixels.argmax()))
    return found
