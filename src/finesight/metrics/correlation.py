"""How well scores agree with people: rank and linear correlation, fitted curves, intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from finesight.errors import InputError, SettingError

__all__ = ["Interval", "bootstrap", "kendall", "pearson", "ranks", "rmse", "spearman"]


def _checked(predicted: Tensor, subjective: Tensor) -> tuple[Tensor, Tensor]:
    if predicted.ndim != 1 or predicted.shape != subjective.shape:
        raise SettingError(
            f"correlations take two lists of one length, got {tuple(predicted.shape)} and {tuple(subjective.shape)}"
        )
    if len(predicted) < 2:
        raise InputError(f"a correlation needs at least 2 pairs, got {len(predicted)}")
    return predicted.double(), subjective.double()


def pearson(predicted: Tensor, subjective: Tensor) -> Tensor:
    """Linear correlation (PLCC) of two lists (n,): a scalar, NaN where one of them is constant."""
    x, y = _checked(predicted, subjective)
    x, y = x - x.mean(), y - y.mean()
    return (x @ y) / (x.square().sum() * y.square().sum()).sqrt()


def ranks(values: Tensor) -> Tensor:
    """1 for the smallest of (n,); equal values share the mean of their ranks.

    >>> ranks(torch.tensor([3.0, 1.0, 3.0])).tolist()
    [2.5, 1.0, 2.5]
    """
    _, place, counts = values.unique(return_inverse=True, return_counts=True)
    last = counts.cumsum(0).double()
    answer: Tensor = (last - (counts - 1) / 2)[place]
    return answer


def spearman(predicted: Tensor, subjective: Tensor) -> Tensor:
    """Rank correlation (SRCC): Pearson's of mean ranks."""
    x, y = _checked(predicted, subjective)
    return pearson(ranks(x), ranks(y))


def kendall(predicted: Tensor, subjective: Tensor) -> Tensor:
    """Rank correlation (KRCC), tau-b: pairs of one order less pairs of opposite order, ties accounted for."""
    x, y = _checked(predicted, subjective)
    agreement = x.new_zeros(())
    untied_x, untied_y = x.new_zeros(()), x.new_zeros(())
    for start in range(0, len(x), 1024):  # rows of the comparison at a time: no n x n matrix
        part = slice(start, start + 1024)
        order_x, order_y = torch.sign(x[part, None] - x), torch.sign(y[part, None] - y)
        agreement = agreement + (order_x * order_y).sum()
        untied_x, untied_y = untied_x + order_x.abs().sum(), untied_y + order_y.abs().sum()
    return agreement / (untied_x * untied_y).sqrt()


def rmse(predicted: Tensor, subjective: Tensor) -> Tensor:
    """Root of the mean squared difference, with 1e-8 under the root as pyiqa has it."""
    x, y = _checked(predicted, subjective)
    return ((x - y).square().mean() + 1e-8).sqrt()


@dataclass(frozen=True)
class Interval:
    """A value and the interval that holds it with the given confidence."""

    value: float
    low: float
    high: float


def bootstrap(
    measure: Callable[..., Tensor],
    *samples: Tensor,
    generator: torch.Generator,
    repeats: int = 1000,
    confidence: float = 0.95,
) -> Interval:
    """The percentile interval of ``measure(*samples)`` when rows are drawn again with replacement.

    Args:
        measure: from lists of one length to a scalar: a correlation, or ``torch.mean``.
        samples: lists (n, ...) whose rows belong together.
        generator: where chance comes from.
        repeats: how many draws. Draws in which the measure is NaN (all rows equal) are left out.
        confidence: 0.95 leaves 2.5 % on each side.
    """
    if not 0 < confidence < 1 or repeats < 1:
        raise SettingError(f"an interval needs a confidence between 0 and 1 and repeats, got {confidence}, {repeats}")
    count = len(samples[0])
    values = []
    for _ in range(repeats):
        rows = torch.randint(count, (count,), generator=generator)
        values.append(measure(*(sample[rows] for sample in samples)))
    drawn = torch.stack(values).double()
    drawn = drawn[~drawn.isnan()]
    if not len(drawn):
        return Interval(float(measure(*samples)), float("nan"), float("nan"))
    edge = (1 - confidence) / 2
    low, high = torch.quantile(drawn, torch.tensor([edge, 1 - edge], dtype=torch.float64)).tolist()
    return Interval(float(measure(*samples)), low, high)
