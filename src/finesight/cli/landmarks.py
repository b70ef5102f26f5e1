"""``finesight upscale --landmarks``: where the faces of one command have their landmarks, as one JSON file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from finesight import __version__
from finesight.cli.places import check_folder, make_folder
from finesight.errors import OutputError, SettingError
from finesight.media.atomic import atomically

__all__ = ["check_file", "write_landmarks"]


def check_file(path: str, taken: Iterable[str], *, overwrite: bool) -> None:
    """Whether the file can be written, before any time is spent.

    Args:
        path: as given.
        taken: inputs and results, which it must not be.
        overwrite: it may be there already.

    Raises:
        SettingError: it is an input, a result, or standard output.
        OutputError: it is there already, or its folder cannot be made.
    """
    if path == "-":
        raise SettingError("--landmarks needs the name of a file; with --json they are on standard output too.")
    place = os.path.realpath(path)
    for other in taken:
        if other != "-" and os.path.realpath(other) == place:
            raise SettingError(f"--landmarks: {path} is an input or a result of this command. Give another name.")
    if os.path.isdir(path):
        raise OutputError(f"{path} is a folder; --landmarks needs the name of a file.")
    if os.path.lexists(path) and not overwrite:
        raise OutputError(f"{path} exists already. Add --overwrite, or choose another name for --landmarks.")
    check_folder(Path(path).parent)


def write_landmarks(path: str, results: Sequence[Mapping[str, Any]]) -> None:
    """Write the landmarks of all pictures that were done; nothing where none was.

    Raises:
        OutputError: it cannot be written.
    """
    if not results:
        return
    wanted = ("input", "output", "width", "height", "landmarks")
    content = {"version": __version__, "results": [{key: result[key] for key in wanted} for result in results]}
    make_folder(Path(path).parent)
    with atomically(path) as temporary:
        temporary.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")
