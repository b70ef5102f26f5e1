"""Tables of scores on stdout: for people, or as CSV, JSON, Markdown or LaTeX."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

from finesight.cli.console import print_json
from finesight.errors import SettingError

if TYPE_CHECKING:
    from finesight.evaluate import Comparison, Table

__all__ = ["Csv", "Form", "Latex", "Markdown", "form_of", "plain_form", "print_grid", "print_scores"]

Form = Literal["rich", "csv", "json", "markdown", "latex"]

_FORM = "How it is printed"
Csv: TypeAlias = Annotated[
    bool, typer.Option("--csv", help="Comma-separated values in full precision.", rich_help_panel=_FORM)
]
Markdown: TypeAlias = Annotated[bool, typer.Option("--markdown", help="A Markdown table.", rich_help_panel=_FORM)]
Latex: TypeAlias = Annotated[bool, typer.Option("--latex", help="A LaTeX tabular (booktabs).", rich_help_panel=_FORM)]

BEST = "*{}"  # around the best number on a terminal, where digits stay in line
PLAIN = {"─": "-", "∞": "inf", "↑": "(higher)", "↓": "(lower)"}
ANY_WIDTH = 10_000  # columns where no terminal ends the line


def form_of(*, csv: bool, json: bool, markdown: bool, latex: bool) -> Form:
    """The one form that was asked for.

    Raises:
        SettingError: more than one was.
    """
    asked: dict[Form, bool] = {"csv": csv, "json": json, "markdown": markdown, "latex": latex}
    chosen = [form for form, wanted in asked.items() if wanted]
    if len(chosen) > 1:
        raise SettingError(f"a table is printed in one form, got {' and '.join(f'--{form}' for form in chosen)}")
    return chosen[0] if chosen else "rich"


def print_scores(found: Table | Comparison, form: Form, *, everything: bool = False) -> None:
    """A table, or methods side by side, with its protocol and remarks under it.

    Args:
        found: what was measured.
        form: how it is printed.
        everything: JSON has settings, intervals and what means left out too.
    """
    from finesight.evaluate.tables import Comparison

    match form:
        case "csv":
            _write(found.to_csv())
        case "json":
            print_json(found.to_dict() if everything else _short(found.to_dict()))
        case "markdown":
            _write(found.to_markdown())
        case "latex":
            _write(found.to_latex())
        case "rich" if isinstance(found, Comparison):
            _print_rich(found.grid(mark=BEST))
            _lines([*found.remarks(), *_intervals(found), f"{BEST.format('')} marks the best."])
        case "rich":
            _print_rich(found.grid(), last=2)
            _lines(found.remarks())
    sys.stdout.flush()


def plain_form(content: Mapping[str, Any]) -> dict[str, Any]:
    """Of a table's content what everyone reads: the protocol, the pictures, the means."""
    return {key: content[key] for key in ("protocol", "images", "mean")}


def _short(content: Mapping[str, Any]) -> dict[str, Any]:
    if "methods" not in content:
        return plain_form(content)
    return {**content, "methods": {name: plain_form(table) for name, table in content["methods"].items()}}


def _intervals(found: Comparison) -> list[str]:
    """For each method the intervals of its means; none where there is one picture."""
    lines = []
    for name, table in found.tables.items():
        texts = dict(zip((column.title for column in found.columns), table.grid()[-1][1:], strict=True))
        lines.append(f"{name}: 95 % intervals " + ", ".join(f"{title} {text}" for title, text in texts.items()))
    return lines


def print_grid(
    grid: Sequence[Sequence[str]],
    form: Form,
    *,
    content: Mapping[str, Any],
    remarks: Sequence[str] = (),
    numbers: bool = False,
) -> None:
    """Any header and rows.

    Args:
        grid: text.
        form: how it is printed.
        content: the same for JSON.
        remarks: lines for under it.
        numbers: all columns but the first stand right.
    """
    from finesight.evaluate.tables import as_csv, as_latex, as_markdown

    match form:
        case "csv":
            _write(as_csv(grid))
        case "json":
            print_json(content)
        case "markdown":
            _write(as_markdown(grid))
            if remarks:
                _write("\n" + "".join(f"{line}  \n" for line in remarks))
        case "latex":
            _write("".join(f"% {line}\n" for line in remarks) + as_latex(grid))
        case "rich":
            _print_rich(grid, numbers=numbers)
            _lines(remarks)
    sys.stdout.flush()


def _write(text: str) -> None:
    """To stdout; signs that its encoding lacks (a terminal of ASCII) become others."""
    encoding = sys.stdout.encoding or "utf-8"
    try:
        text.encode(encoding, "surrogateescape")
    except UnicodeEncodeError:
        plain = (
            "".join(PLAIN.get(sign, sign) for sign in text)
            .encode("utf-8", "surrogateescape")
            .decode("utf-8", "replace")
        )
        text = plain.encode(encoding, "replace").decode(encoding)
    sys.stdout.write(text)


def _lines(lines: Sequence[str]) -> None:
    for line in lines:
        _write(line + "\n")


def _print_rich(grid: Sequence[Sequence[str]], *, last: int = 0, numbers: bool = True) -> None:
    """A table on stdout; a rule stands before its last lines, the best numbers are bold on a terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for index, title in enumerate(grid[0]):
        right = numbers and index > 0
        table.add_column(Text(title), justify="right" if right else "left", overflow="fold", no_wrap=right)
    for number, line in enumerate(grid[1:], 1):
        cells = [Text(cell, style="bold" if index and cell.startswith("*") else "") for index, cell in enumerate(line)]
        table.add_row(*cells, end_section=bool(last) and number == len(grid) - 1 - last)
    if sys.stdout.isatty():
        Console(file=sys.stdout, highlight=False, emoji=False).print(table)
        return
    text = io.StringIO()
    Console(file=text, width=ANY_WIDTH, highlight=False, emoji=False).print(table)
    _lines([line.rstrip() for line in text.getvalue().splitlines()])
