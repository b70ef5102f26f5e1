"""``finesight plot``: the curves of training runs as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from finesight.cli.console import Console
from finesight.cli.options import Debug, Quiet
from finesight.cli.places import check_folder

__all__ = ["plot"]


def plot(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs, or their log files.", show_default=False)],
    output: Annotated[Path, typer.Option("-o", "--output", help="The picture: .svg or .png.")] = Path("curves.svg"),
    columns: Annotated[
        list[str] | None,
        typer.Option("--column", "-c", help="What to draw, such as psnr, loss.l1, learning_rate; may be repeated."),
    ] = None,
    quiet: Quiet = False,
    debug: Debug = False,  # noqa: ARG001 (finesight.cli.app looks for it)
) -> int:
    """Draw the curves of training runs: the loss and what validation measured, or any column of their logs."""
    from finesight.train.plot import draw, panels_of

    check_folder(output.parent)
    draw(panels_of(runs, columns or ()), output)
    Console(quiet=quiet).result(str(output))
    return 0
