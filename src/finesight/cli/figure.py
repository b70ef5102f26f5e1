"""The sheet of ``finesight score --figure``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finesight.cli.places import check_folder
from finesight.errors import SettingError

if TYPE_CHECKING:
    from finesight.evaluate import Pair, Protocol, Table
    from finesight.evaluate.clips import ClipPair

__all__ = ["check_figure", "write_figure"]

WORST = 3


def check_figure(file: Path, truth: str | None, explain: object) -> None:
    """Before anything is measured: whether a sheet can be made.

    Raises:
        SettingError: nothing is compared, or nothing is measured.
        OutputError: the file cannot be written.
    """
    if truth is None:
        raise SettingError("--figure shows differences from a reference: name its file or folder too")
    if explain is not None:
        raise SettingError("--figure and --explain do different things: ask for one")
    check_folder(file.parent)


def write_figure(
    file: Path,
    methods: Mapping[str, Sequence[Pair] | Sequence[ClipPair]],
    tables: Mapping[str, Table],
    chosen: Protocol,
    names: Sequence[str],
    *,
    align: Any,
) -> None:
    """The sheet of some pictures; by default those on which the first method is worst by the first metric.

    Raises:
        SettingError: a name that was not measured, or clips.
    """
    from finesight import media
    from finesight.evaluate.clips import ClipPair
    from finesight.evaluate.figure import load_shown, make_sheet

    by_name: dict[str, dict[str, Pair]] = {}
    for method, pairs in methods.items():
        for pair in pairs:
            if isinstance(pair, ClipPair):
                raise SettingError("--figure shows pictures or folders of frames, not clips")
            by_name.setdefault(pair.name, {})[method] = pair
    first = next(iter(tables.values()))
    measured = {row.name for row in first.rows}
    if unknown := [name for name in names if name not in measured]:
        raise SettingError(f"{unknown[0]} was not measured: --pictures takes names of the table")
    shown = []
    for name in names or _worst(first):
        texts = {method: _text(table, name) for method, table in tables.items()}
        shown.append(load_shown(by_name[name], chosen, texts, align=align))
    media.write(file, make_sheet(shown, remarks=[first.protocol]))


def _worst(table: Table) -> list[str]:
    column = table.columns[0]
    sign = 1 if column.better == "higher" else -1
    rows = sorted(table.rows, key=lambda row: sign * row.values[column.name])
    return [row.name for row in rows[:WORST]]


def _text(table: Table, name: str) -> str:
    row = next(row for row in table.rows if row.name == name)
    return ", ".join(f"{column.title} {column.text(row.values[column.name])}" for column in table.columns)
