"""Distances of two sets of pictures by their features: FID (Heusel et al., 2017) and KID (Bińkowski et al., 2018)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from finesight.errors import InputError, SettingError

__all__ = ["FeatureStatistics", "KernelDistance", "frechet_distance", "kernel_distance", "squared_mmd"]


class FeatureStatistics:
    """Mean and covariance of features that come in batches; nothing but two sums is kept.

    >>> statistics = FeatureStatistics()
    >>> statistics.update(torch.tensor([[0.0, 1.0], [2.0, 1.0]]))
    >>> statistics.mean.tolist(), statistics.covariance.tolist()
    ([1.0, 1.0], [[2.0, 0.0], [0.0, 0.0]])
    """

    def __init__(self) -> None:
        self.count = 0
        self._mean = torch.zeros(0, dtype=torch.float64)
        self._scatter = torch.zeros(0, 0, dtype=torch.float64)

    def update(self, features: Tensor) -> None:
        """Add the features of some pictures, (count, width).

        Raises:
            SettingError: features of another width than before.
        """
        rows = features.detach().double().cpu()
        if rows.ndim != 2 or (self.count and rows.shape[1] != len(self._mean)):
            raise SettingError(f"feature statistics take (count, width) of one width, got {tuple(features.shape)}")
        if not len(rows):
            return
        if not self.count:
            self._mean = rows.new_zeros(rows.shape[1])
            self._scatter = rows.new_zeros(rows.shape[1], rows.shape[1])
        # Chan, Golub and LeVeque's pairwise update: no loss of digits however many batches come
        mean = rows.mean(0)
        apart = mean - self._mean
        total = self.count + len(rows)
        centred = rows - mean
        self._scatter += centred.T @ centred + torch.outer(apart, apart) * (self.count * len(rows) / total)
        self._mean = self._mean + apart * (len(rows) / total)
        self.count = total

    @property
    def mean(self) -> Tensor:
        """(width,) float64."""
        return self._mean

    @property
    def covariance(self) -> Tensor:
        """(width, width) float64, over n - 1.

        Raises:
            InputError: fewer than two pictures.
        """
        if self.count < 2:
            raise InputError(f"a covariance of features needs at least 2 pictures, got {self.count}")
        return self._scatter / (self.count - 1)


def frechet_distance(first: FeatureStatistics, second: FeatureStatistics) -> float:
    """|m1 - m2|² + tr C1 + tr C2 - 2 tr (C1 C2)^½; needs many more pictures than features to mean anything.

    The trace of the root is the sum of the roots of the eigenvalues of C1^½ C2 C1^½, which is symmetric.
    """
    apart = (first.mean - second.mean).square().sum()
    values, vectors = torch.linalg.eigh(first.covariance)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    crossed = torch.linalg.eigvalsh(root @ second.covariance @ root).clamp(min=0).sqrt().sum()
    return float(apart + first.covariance.trace() + second.covariance.trace() - 2 * crossed)


@dataclass(frozen=True)
class KernelDistance:
    """Mean and (population) deviation of the squared MMD over random subsets."""

    mean: float
    deviation: float


Choose = Callable[[int, int], Tensor]
"""``choose(count, size)``: ``size`` of the numbers below ``count``, without repetition."""


def kernel_distance(
    first: Tensor,
    second: Tensor,
    *,
    generator: torch.Generator | None = None,
    repeats: int = 100,
    size: int = 1000,
    choose: Choose | None = None,
    rows_of_first: bool = False,
) -> KernelDistance:
    """KID: the unbiased squared MMD with the kernel (x·y/d + 1)³, over random subsets of both sets.

    Args:
        first, second: features (count, width).
        generator: where chance comes from.
        repeats: how many subsets.
        size: rows in each.
        choose: another way to draw (to repeat a published run); instead of ``generator``.
        rows_of_first: draw from the second set only as many first rows as the first set has, as mmediting does.

    Raises:
        InputError: fewer rows than ``size``: pass a smaller one.
        SettingError: neither ``generator`` nor ``choose``.
    """
    count = len(first)
    if min(count, len(second)) < size:
        raise InputError(f"KID draws {size} of the pictures, there are only {min(count, len(second))}: ask for fewer")
    if choose is None:
        if generator is None:
            raise SettingError("KID draws subsets by chance: pass a generator")
        source = generator

        def choose(count: int, size: int) -> Tensor:
            return torch.randperm(count, generator=source)[:size]

    values = []
    for _ in range(repeats):
        rows = first[choose(count, size)]
        values.append(squared_mmd(rows, second[choose(count if rows_of_first else len(second), size)]))
    distances = torch.stack(values)
    return KernelDistance(float(distances.mean()), float(distances.std(correction=0)))


def squared_mmd(first: Tensor, second: Tensor, *, unbiased: bool = True) -> Tensor:
    """Squared maximum mean discrepancy of two sets of features (m, width) of one size, a scalar in float64."""
    if first.shape != second.shape:
        raise SettingError(f"the MMD takes two sets of one shape, got {tuple(first.shape)} and {tuple(second.shape)}")
    x, y = first.double(), second.double()
    count, width = x.shape
    within_x, within_y, across = ((a @ b.T / width + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    if not unbiased:
        return within_x.mean() + within_y.mean() - 2 * across.mean()
    own = within_x.sum() - within_x.trace() + within_y.sum() - within_y.trace()
    return own / (count * (count - 1)) - 2 * across.mean()
