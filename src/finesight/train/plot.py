"""Curves of runs as a picture: SVG, or PNG; what draws them is a page of code, so that nothing else is needed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from xml.sax.saxutils import escape

from PIL import Image, ImageDraw, ImageFont

from finesight.errors import InputError, SettingError, nearest
from finesight.train.records import read_rows
from finesight.train.state import replace_file, write_text

__all__ = ["Curve", "Panel", "draw", "panels_of"]

COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#8250df", "#0a7ea4", "#bf3989", "#57606a")
_WIDTH, _HEIGHT = 760, 260  # of one panel, pixels
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 20, 36, 40
_GREY, _LIGHT, _BLACK = "#57606a", "#d0d7de", "#1f2328"

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Curve:
    """One run's values of one column."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """The curves of all runs of one column."""

    title: str
    curves: tuple[Curve, ...]


def panels_of(runs: Sequence[Path], columns: Sequence[str] = ()) -> list[Panel]:
    """What there is to draw.

    Args:
        runs: folders of runs, or their log files.
        columns: which numbers; default: the loss, and what validation measured.

    Raises:
        InputError: a run has no log, or nothing is in it.
        SettingError: no run has such a column; the nearest are named.
    """
    logs = {_name(run, runs): _rows(run) for run in runs}
    known = list(dict.fromkeys(name for rows in logs.values() for name in rows[0] if name != "step"))
    wanted = list(columns) or known[:2]
    for name in wanted:
        if name not in known:
            raise SettingError(
                f"No run has a column '{name}'. {nearest(name, known) or 'There are ' + ', '.join(known)}"
            )
    return [Panel(name, tuple(_curve(run, rows, name) for run, rows in logs.items())) for name in wanted]


def _name(run: Path, runs: Sequence[Path]) -> str:
    folder = run.parent if run.is_file() else run
    same = sum((other.parent if other.is_file() else other).name == folder.name for other in runs)
    return str(folder) if same > 1 or not folder.name else folder.name


def _rows(run: Path) -> list[dict[str, float | None]]:
    path = run if run.is_file() else run / "log.jsonl"
    if not run.is_file() and not path.exists():
        path = run / "log.csv"
    if not path.exists():
        raise InputError(f"{run} has no log.jsonl or log.csv: it is not the folder of a run")
    try:
        rows = read_rows(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if not rows or "step" not in rows[0]:
        raise InputError(f"{path} holds no numbers yet. The first come after log_every steps")
    return rows


def _curve(run: str, rows: Sequence[dict[str, float | None]], column: str) -> Curve:
    points = [(row["step"], row.get(column)) for row in rows]
    return Curve(run, tuple((float(x), float(y)) for x, y in points if x is not None and y is not None))


class Surface(Protocol):
    """What a picture is drawn on."""

    def line(self, points: Sequence[Point], colour: str, width: float) -> None: ...

    def text(self, place: Point, text: str, colour: str, *, anchor: str = "start", size: int = 12) -> None: ...


class _Svg:
    def __init__(self, width: int, height: int) -> None:
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family="sans-serif">',
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        ]

    def line(self, points: Sequence[Point], colour: str, width: float) -> None:
        placed = " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
        self.parts.append(f'<polyline points="{placed}" fill="none" stroke="{colour}" stroke-width="{width}"/>')

    def text(self, place: Point, text: str, colour: str, *, anchor: str = "start", size: int = 12) -> None:
        x, y = place
        self.parts.append(
            f'<text x="{x:.2f}" y="{y:.2f}" fill="{colour}" font-size="{size}" text-anchor="{anchor}">'
            f"{escape(text)}</text>"
        )

    def save(self, path: Path) -> None:
        write_text(path, "\n".join([*self.parts, "</svg>\n"]))


