"""Noise of sensors: Gaussian and Poisson, in colour or grey, as fields that are added to a picture in [0, 1]."""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
from torch import Tensor

__all__ = ["gaussian_field", "photon_field", "poisson_field", "poisson_levels", "with_noise"]

_LUMA = (0.299, 0.587, 0.114)
_COLUMNS = 256  # counts that have a chance: 128 on each side of the mean, eight deviations of the brightest


def gaussian_field(standard: Tensor, sigma: Tensor | float) -> Tensor:
    """``standard`` normal numbers, ``(N, 1 or 3, H, W)``, times ``sigma`` grey levels (one number or ``(N,)``)."""
    amount = torch.as_tensor(sigma, dtype=standard.dtype, device=standard.device).reshape(-1, 1, 1, 1)
    return standard * (amount / 255)


def poisson_levels(image: Tensor) -> float:
    """2^ceil(log2(number of distinct grey levels)) of one picture: how finely its light is counted."""
    return float(2 ** math.ceil(math.log2(len(torch.unique(image)))))


def _fineness(gray_levels: Tensor, counted: Tensor | None) -> Tensor:
    """log2 of ``poisson_levels`` of every picture in whole numbers 0..255, ``(N,)``: by a table instead of a sort."""
    n = len(gray_levels)
    places = gray_levels.reshape(n, -1).long() + 257 * torch.arange(n, device=gray_levels.device)[:, None]
    if counted is not None:  # what is outside goes to a place of its own
        places = torch.where(counted.expand_as(gray_levels).reshape(n, -1), places, 256)
    used = (torch.bincount(places.flatten(), minlength=257 * n).reshape(n, 257)[:, :256] > 0).sum(1)
    return torch.log2(used.clamp(min=1).float()).ceil().long()


def _chances(fineness: int) -> np.ndarray:
    """Poisson's probabilities ``(256 levels, 256 counts)`` of light in 2^fineness steps; see ``_first``."""
    mean = np.arange(256)[:, None] / 255 * 2.0**fineness
    counts = _first(mean) + np.arange(_COLUMNS)
    factorials = torch.lgamma(torch.from_numpy(counts + 1.0)).numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithm = np.where(mean > 0, counts * np.log(mean), np.where(counts > 0, -np.inf, 0.0)) - mean - factorials
    chances = np.exp(logarithm)
    return np.asarray(chances / chances.sum(1, keepdims=True))


def _first(mean: np.ndarray) -> np.ndarray:
    """The lowest count that has a column in the tables."""
    return np.asarray(np.maximum(0, np.round(mean) - _COLUMNS // 2))


@functools.cache
def _alias_tables(fineness: int) -> tuple[Tensor, Tensor]:
    """Walker's tables for all 256 levels: each of 256 equal columns is shared by two counts.

    Returns:
        thresholds: ``(256 * 256,)``, the share of the column's second count.
        counts: ``(256 * 256 * 2,)``, first and second count of every column.
    """
    left = _chances(fineness) * _COLUMNS
    rows, own = np.arange(256), np.arange(_COLUMNS)
    threshold, alias = np.ones((256, _COLUMNS)), np.tile(own, (256, 1))
    for _ in range(_COLUMNS - 1):  # the emptiest column is filled up by the fullest, and is done
        poor, rich = np.nanargmin(left, 1), np.nanargmax(left, 1)
        share = left[rows, poor].clip(0, 1)
        threshold[rows, poor], alias[rows, poor] = share, rich
        left[rows, rich] -= 1 - share
        left[rows, poor] = np.nan
    first = _first(np.arange(256)[:, None] / 255 * 2.0**fineness)
    counts = np.stack([first + alias, np.broadcast_to(first + own, alias.shape)], -1)
    with torch.inference_mode(False):  # kept for callers in any mode
        return _floats(threshold), _floats(counts)


@functools.cache
def _tables_on(fineness: int, device: torch.device) -> tuple[Tensor, Tensor]:
    with torch.inference_mode(False):
        thresholds, counts = _alias_tables(fineness)
        return thresholds.to(device), counts.to(device)


def _floats(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array.astype(np.float32)).flatten()


def _counted_light(gray_levels: Tensor, uniform: Tensor, fineness: int) -> Tensor:
    """Poisson numbers of mean ``gray_levels / 255 * 2^fineness``, each from one uniform number in [0, 1)."""
    thresholds, counts = _tables_on(fineness, gray_levels.device)
    scaled = uniform * _COLUMNS
    column = scaled.floor()
    place = (gray_levels * _COLUMNS).add_(column).int().flatten()
    kept = scaled.sub_(column).flatten() < thresholds.index_select(0, place)
    return counts.index_select(0, place.mul_(2).add_(kept)).reshape(gray_levels.shape)


def photon_field(
    image: Tensor, uniform: Tensor, scale: Tensor | float, *, gray: bool, counted: Tensor | None = None
) -> Tensor:
    """Photon noise: (Poisson(V y) / V - y) scale, where y is the picture on the 8-bit grid and V ``poisson_levels``.

    The Poisson numbers come from Walker's alias tables, seven times quicker than ``torch.poisson`` and equal on
    every machine; their probabilities are right to 2^-24.

    Args:
        image: ``(N, 3, H, W)`` float32 RGB in [0, 1]; V is counted for each picture.
        uniform: numbers in [0, 1), ``(N, 3, H, W)``, with ``gray`` ``(N, 1, H, W)``.
        scale: strength, one number or ``(N,)``.
        gray: the field of the luma for all channels, ``(N, 1, H, W)``.
        counted: ``(N, 1, H, W)``, true where a pixel belongs to the picture; ``None`` everywhere.
    """
    if gray:
        weights = torch.tensor(_LUMA).to(image).reshape(1, 3, 1, 1)
        image = (image * weights).sum(1, keepdim=True)
    gray_levels = (image * 255).round_().clamp_(0, 255)
    fineness = _fineness(gray_levels, counted).tolist()
    drawn = [_counted_light(one, u, fine) for one, u, fine in zip(gray_levels, uniform, fineness, strict=True)]
    counts = torch.tensor([2.0**-fine for fine in fineness]).to(image).reshape(-1, 1, 1, 1)
    amount = torch.as_tensor(scale, dtype=image.dtype, device=image.device).reshape(-1, 1, 1, 1)
    return torch.stack(drawn).mul_(counts).sub_(gray_levels.div_(255)).mul_(amount)


def poisson_field(image: Tensor, scale: Tensor | float, *, gray: bool, generator: torch.Generator | None) -> Tensor:
    """``photon_field`` with its chance from ``generator``, on the CPU's or the picture's device as the generator is."""
    shape = (len(image), 1 if gray else 3, *image.shape[-2:])
    device = image.device if generator is None else generator.device
    uniform = torch.rand(shape, generator=generator, device=device).to(image)
    return photon_field(image, uniform, scale, gray=gray)


def with_noise(image: Tensor, field: Tensor, *, rounded: bool = False) -> Tensor:
    """The picture with a field added, clipped to [0, 1]; ``rounded`` brings it to the 8-bit grid."""
    noisy = image + field
    if rounded:
        noisy = (noisy * 255).round() / 255
    return noisy.clamp_(0, 1)
