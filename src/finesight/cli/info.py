"""``finesight info``: everything about one picture file."""

from __future__ import annotations

from typing import Annotated

import typer

from finesight.cli.console import one_line, print_json
from finesight.cli.options import Debug, Json

__all__ = ["info"]


def info(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A picture; - reads standard input.")],
    json: Json = False,
    debug: Debug = False,  # noqa: ARG001 (finesight.cli.app looks for it)
) -> int:
    """Print everything about a picture: size, depth, colours, metadata, and what made it."""
    from finesight import media

    found = media.inspect(file)
    if json:
        print_json(found.as_dict())
        return 0
    lines = found.lines()
    width = max(len(label) for label, _ in lines)
    for label, text in lines:
        typer.echo(f"{label:<{width}}  {one_line(text)}")
    return 0
