"""Tables of scores: pictures, means with intervals, methods side by side; as CSV, JSON, Markdown and LaTeX."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from finesight.errors import SettingError
from finesight.evaluate.protocols import Averaging

__all__ = ["Column", "Comparison", "Mean", "Row", "Table", "as_csv", "as_latex", "as_markdown"]

REPEATS = 1000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Column:
    """One metric: its name, its title, which direction is better, how many decimals are printed."""

    name: str
    title: str
    better: Literal["higher", "lower"]
    decimals: int = 4

    def text(self, value: float) -> str:
        """A value for people; infinity is shown as such."""
        if math.isinf(value):
            return "∞" if value > 0 else "-∞"
        return "-" if math.isnan(value) else f"{value:.{self.decimals}f}"


@dataclass(frozen=True)
class Row:
    """The values of one picture, NaN where a metric has none; ``clip`` is the folder it is a frame of."""

    name: str
    values: Mapping[str, float]
    clip: str = ""


@dataclass(frozen=True)
class Mean:
    """A mean over finite values, the interval that holds it at 95 %, and the pictures that were left out of it.

    ``infinite`` names identical pictures (PSNR), ``undefined`` those without a value (NIQE of a flat picture).
    """

    value: float
    low: float
    high: float
    count: int
    infinite: tuple[str, ...] = ()
    undefined: tuple[str, ...] = ()

    @property
    def left_out(self) -> str:
        """A remark for under the table, empty if nothing was left out."""
        parts = []
        if self.infinite:
            parts.append(f"{len(self.infinite)} infinite ({_some(self.infinite)})")
        if self.undefined:
            parts.append(f"{len(self.undefined)} without a value ({_some(self.undefined)})")
        return " and ".join(parts)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


@dataclass(frozen=True)
class Table:
    """Scores of one method.

    Args:
        protocol: the line that describes how they were measured.
        protocol_name: its short name.
        columns: metrics in order.
        rows: pictures in order.
        averaging: over pictures, or over frames and then clips.
        notes: remarks for under the table.
    """

    protocol: str
    protocol_name: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    averaging: Averaging = "images"
    notes: tuple[str, ...] = field(default=())

    def mean(self, metric: str) -> Mean:
        """The mean of one metric. The interval is a percentile bootstrap over pictures (or clips) with a fixed seed.

        One picture has no interval: NaN.
        """
        if metric not in {column.name for column in self.columns}:
            raise SettingError(f"'{metric}' is not in this table: it has {', '.join(c.name for c in self.columns)}")
        groups: dict[str, list[float]] = {}
        infinite, undefined = [], []
        for index, row in enumerate(self.rows):
            value = row.values.get(metric, math.nan)
            if math.isnan(value):
                undefined.append(row.name)
            elif math.isinf(value):
                infinite.append(row.name)
            else:
                groups.setdefault(row.clip if self.averaging == "clips" else str(index), []).append(value)
        left = tuple(infinite), tuple(undefined)
        if not groups:
            unset = math.inf if infinite and not undefined else math.nan
            return Mean(unset, math.nan, math.nan, 0, *left)
        values = torch.tensor([sum(group) / len(group) for group in groups.values()], dtype=torch.float64)
        if len(values) == 1:  # one picture says nothing about others
            return Mean(float(values[0]), math.nan, math.nan, 1, *left)
        generator = torch.Generator().manual_seed(0)
        drawn = values[torch.randint(len(values), (REPEATS, len(values)), generator=generator)].mean(1)
        edge = (1 - CONFIDENCE) / 2
        low, high = torch.quantile(drawn, torch.tensor([edge, 1 - edge], dtype=torch.float64)).tolist()
        return Mean(float(values.mean()), low, high, len(values), *left)

    def means(self) -> dict[str, Mean]:
        """The mean of every metric."""
        return {column.name: self.mean(column.name) for column in self.columns}

    def remarks(self) -> list[str]:
        """What stands under the table: the protocol, what was left out of which mean, further notes."""
        means = self.means()
        left = [f"{c.title}: {means[c.name].left_out} not in the mean" for c in self.columns if means[c.name].left_out]
        return [self.protocol, *left, *self.notes]

    def grid(self) -> list[list[str]]:
        """Header, rows and mean as text, for any kind of printing."""
        means = self.means()
        clips = any(row.clip for row in self.rows) and self.averaging == "clips"
        lines = [["picture", *(column.title for column in self.columns)]]
        lines += [[row.name, *(c.text(row.values.get(c.name, math.nan)) for c in self.columns)] for row in self.rows]
        lines.append(["mean over clips" if clips else "mean", *(c.text(means[c.name].value) for c in self.columns)])
        lines.append(["95 % interval", *(_interval(c, means[c.name]) for c in self.columns)])
        return lines

    def to_dict(self) -> dict[str, Any]:
        """``{"protocol": ..., "images": [{"name": ..., "psnr": ...}], "mean": {...}, ...}`` in plain JSON values.

        Infinity is the text ``"inf"``, a value that does not exist is ``null``; what is left out of a mean stands in
        ``left_out``.
        """
        means = self.means()
        images: list[dict[str, Any]] = []
        for row in self.rows:
            image: dict[str, Any] = {"name": row.name} | ({"clip": row.clip} if row.clip else {})
            images.append(image | {c.name: _plain(row.values.get(c.name, math.nan)) for c in self.columns})
        left = {
            name: {"infinite": list(mean.infinite), "undefined": list(mean.undefined)}
            for name, mean in means.items()
            if mean.infinite or mean.undefined
        }
        return {
            "protocol": self.protocol_name,
            "settings": self.protocol,
            "images": images,
            "mean": {name: _plain(mean.value) for name, mean in means.items()},
            "interval": {name: [_plain(mean.low), _plain(mean.high)] for name, mean in means.items()},
        } | ({"left_out": left} if left else {})

    def to_json(self) -> str:
        """``to_dict`` as text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    def to_csv(self) -> str:
        """Full-precision rows and the mean, comma separated."""
        means = self.means()
        names = [column.name for column in self.columns]
        lines = [["name", *names]]
        lines += [[row.name, *(_full(row.values.get(name, math.nan)) for name in names)] for row in self.rows]
        lines.append(["mean", *(_full(means[name].value) for name in names)])
        return as_csv(lines)

    def to_markdown(self) -> str:
        """A Markdown table with the remarks under it."""
        return as_markdown(self.grid()) + "\n" + "\n".join(f"{line}  " for line in self.remarks()) + "\n"

    def to_latex(self) -> str:
        """A LaTeX tabular (booktabs) with the remarks as comments."""
        return "".join(f"% {line}\n" for line in self.remarks()) + as_latex(self.grid(), last=2)


