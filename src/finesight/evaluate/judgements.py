"""Ratings from a list of pairwise judgements: who was preferred to whom, in a file."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from finesight.errors import InputError, SettingError
from finesight.metrics.preference import bradley_terry, elo

__all__ = ["Judgement", "Rating", "rate", "read_judgements"]

UNDECIDED = frozenset({"tie", "undecided", "equal", "0.5", ""})


@dataclass(frozen=True)
class Judgement:
    """One comparison: 1 the first was preferred, 0 the second, 0.5 undecided; ``reference`` is its tournament."""

    first: str
    second: str
    score: float
    reference: str = ""


@dataclass(frozen=True)
class Rating:
    """One item of one tournament.

    Args:
        reference: the tournament, "" where there is only one.
        item: its name.
        comparisons, wins: how many it was in, and won (an undecided one is half a win).
        elo: sequential, the mean over the last comparisons.
        batch: the estimate of Bradley and Terry, which does not depend on the order; NaN where it does not exist.
        low, high: the 95 % interval of ``batch`` (bootstrap over comparisons); NaN where most draws have no estimate.
    """

    reference: str
    item: str
    comparisons: int
    wins: float
    elo: float
    batch: float
    low: float
    high: float


def read_judgements(file: str | Path) -> list[Judgement]:
    """Comma-separated values in order of time, with the header ``first,second,preferred`` and maybe ``reference``.

    ``preferred`` is the name of one of the two, ``1`` or ``0`` for the first or second, or ``tie`` (0.5, empty).

    Raises:
        InputError: it cannot be read, a column lacks, or a line names somebody else.
    """
    try:
        with Path(file).open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            missing = [name for name in ("first", "second", "preferred") if name not in (reader.fieldnames or ())]
            if missing:
                raise InputError(f"{file} has no column {missing[0]}: first,second,preferred are expected in line 1")
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file} cannot be read as judgements: {error}") from error
    if not rows:
        raise InputError(f"{file} holds no judgements")
    return [_judgement(row, f"{file}, line {number}") for number, row in enumerate(rows, 2)]


def _judgement(row: dict[str, str | None], where: str) -> Judgement:
    first, second, preferred = ((row[name] or "").strip() for name in ("first", "second", "preferred"))
    if not first or not second or first == second:
        raise InputError(f"{where}: two different items are expected, got {first!r} and {second!r}")
    if preferred == first or (preferred in ("1", "1.0") and second != preferred):
        score = 1.0
    elif preferred == second or preferred in ("0", "0.0"):
        score = 0.0
    elif preferred.lower() in UNDECIDED:
        score = 0.5
    else:
        raise InputError(f"{where}: {preferred!r} was preferred, but {first} and {second} were compared")
    return Judgement(first, second, score, (row.get("reference") or "").strip())


def rate(
    judgements: Sequence[Judgement],
    *,
    generator: torch.Generator,
    initial: float = 1400.0,
    step: float = 16.0,
    scale: float = 400.0,
    last: int | None = None,
    repeats: int = 200,
) -> list[Rating]:
    """Elo ratings and batch estimates, each reference a tournament of its own, best first.

    Args:
        judgements: in order of time.
        generator: for the intervals.
        initial, step, scale: where all begin, the most that one comparison moves (K), the lead that means 10 to 1.
        last: over how many of the last comparisons the Elo rating is averaged; by default a tenth of them.
        repeats: draws for each interval.

    Raises:
        SettingError: no judgements, or ``last`` is more than there are.
    """
    if not judgements:
        raise SettingError("there are no judgements to rate by")
    tournaments: dict[str, list[Judgement]] = {}
    for one in judgements:
        tournaments.setdefault(one.reference, []).append(one)
    answer: list[Rating] = []
    for reference, games in tournaments.items():
        items = list(dict.fromkeys(name for game in games for name in (game.first, game.second)))
        number = {name: index for index, name in enumerate(items)}
        first = torch.tensor([number[game.first] for game in games])
        second = torch.tensor([number[game.second] for game in games])
        score = torch.tensor([game.score for game in games], dtype=torch.float64)
        history = elo(first, second, score, items=len(items), initial=initial, step=step, scale=scale)
        steady = history.mean_of_last(last or max(1, len(games) // 10))
        batch = _batch(first, second, score, len(items), initial, scale)
        low, high = _intervals(first, second, score, len(items), initial, scale, repeats, generator)
        for index, name in enumerate(items):
            wins = float(score[first == index].sum() + (1 - score[second == index]).sum())
            count = int((first == index).sum() + (second == index).sum())
            values = (float(part[index]) for part in (steady, batch, low, high))
            answer.append(Rating(reference, name, count, wins, *values))
    order = {reference: place for place, reference in enumerate(tournaments)}
    return sorted(answer, key=lambda rating: (order[rating.reference], -rating.elo))


def _batch(first: Tensor, second: Tensor, score: Tensor, items: int, initial: float, scale: float) -> Tensor:
    try:
        return bradley_terry(first, second, score, items=items, initial=initial, scale=scale)
    except InputError:  # somebody never won or never lost: no finite estimate
        return torch.full((items,), math.nan, dtype=torch.float64)


def _intervals(
    first: Tensor,
    second: Tensor,
    score: Tensor,
    items: int,
    initial: float,
    scale: float,
    repeats: int,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    drawn = []
    for _ in range(repeats):
        rows = torch.randint(len(first), (len(first),), generator=generator)
        drawn.append(_batch(first[rows], second[rows], score[rows], items, initial, scale))
    values = torch.stack(drawn)
    whole = values[~values.isnan().any(1)]
    if len(whole) < repeats / 2:  # an interval of the rest would be too narrow
        nothing = torch.full((items,), math.nan, dtype=torch.float64)
        return nothing, nothing
    low, high = torch.quantile(whole, torch.tensor([0.025, 0.975], dtype=torch.float64), dim=0)
    return low, high
