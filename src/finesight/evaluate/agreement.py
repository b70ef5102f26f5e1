"""A benchmark of metrics against people, from a table of scores: correlations for each kind of distortion (PIPAL)."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from finesight.errors import InputError, SettingError, nearest
from finesight.metrics.correlation import Interval, bootstrap, kendall, pearson, rmse, spearman
from finesight.metrics.fits import Curve, fit_curve
from finesight.progress import Cancel, Progress, silent

__all__ = ["ALL", "Agreement", "ScoreTable", "benchmark_metrics", "read_scores"]

ALL = "all"
_PIPAL = re.compile(r"^A\d{4}_(\d\d)_\d\d$")


@dataclass(frozen=True)
class ScoreTable:
    """Pictures with people's scores and metrics' values.

    Args:
        names: of pictures.
        people: (n,) people's scores, higher is better.
        metrics: name -> (n,) values.
        groups: kind of distortion of each picture, empty where the table does not say.
    """

    names: tuple[str, ...]
    people: Tensor
    metrics: dict[str, Tensor]
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Agreement:
    """How well one metric agrees with people on one kind of distortion; absolute values, with 95 % intervals.

    Args:
        metric: its name.
        group: the kind of distortion, ``all`` for every picture together.
        count: pictures.
        falling: whether smaller values of the metric are better.
        srcc, krcc, plcc: rank correlations, and linear correlation of the values as they are.
        fitted_plcc, fitted_rmse: after the curve was fitted; NaN where it cannot be (fewer than six pictures).
    """

    metric: str
    group: str
    count: int
    falling: bool
    srcc: Interval
    krcc: Interval
    plcc: Interval
    fitted_plcc: float
    fitted_rmse: float


def read_scores(file: str | Path, *, people: str = "mos", by: str | None = None) -> ScoreTable:
    """Read comma-separated values with a header: a name first, people's scores, metrics, maybe the kind of distortion.

    Args:
        file: the table.
        people: the column of people's scores.
        by: the column of kinds; by default ``type`` or ``distortion`` where there is one, or the group in PIPAL's
            names (``A0001_04_07.bmp`` is of group 04).

    Raises:
        InputError: it cannot be read, a cell is no number, or there is no metric.
        SettingError: a column lacks.
    """
    try:
        with Path(file).open(encoding="utf-8-sig", newline="") as lines:
            rows = [row for row in csv.reader(lines) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file} cannot be read as a table of scores: {error}") from error
    if len(rows) < 3:
        raise InputError(f"{file} has {max(0, len(rows) - 1)} pictures: a header and at least 2 lines are expected")
    header = [cell.strip() for cell in rows[0]]
    for wanted in (people, *([by] if by else [])):
        if wanted not in header:
            hint = nearest(wanted, header) or f"It has {', '.join(header)}."
            raise SettingError(f"{file} has no column '{wanted}'. {hint}")
    kind = by or next((name for name in ("type", "distortion", "group") if name in header), None)
    text = {header[0], kind} - {people}
    columns = [name for name in header if name not in text]
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(header):
            raise InputError(f"{file}, line {number}: {len(row)} cells, {len(header)} are expected")
    values = {name: _numbers(rows, header.index(name), name, file) for name in columns}
    subjective = values.pop(people)
    if not values:
        raise InputError(f"{file} has no column of a metric beside {people}")
    names = tuple(row[0] if header[0] in text else str(number) for number, row in enumerate(rows[1:], 1))
    groups = tuple(row[header.index(kind)] for row in rows[1:]) if kind else _pipal_groups(names)
    return ScoreTable(names, subjective, values, groups)


def _numbers(rows: Sequence[Sequence[str]], column: int, name: str, file: str | Path) -> Tensor:
    found = []
    for number, row in enumerate(rows[1:], 2):
        try:
            value = float(row[column])
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise InputError(f"{file}, line {number}: {name} is {row[column]!r}, a finite number is expected")
        found.append(value)
    return torch.tensor(found, dtype=torch.float64)


def _pipal_groups(names: Sequence[str]) -> tuple[str, ...]:
    found = [_PIPAL.match(Path(name).stem) for name in names]
    return tuple(match[1] for match in found if match) if all(found) else ()


def benchmark_metrics(
    table: ScoreTable,
    *,
    generator: torch.Generator,
    curve: Curve = "logistic4",
    repeats: int = 1000,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> list[Agreement]:
    """Every metric on all pictures, then on each kind of distortion, in the order of the table.

    Args:
        table: see ``read_scores``.
        generator: for the intervals (bootstrap over pictures).
        curve: fitted before the fitted correlation is taken.
        repeats: draws for each interval.
        progress: metrics and kinds done.
        cancel: stops between them.
    """
    kinds = {ALL: torch.arange(len(table.people))}
    for kind in dict.fromkeys(table.groups):
        kinds[kind] = torch.tensor([index for index, group in enumerate(table.groups) if group == kind])
    jobs = [(metric, kind) for metric in table.metrics for kind in kinds]
    answer = []
    for done, (metric, kind) in enumerate(jobs):
        if cancel is not None:
            cancel.check()
        progress(done, len(jobs), f"{metric}, {kind}")
        rows = kinds[kind]
        answer.append(
            _agreement(metric, kind, table.metrics[metric][rows], table.people[rows], curve, repeats, generator)
        )
    progress(len(jobs), len(jobs), "")
    return answer


def _agreement(
    metric: str, kind: str, x: Tensor, y: Tensor, curve: Curve, repeats: int, generator: torch.Generator
) -> Agreement:
    if len(x) < 2:
        nothing = Interval(math.nan, math.nan, math.nan)
        return Agreement(metric, kind, len(x), False, nothing, nothing, nothing, math.nan, math.nan)
    falling = float(spearman(x, y)) < 0
    turned = -x if falling else x

    def interval(measure: Callable[[Tensor, Tensor], Tensor]) -> Interval:
        return bootstrap(measure, turned, y, generator=generator, repeats=repeats)

    fitted = error = math.nan
    if len(x) >= 6 and float(x.std()) > 0:
        values = fit_curve(turned, y, curve).values
        fitted, error = float(pearson(values, y)), float(rmse(values, y))
    return Agreement(
        metric, kind, len(x), falling, interval(spearman), interval(kendall), interval(pearson), fitted, error
    )
