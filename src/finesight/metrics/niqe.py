"""NIQE (Mittal, Soundararajan, Bovik, 2013): the distance from the statistics of good photographs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from finesight.errors import InputError, SettingError
from finesight.metrics.colour import Luma, luma_levels
from finesight.metrics.filtering import half_size
from finesight.metrics.inputs import check_picture, crop, double
from finesight.metrics.scene_statistics import NIQE_SHIFTS, fit_asymmetric, local_contrast, neighbours

__all__ = ["NiqeModel", "fit_niqe", "niqe", "niqe_features", "scene_features"]

BLOCK = 96


@dataclass(frozen=True)
class NiqeModel:
    """The normal distribution of block features of good photographs.

    Args:
        mean: (36,) float64.
        covariance: (36, 36) float64.
        source: which photographs it was fitted to, for the tables.
        window: the published (7, 7) window, which decides how flat areas are rounded (see ``local_contrast``).
    """

    mean: Tensor
    covariance: Tensor
    source: str
    window: Tensor | None = None

    def __post_init__(self) -> None:
        if self.mean.shape != (36,) or self.covariance.shape != (36, 36):
            raise SettingError(
                f"NIQE's model has a mean of (36,) and a covariance of (36, 36), got {tuple(self.mean.shape)} and "
                f"{tuple(self.covariance.shape)}"
            )


def niqe(image: Tensor, model: NiqeModel, *, luma: Luma = "matlab-rounded", border: int = 0) -> Tensor:
    """Distance between the block statistics of each picture and those of ``model``; lower is better.

    Args:
        image: (N, 3 or 1, H, W) in [0, 1].
        model: the pristine model. Scores of different models cannot be compared.
        luma: ``matlab-rounded`` as BasicSR and mmediting, ``gray-rounded`` as the authors' code and IQA-PyTorch.
        border: pixels left out on each side before anything else.

    Returns:
        (N,) float64; NaN where fewer than two blocks have texture. Not differentiable (shapes come from a grid).

    Raises:
        InputError: no whole block of 96x96 is left.
    """
    features = niqe_features(image, luma=luma, border=border, window=model.window)
    model_mean, model_covariance = model.mean.to(features), model.covariance.to(features)
    scores = []
    for blocks in features:
        whole = blocks[~blocks.isnan().any(1)]
        if len(whole) < 2:
            scores.append(features.new_tensor(torch.nan))
            continue
        apart = model_mean - blocks.nanmean(0)
        spread = torch.linalg.pinv((model_covariance + whole.T.cov()) / 2, hermitian=True, rtol=1e-15)
        scores.append((apart @ spread @ apart).sqrt())
    return torch.stack(scores)


def niqe_features(
    image: Tensor, *, luma: Luma = "matlab-rounded", border: int = 0, window: Tensor | None = None
) -> Tensor:
    """The 36 features of every 96x96 block, 18 of each of two scales: (N, blocks, 36) float64."""
    return _features(image, luma, border, window)[0]


def _features(image: Tensor, luma: Luma, border: int, window: Tensor | None) -> tuple[Tensor, Tensor]:
    """Features (N, blocks, 36) and sharpness (N, blocks): the mean local deviation at full size."""
    check_picture(image, what="NIQE")
    levels = double(luma_levels(crop(image, border), luma))
    height, width = (side // BLOCK * BLOCK for side in levels.shape[-2:])
    if not (height and width):
        raise InputError(
            f"NIQE needs at least one block of {BLOCK}x{BLOCK} pixels, got {levels.shape[-1]}x{levels.shape[-2]}"
        )
    levels = levels[..., :height, :width]
    parts = []
    sharpness = levels.new_empty(0)
    for side in (BLOCK, BLOCK // 2):
        contrast, deviation = local_contrast(levels, window=window)
        parts.append(scene_features(_blocks(contrast, side)))
        if side == BLOCK:
            sharpness = _blocks(deviation, side).mean(dim=(2, 3))
            levels = half_size(levels)
    return torch.cat(parts, dim=-1), sharpness


def _blocks(plane: Tensor, side: int) -> Tensor:
    """(N, 1, H, W) -> (N, blocks, side, side), rows of blocks first."""
    rows = plane[:, 0].unflatten(-1, (-1, side)).unflatten(-3, (-1, side))  # n rows side columns side
    blocks: Tensor = rows.transpose(2, 3).flatten(1, 2).contiguous()
    return blocks


def scene_features(blocks: Tensor) -> Tensor:
    """The 18 features of normalised luminance (..., H, W): its own fit, then those of four neighbour products."""
    alpha, left, right, _, _ = fit_asymmetric(blocks.flatten(-2))
    features = [alpha, (left + right) / 2]
    for shift in NIQE_SHIFTS:
        alpha, left, right, _, _ = fit_asymmetric(neighbours(blocks, shift).flatten(-2))
        mean = (right - left) * (torch.lgamma(2 / alpha) - torch.lgamma(1 / alpha)).exp()
        features += [alpha, mean, left, right]
    return torch.stack(features, dim=-1)


def fit_niqe(
    pictures: Iterable[Tensor], *, source: str, luma: Luma = "gray-rounded", sharpest: float = 0.75
) -> NiqeModel:
    """Fit the pristine model to good photographs, as the authors did: only to the sharp blocks of each.

    Args:
        pictures: (1, 3, H, W) each, in [0, 1].
        source: what they are.
        luma: as in ``niqe``; score with the same.
        sharpest: blocks whose mean local deviation exceeds this share of the picture's largest are used.

    Raises:
        InputError: fewer than 37 blocks in all: no covariance of 36 features can be had.
    """
    chosen = []
    for picture in pictures:
        features, sharpness = _features(picture, luma, 0, None)
        sharp = sharpness[0] > sharpest * sharpness[0].max()
        chosen.append(features[0][sharp & ~features[0].isnan().any(1)])
    blocks = torch.cat(chosen)
    if len(blocks) < 37:
        raise InputError(f"NIQE's model needs at least 37 sharp blocks of {BLOCK}x{BLOCK} pixels, found {len(blocks)}")
    return NiqeModel(blocks.mean(0), blocks.T.cov(), source)
