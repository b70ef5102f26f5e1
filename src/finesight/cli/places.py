"""Folders for results: looked at before the work, made when there is something to put into them."""

from __future__ import annotations

import os
from pathlib import Path

from finesight.errors import OutputError

__all__ = ["check_folder", "make_folder"]


def check_folder(folder: Path) -> None:
    """Whether files can be made in a folder, or the folder itself where it does not exist yet.

    Raises:
        OutputError: they cannot.
    """
    there = next(place for place in (folder, *folder.absolute().parents) if os.path.lexists(place))
    if not there.is_dir():
        raise OutputError(f"The folder {folder} cannot be made: {there} is a file. Choose another with -o.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise OutputError(f"The folder {there} cannot be written to. Choose another with -o.")


def make_folder(folder: Path) -> None:
    """The folder of a result, with those above it.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {folder} cannot be made: {error.strerror}. Choose another with -o.") from error
