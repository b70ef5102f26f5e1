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
        where = open_.cpu().numpy()
        level = _shared_level(first, second)[where]
        above = [x[where] - level for x in (first, second)]
        firmness = [1 - np.where(x >= 0.15, x, 0) for x in above]
        values.append(float(np.abs(firmness[0] - firmness[1]).sum(dtype=np.float64)) / 1000)
    return torch.tensor(values, dtype=torch.float64)


def _shared_level(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Up to which threshold each pixel belongs to the largest component of what both alphas reach.

    All thresholds in one pass: runs of pixels that reach the same threshold are joined from the highest one down, so
    that each one only adds what is new.
    """
    both = np.minimum(first, second)
    count = round(1 / STEP)
    reached = np.zeros(both.shape, np.int8)
    for index in range(1, count + 1):
        reached += both >= index * STEP
    runs = _Runs(reached)
    level = np.full(len(runs.level), -1, np.float32)
    inside = [runs.largest(index) for index in range(count, 0, -1)][::-1]
    for index, within in enumerate(inside, start=1):
        level[~within & (level < 0)] = (index - 1) * STEP
    level[level < 0] = 1
    found: NDArray[np.float32] = level[runs.of_pixel]
    return found


class _Runs:
    """Runs of equal values in the rows of ``(H, W)`` int8, and which of them touch."""

    def __init__(self, values: NDArray[np.int8]) -> None:
        begins = np.ones(values.shape, bool)
        begins[:, 1:] = values[:, 1:] != values[:, :-1]
        self.of_pixel = (np.cumsum(begins.ravel(), dtype=np.int32) - 1).reshape(values.shape)
        self.level = values[begins]
        self.size = np.diff(np.flatnonzero(begins), append=values.size)
        self.root = np.arange(len(self.level), dtype=np.int32)
        above, below = self.of_pixel[:-1], self.of_pixel[1:]
        fresh = begins[:-1] | begins[1:]  # the first pixel of each pair of runs that touch
        beside = begins[:, 1:]
        pairs = [(above[fresh], below[fresh]), (self.of_pixel[:, :-1][beside], self.of_pixel[:, 1:][beside])]
        one, other = (np.concatenate(ends) for ends in zip(*pairs, strict=True))
        lower = np.minimum(self.level[one], self.level[other])
        self.edges = {int(index): (one[lower == index], other[lower == index]) for index in range(1, 12)}

    def largest(self, index: int) -> NDArray[np.bool_]:
        """Of every run whether it is in the largest 4-connected part of what has at least ``index``, the first of
        several; to be asked from the highest index down."""
        self._join(*self.edges[index])
        active = self.level >= index
        pixels = np.bincount(self.root[active], weights=self.size[active], minlength=1)
        found: NDArray[np.bool_] = active & (self.root == int(pixels.argmax()))
        return found

    def _join(self, one: NDArray[np.int32], other: NDArray[np.int32]) -> None:
        """Hook the later root of every edge to the earlier one until all ends agree."""
        root = self.root
        while len(one):
            one, other = root[one], root[other]
            apart = one != other
            one, other = one[apart], other[apart]
            np.minimum.at(root, np.maximum(one, other), np.minimum(one, other))
            while not np.array_equal(jumped := root[root], root):
                root = jumped
        self.root = root


def largest_component(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The 4-connected part of a mask (H, W) that has most pixels, the first of several; none of an empty mask."""
    runs = _Runs(mask.astype(np.int8))
    found: NDArray[np.bool_] = runs.largest(1)[runs.of_pixel]
    return found
