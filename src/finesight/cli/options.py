"""Options that several commands share, so that they are spelled and explained the same everywhere."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import typer

__all__ = [
    "HOW",
    "WHAT_IF",
    "WHERE",
    "Debug",
    "Json",
    "KeepGoing",
    "Metadata",
    "Offline",
    "Overwrite",
    "Quality",
    "Quiet",
    "SkipExisting",
    "Verbose",
]

WHERE, HOW, WHAT_IF = "Where to", "How", "When something is in the way"
"""Panels of the help."""


Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
Verbose: TypeAlias = Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")]
Debug: TypeAlias = Annotated[bool, typer.Option("--debug", help="Show a traceback with an error.")]
Offline: TypeAlias = Annotated[bool, typer.Option("--offline", help="Never fetch anything.")]

Quality: TypeAlias = Annotated[
    int | None, typer.Option(min=1, max=100, help="Of JPEG, WebP, AVIF.", rich_help_panel=WHERE)
]
Metadata: TypeAlias = Annotated[
    Literal["keep", "minimal", "strip"], typer.Option(help="What goes into the result.", rich_help_panel=WHERE)
]
Overwrite: TypeAlias = Annotated[
    bool, typer.Option("--overwrite", help="Replace results that exist.", rich_help_panel=WHAT_IF)
]
SkipExisting: TypeAlias = Annotated[
    bool, typer.Option("--skip-existing", help="Leave results that exist.", rich_help_panel=WHAT_IF)
]
KeepGoing: TypeAlias = Annotated[
    bool, typer.Option("--keep-going/--stop", help="After a picture that fails.", rich_help_panel=WHAT_IF)
]
