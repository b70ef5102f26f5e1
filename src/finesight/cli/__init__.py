"""The command line: one module a command; each parses, calls one function of the library, and reports.

Nothing heavy is imported before a command needs it, so that ``finesight --help`` answers at once.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line with ``arguments`` (default: those of the process) and leave with its exit code.

    0: all done. 1: some inputs failed, the others are done. 2: nothing could start. 130: stopped with Ctrl-C.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names that are not UTF-8 come out as they are on disk
            stream.reconfigure(errors="surrogateescape")
    from finesight.cli.app import run

    sys.exit(run(sys.argv[1:] if arguments is None else list(arguments)))
