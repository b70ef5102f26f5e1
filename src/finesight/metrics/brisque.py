"""BRISQUE (Mittal, Moorthy, Bovik, 2012): features of scene statistics and the published regression on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from finesight.errors import SettingError
from finesight.metrics.colour import luma_levels
from finesight.metrics.filtering import half_size
from finesight.metrics.inputs import check_picture, crop, double
from finesight.metrics.niqe import scene_features
from finesight.metrics.scene_statistics import fit_asymmetric, fit_symmetric, local_contrast, neighbours

__all__ = ["SupportVectors", "brisque", "brisque_features", "brisque_scaled"]

SHIFTS = ((0, 1), (1, 0), (1, 1), (-1, 1))
RANGES = (  # smallest and largest value of each feature on the authors' training pictures, as they publish them
    *((0.338, 10), (0.017204, 0.806612), (0.236, 1.642), (-0.123884, 0.20293), (0.000155, 0.712298)),
    *((0.001122, 0.470257), (0.244, 1.641), (-0.123586, 0.179083), (0.000152, 0.710456), (0.000975, 0.470984)),
    *((0.249, 1.555), (-0.135687, 0.100858), (0.000174, 0.684173), (0.000913, 0.534174), (0.258, 1.561)),
    *((-0.143408, 0.100486), (0.000179, 0.685696), (0.000888, 0.536508), (0.471, 3.264), (0.012809, 0.703171)),
    *((0.218, 1.046), (-0.094876, 0.187459), (1.5e-5, 0.442057), (0.001272, 0.40803), (0.222, 1.042)),
    *((-0.115772, 0.162604), (1.6e-5, 0.444362), (0.001374, 0.40243), (0.227, 0.996), (-0.117188, 0.098323)),
    *((3e-5, 0.531903), (0.001122, 0.369589), (0.228, 0.99), (-0.12243, 0.098658), (2.8e-5, 0.530092)),
    (0.001118, 0.370399),
)


@dataclass(frozen=True)
class SupportVectors:
    """The regression that turns features into a score.

    Args:
        coefficients: (count,).
        vectors: (count, 36).
        variant: which features, kernel width and offset belong to it.
    """

    coefficients: Tensor
    vectors: Tensor
    variant: Literal["original", "matlab"] = "original"

    def __post_init__(self) -> None:
        if self.vectors.shape != (self.coefficients.numel(), 36):
            raise SettingError(
                f"BRISQUE's support vectors are (count, 36) with one coefficient each, got {tuple(self.vectors.shape)} "
                f"and {tuple(self.coefficients.shape)}"
            )


def brisque(image: Tensor, support: SupportVectors, *, border: int = 0) -> Tensor:
    """The published score of each picture, about 0 to 100; lower is better.

    Args:
        image: (N, 3 or 1, H, W) in [0, 1].
        support: the loaded regression (a separate download).
        border: pixels left out on each side.

    Returns:
        (N,) float64.
    """
    if support.variant == "matlab":
        features, vectors = brisque_features(image, variant="matlab", border=border) / 0.321, support.vectors / 0.321
        width, offset = 1.0, 43.4582
    else:
        features, vectors = brisque_scaled(brisque_features(image, border=border)), support.vectors
        width, offset = 0.05, 153.591
    distances = torch.cdist(features, vectors.to(features)).square()
    score: Tensor = (-width * distances).exp() @ support.coefficients.to(features).flatten() + offset
    return score


def brisque_features(image: Tensor, *, variant: Literal["original", "matlab"] = "original", border: int = 0) -> Tensor:
    """The 36 features of each picture, 18 of each of two scales.

    Args:
        image: (N, 3 or 1, H, W) in [0, 1]; its grey luma is rounded to 8-bit levels.
        variant: the authors' (zeros beyond the border, symmetric fit of the luminance itself) or that of MATLAB's
            Image Processing Toolbox (borders repeated, NIQE's features).
        border: pixels left out on each side.

    Returns:
        (N, 36) float64. Not differentiable (shapes come from a grid).
    """
    if variant not in ("original", "matlab"):
        raise SettingError(f"variant must be original or matlab, got {variant!r}")
    check_picture(image, what="BRISQUE")
    levels = double(luma_levels(crop(image, border), "gray-rounded"))
    check_picture(levels, smallest=16, what="BRISQUE")
    parts = []
    for scale in range(2):
        if scale:
            levels = half_size(levels)
        padding: Literal["constant", "replicate"] = "constant" if variant == "original" else "replicate"
        contrast = local_contrast(levels, padding=padding)[0][:, 0]
        parts.append(_original(contrast) if variant == "original" else scene_features(contrast))
    return torch.cat(parts, dim=-1)


def brisque_scaled(features: Tensor) -> Tensor:
    """Original features (..., 36) stretched from the published ranges to [-1, 1]."""
    low, high = features.new_tensor(RANGES).T
    scaled: Tensor = 2 * (features - low) / (high - low) - 1
    return scaled


def _original(contrast: Tensor) -> Tensor:
    """(N, H, W) -> (N, 18)."""
    alpha, variance = fit_symmetric(contrast.flatten(1))
    features = [alpha, variance]
    for shift in SHIFTS:
        alpha, _, _, left, right = fit_asymmetric(neighbours(contrast, shift).flatten(1))
        ratio = torch.lgamma(2 / alpha) - (torch.lgamma(1 / alpha) + torch.lgamma(3 / alpha)) / 2
        features += [alpha, (right - left) * ratio.exp(), left.square(), right.square()]
    return torch.stack(features, dim=-1)
