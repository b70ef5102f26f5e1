"""``finesight info``: everything about one picture file."""

from __future__ import annotations

from typing import Annotated

import typer

from finesight.cli.console import print_json
from finesight.cli.options import Debug, Json

__all__ = ["info"]


def info(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A picture; - reads standard input.")],
    json: Json = False,
    debug: Debug = False,  # noqa: ARG001 (finesight.cli.app looks for it)
) -> int:
    """Print everything about a picture: size, depth, colours, metadata, and what made it."""
    import dataclasses

    from finesight import media

    facts = dataclasses.asdict(media.inspect(file))
    if json:
        print_json(facts)
        return 0
    for key, value in facts.items():
        if value not in (None, "", (), {}):
            typer.echo(f"{key:<12} {value}")
    return 0
