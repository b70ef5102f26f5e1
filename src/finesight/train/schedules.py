"""Learning rate by iteration, as published: the value in force while iteration ``step`` (from 0) is computed."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from finesight.errors import SettingError

__all__ = ["cosine_restart", "multi_step"]


def multi_step(step: int, *, base: float, milestones: Sequence[int], gamma: float = 0.5) -> float:
    """``base`` times ``gamma`` for every milestone reached; iteration ``milestone`` has the new rate already."""
    return base * gamma ** bisect_right(sorted(milestones), step)


def cosine_restart(
    step: int, *, base: float, periods: Sequence[int], restart_weights: Sequence[float], minimum: float = 1e-7
) -> float:
    """A cosine down to ``minimum`` in each period, whose height above it is ``weight * (base - minimum)``.

    A period's first iteration is its top again; after the last period the rate stays at its end.

    Raises:
        SettingError: periods and weights are not of equal number.
    """
    if len(periods) != len(restart_weights) or not periods:
        raise SettingError(f"expected one restart weight a period, got {len(periods)} and {len(restart_weights)}")
    ends = list(accumulate(periods))
    index = min(bisect_right(ends, step), len(periods) - 1)
    done = min(1.0, (step - (ends[index] - periods[index])) / periods[index])
    return minimum + 0.5 * restart_weights[index] * (base - minimum) * (1 + math.cos(math.pi * done))
