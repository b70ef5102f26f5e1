"""Ratings from pairwise judgements: sequential Elo as in PIPAL, and the batch estimate of Bradley and Terry."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from finesight.errors import InputError, SettingError

__all__ = ["EloHistory", "bradley_terry", "elo", "win_probability"]


def win_probability(first: Tensor, second: Tensor, *, scale: float = 400.0) -> Tensor:
    """Probability that an item rated ``first`` is preferred to one rated ``second``: 1/(1 + 10^((b - a)/scale)).

    >>> round(float(win_probability(torch.tensor(1500.0), torch.tensor(1600.0))), 2)
    0.36
    """
    return 1 / (1 + 10 ** ((second - first) / scale))


@dataclass(frozen=True)
class EloHistory:
    """What sequential Elo gives.

    Args:
        ratings: (items,) after the last comparison.
        expected: (comparisons,) probability that the first was preferred, before each update.
        trajectory: (comparisons, items) all ratings after each comparison.
    """

    ratings: Tensor
    expected: Tensor
    trajectory: Tensor

    def mean_of_last(self, count: int) -> Tensor:
        """(items,) mean of the ratings after each of the last ``count`` comparisons: steadier than the last alone."""
        if not 1 <= count <= len(self.trajectory):
            raise SettingError(f"there were {len(self.trajectory)} comparisons, cannot average the last {count}")
        return self.trajectory[-count:].mean(0)


def elo(
    first: Tensor,
    second: Tensor,
    score: Tensor,
    *,
    items: int | None = None,
    initial: float | Tensor = 1400.0,
    step: float = 16.0,
    scale: float = 400.0,
) -> EloHistory:
    """Ratings after comparisons in order; the sum of ratings never changes.

    Args:
        first, second: (comparisons,) item numbers.
        score: (comparisons,) 1 the first was preferred, 0 the second, 0.5 undecided.
        items: how many there are; by default the largest number plus one.
        initial: the rating of all, or (items,) of each, before the first comparison.
        step: the most that one comparison moves (K).
        scale: a lead of this much means 10 to 1 (M).

    Raises:
        InputError: lists of different length, unknown items, or scores outside 0 to 1.
    """
    if not first.shape == second.shape == score.shape or first.ndim != 1 or not len(first):
        raise InputError("Elo takes three lists of one length: first, second and score of each comparison")
    count = int(max(first.max(), second.max())) + 1 if items is None else items
    if min(int(first.min()), int(second.min())) < 0 or max(int(first.max()), int(second.max())) >= count:
        raise InputError(f"comparisons name items outside 0 to {count - 1}")
    if float(score.min()) < 0 or float(score.max()) > 1:
        raise InputError("scores are 1 (first preferred), 0 (second) or 0.5 (undecided)")
    ratings = [float(v) for v in torch.as_tensor(initial, dtype=torch.float64).expand(count)]
    expected, trajectory = [], []
    for one, other, result in zip(first.tolist(), second.tolist(), score.double().tolist(), strict=True):
        probability = 1 / (1 + 10 ** ((ratings[other] - ratings[one]) / scale))
        change = step * (result - probability)
        ratings[one] += change
        ratings[other] -= change
        expected.append(probability)
        trajectory.append(list(ratings))
    history = torch.tensor(trajectory, dtype=torch.float64)
    return EloHistory(history[-1], torch.tensor(expected, dtype=torch.float64), history)


def bradley_terry(
    first: Tensor,
    second: Tensor,
    score: Tensor,
    *,
    items: int | None = None,
    initial: float = 1400.0,
    scale: float = 400.0,
) -> Tensor:
    """Ratings (items,) of greatest likelihood; the order of comparisons is without effect, their mean is ``initial``.

    Args:
        first, second, score, items, initial, scale: as in ``elo``.

    Raises:
        InputError: somebody never won or never lost, or two groups never met: no finite ratings exist.
    """
    count = int(max(first.max(), second.max())) + 1 if items is None else items
    wins = torch.zeros(count, count, dtype=torch.float64)  # how often row was preferred to column
    wins.index_put_((first, second), score.double(), accumulate=True)
    wins.index_put_((second, first), 1 - score.double(), accumulate=True)
    if not _connected((wins > 0).tolist()):
        raise InputError(
            "the comparisons leave ratings open: some items were always preferred to the rest, or never met them"
        )
    games = wins + wins.T
    strength = torch.ones(count, dtype=torch.float64)
    for _ in range(10_000):  # Hunter's minorise-maximise steps; each raises the likelihood
        updated = wins.sum(1) / (games / (strength[:, None] + strength)).sum(1)
        updated = updated / updated.log().mean().exp()
        if float((updated.log() - strength.log()).abs().max()) < 1e-12:
            break
        strength = updated
    return initial + scale / math.log(10) * updated.log()


def _connected(beat: Sequence[Sequence[bool]]) -> bool:
    """Whether everybody can be reached from the first item along wins, and along losses."""
    for reversed_ in (False, True):
        seen, open_ = {0}, [0]
        while open_:
            item = open_.pop()
            for other in range(len(beat)):
                if other not in seen and (beat[other][item] if reversed_ else beat[item][other]):
                    seen.add(other)
                    open_.append(other)
        if len(seen) < len(beat):
            return False
    return True