class _Png:
    _finer = 2  # drawn larger and averaged, so that lines are smooth

    def __init__(self, width: int, height: int) -> None:
        self.image = Image.new("RGB", (width * self._finer, height * self._finer), "#ffffff")
        self.pen = ImageDraw.Draw(self.image)

    def line(self, points: Sequence[Point], colour: str, width: float) -> None:
        placed = [(x * self._finer, y * self._finer) for x, y in points]
        self.pen.line(placed, fill=colour, width=max(1, round(width * self._finer)), joint="curve")

    def text(self, place: Point, text: str, colour: str, *, anchor: str = "start", size: int = 12) -> None:
        font = ImageFont.load_default(size * self._finer)
        where = {"start": "ls", "middle": "ms", "end": "rs"}[anchor]
        x, y = place
        self.pen.text((x * self._finer, y * self._finer), text, fill=colour, font=font, anchor=where)

    def save(self, path: Path) -> None:
        size = (self.image.width // self._finer, self.image.height // self._finer)
        small = self.image.resize(size, Image.Resampling.BOX)
        replace_file(lambda temporary: small.save(temporary, "PNG"), path)


def draw(panels: Sequence[Panel], path: Path) -> None:
    """Write the panels one below the other; the file's name says whether as SVG or PNG.

    Raises:
        SettingError: another kind of file.
        OutputError: the file cannot be written.
    """
    kinds: dict[str, type[_Svg] | type[_Png]] = {".svg": _Svg, ".png": _Png}
    kind = kinds.get(path.suffix.lower())
    if kind is None:
        raise SettingError(f"{path.name}: curves are drawn as .svg or .png")
    surface = kind(_WIDTH, _HEIGHT * len(panels))
    for number, panel in enumerate(panels):
        _draw_panel(surface, panel, number * _HEIGHT, legend=number == 0)
    surface.save(path)


def _draw_panel(surface: Surface, panel: Panel, above: float, *, legend: bool) -> None:
    points = [point for curve in panel.curves for point in curve.points]
    left, right, top, bottom = _LEFT, _WIDTH - _RIGHT, above + _TOP, above + _HEIGHT - _BOTTOM
    surface.text((left, above + 20), panel.title, _BLACK, size=14)
    if legend:
        _draw_legend(surface, [curve.name for curve in panel.curves], above)
    if not points:
        surface.text(((left + right) / 2, (top + bottom) / 2), "no numbers", _GREY, anchor="middle")
        return
    across, up = _ticks([x for x, _ in points]), _ticks([y for _, y in points])

    def place(point: Point) -> Point:
        x = left + (point[0] - across[0]) / (across[-1] - across[0]) * (right - left)
        y = bottom - (point[1] - up[0]) / (up[-1] - up[0]) * (bottom - top)
        return x, y

    for value in up:
        surface.line([place((across[0], value)), place((across[-1], value))], _LIGHT, 1)
        surface.text((left - 8, place((across[0], value))[1] + 4), f"{value:.6g}", _GREY, anchor="end")
    for value in across:
        surface.text((place((value, up[0]))[0], bottom + 18), f"{value:,.10g}", _GREY, anchor="middle")
    surface.text((right, bottom + 34), "steps", _GREY, anchor="end")
    for number, curve in enumerate(panel.curves):
        placed = [place(point) for point in curve.points]
        colour = COLOURS[number % len(COLOURS)]
        if len(placed) == 1:
            (x, y) = placed[0]
            placed = [(x - 3, y), (x + 3, y)]
        if placed:
            surface.line(placed, colour, 2)


def _draw_legend(surface: Surface, names: Sequence[str], above: float) -> None:
    x = float(_WIDTH - _RIGHT)
    for number in reversed(range(len(names))):
        surface.text((x, above + 20), names[number], COLOURS[number % len(COLOURS)], anchor="end")
        x -= 7.0 * len(names[number]) + 18


def _ticks(values: Sequence[float]) -> list[float]:
    """Round numbers around all values, four to nine of them, evenly apart.

    >>> _ticks([0.0, 9.3])
    [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    """
    low, high = min(values), max(values)
    if low == high:
        low, high = low - (abs(low) or 1) * 0.05, high + (abs(high) or 1) * 0.05
    rough = (high - low) / 5
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, last + 1)]