@dataclass(frozen=True)
class Comparison:
    """Several methods side by side: one row a method, the mean of each metric, the best marked.

    Raises:
        SettingError: tables of different protocols or metrics.
    """

    tables: Mapping[str, Table]

    def __post_init__(self) -> None:
        tables = list(self.tables.values())
        if not tables or any(table.columns != tables[0].columns for table in tables):
            raise SettingError("methods can be compared by the same metrics only")
        if any(table.protocol != tables[0].protocol for table in tables):
            names = ", ".join(dict.fromkeys(table.protocol_name for table in tables))
            raise SettingError(f"methods were measured by different protocols ({names}): numbers cannot be compared")
        if any([row.name for row in table.rows] != [row.name for row in tables[0].rows] for table in tables):
            raise SettingError("methods were measured on different pictures: numbers cannot be compared")

    @property
    def columns(self) -> tuple[Column, ...]:
        """The metrics."""
        return next(iter(self.tables.values())).columns

    def best(self) -> dict[str, frozenset[str]]:
        """For each metric the methods that print the best number (several where they tie to all printed digits)."""
        answer = {}
        for column in self.columns:
            values = {name: table.mean(column.name).value for name, table in self.tables.items()}
            known = [value for value in values.values() if not math.isnan(value)]
            if not known:
                answer[column.name] = frozenset[str]()
                continue
            top = column.text(max(known) if column.better == "higher" else min(known))
            answer[column.name] = frozenset(name for name, value in values.items() if column.text(value) == top)
        return answer

    def grid(self, mark: str = "**{}**") -> list[list[str]]:
        """Header and one row a method; ``mark`` is put around the best."""
        best = self.best()
        arrows = {"higher": "↑", "lower": "↓"}
        lines = [["method", *(f"{column.title} {arrows[column.better]}" for column in self.columns)]]
        for name, table in self.tables.items():
            texts = [column.text(table.mean(column.name).value) for column in self.columns]
            marked = [
                mark.format(text) if name in best[column.name] else text
                for column, text in zip(self.columns, texts, strict=True)
            ]
            lines.append([name, *marked])
        return lines

    def remarks(self) -> list[str]:
        """The protocol, and what each method's means left out."""
        lines = [next(iter(self.tables.values())).protocol]
        for name, table in self.tables.items():
            lines += [f"{name}: {line}" for line in table.remarks()[1:]]
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Every method's table under its name, and the best of each metric."""
        return {
            "methods": {name: table.to_dict() for name, table in self.tables.items()},
            "best": {name: sorted(methods) for name, methods in self.best().items()},
        }

    def to_json(self) -> str:
        """``to_dict`` as text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    def to_csv(self) -> str:
        """One line a method in full precision."""
        lines = [["method", *(column.name for column in self.columns)]]
        lines += [[n, *(_full(t.mean(c.name).value) for c in self.columns)] for n, t in self.tables.items()]
        return as_csv(lines)

    def to_markdown(self) -> str:
        """A Markdown table, best in bold."""
        return as_markdown(self.grid()) + "\n" + "\n".join(f"{line}  " for line in self.remarks()) + "\n"

    def to_latex(self) -> str:
        """A LaTeX tabular (booktabs), best in bold."""
        header = "".join(f"% {line}\n" for line in self.remarks())
        return header + as_latex(self.grid(mark="\0{}\1")).replace("\0", r"\textbf{").replace("\1", "}")


def _interval(column: Column, mean: Mean) -> str:
    return "-" if math.isnan(mean.low) else f"{column.text(mean.low)} to {column.text(mean.high)}"


def _plain(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    return ("inf" if value > 0 else "-inf") if math.isinf(value) else value


def _full(value: float) -> str:
    return "" if math.isnan(value) else repr(value)


def as_csv(lines: Sequence[Sequence[str]]) -> str:
    """Comma-separated text."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(lines)
    return file.getvalue()


def as_markdown(lines: Sequence[Sequence[str]]) -> str:
    """A table whose numbers stand right."""
    clean = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    ruler = ["---", *["---:"] * (len(clean[0]) - 1)]
    return "".join(f"| {' | '.join(line)} |\n" for line in (clean[0], ruler, *clean[1:]))


_LATEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}"}
_LATEX |= {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "∞": r"$\infty$", "↑": r"$\uparrow$"}
_LATEX |= {"↓": r"$\downarrow$"}


def as_latex(lines: Sequence[Sequence[str]], *, last: int = 0) -> str:
    """A booktabs tabular; a rule stands before the last ``last`` lines."""
    rows = [" & ".join("".join(_LATEX.get(sign, sign) for sign in cell) for cell in line) + r" \\" for line in lines]
    rows.insert(1, r"\midrule")
    if last:
        rows.insert(len(rows) - last, r"\midrule")
    columns = "l" + "r" * (len(lines[0]) - 1)
    body = "\n".join([r"\toprule", *rows, r"\bottomrule"])
    return f"\\begin{{tabular}}{{{columns}}}\n{body}\n\\end{{tabular}}\n"
