"""Learning rate by iteration, as published: the value in force while iteration ``step`` (from 0) is computed."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from finesight.errors import SettingError
from finesight.train.settings.optimizer import CosineRestart, MultiStep, OptimizerSettings, Plateau

__all__ = ["Falling", "cosine_restart", "learning_rate", "multi_step"]


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


class Falling:
    """How far a plateau schedule has let the rate fall, from one validation to the next."""

    def __init__(self) -> None:
        self.factor, self.best, self.waited, self.resting = 1.0, -math.inf, 0, 0

    def see(self, value: float, settings: Plateau, *, higher: bool) -> None:
        """Take note of a validation; NaN counts as not better."""
        value = value if higher else -value
        least = self.best + settings.threshold * abs(self.best) if math.isfinite(self.best) else self.best
        better = value > least
        if better:
            self.best = value
        self.waited = 0 if better or self.resting else self.waited + 1
        self.resting = max(0, self.resting - 1)
        if self.waited >= settings.patience:
            self.factor, self.waited, self.resting = self.factor * settings.gamma, 0, settings.cooldown


def learning_rate(settings: OptimizerSettings, step: int, steps: int, *, falling: Falling | None = None) -> float:
    """The learning rate used by ``step`` (from 0) of ``steps``: a linear rise, then what the schedule says."""
    base, schedule = settings.learning_rate, settings.schedule
    if step < settings.warmup:
        return base * (step + 1) / settings.warmup
    if isinstance(schedule, MultiStep):
        return multi_step(step, base=base, milestones=schedule.milestones, gamma=schedule.gamma)
    if isinstance(schedule, CosineRestart):
        weights = schedule.restart_weights or (1.0,) * len(schedule.periods)
        return cosine_restart(
            step, base=base, periods=schedule.periods, restart_weights=weights, minimum=schedule.minimum
        )
    if isinstance(schedule, Plateau):
        return max(schedule.minimum, base * (falling.factor if falling is not None else 1.0))
    if schedule.kind == "constant":
        return base
    done = (step - settings.warmup) / max(1, steps - 1 - settings.warmup)
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return settings.final_learning_rate + (base - settings.final_learning_rate) * cosine
