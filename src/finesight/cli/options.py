"""Options that several commands share, so that they are spelled and explained the same everywhere."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

__all__ = ["Debug", "Json", "Offline", "Quiet", "Verbose"]

Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
Verbose: TypeAlias = Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")]
Debug: TypeAlias = Annotated[bool, typer.Option("--debug", help="Show a traceback with an error.")]
Offline: TypeAlias = Annotated[bool, typer.Option("--offline", help="Never fetch anything.")]
