"""The errors that finesight raises on purpose.

    Error                     everything below; the command line prints it as one line
    +-- InputError            a picture, clip or folder cannot be read or used
    +-- OutputError           a result cannot be written
    +-- ModelError            a model is unknown, or its file does not hold what it should
    +-- SettingError          an argument or a recipe has a value that cannot work
    +-- MissingExtraError     an optional package is needed and not installed
    +-- MemoryLimitError      the work does not fit into the memory that it may use
    +-- CalculationError      a network answered with NaN or infinity
    +-- CancelledError        the caller asked for the work to stop

Messages say what was wanted, what was found and what to do, in the user's words, on one line.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "CalculationError",
    "CancelledError",
    "Error",
    "InputError",
    "MemoryLimitError",
    "MissingExtraError",
    "ModelError",
    "OutputError",
    "SettingError",
    "nearest",
]


class Error(Exception):
    """Anything that finesight reports to its user; never a bug by itself."""


class InputError(Error):
    """A picture, clip or folder cannot be read or used."""


class OutputError(Error):
    """A result cannot be written."""


class ModelError(Error):
    """A model is unknown, or its file does not hold what it should."""


class SettingError(Error, ValueError):
    """An argument or a recipe has a value that cannot work."""


class MissingExtraError(Error, ImportError):
    """An optional package is needed and not installed."""


class MemoryLimitError(Error):
    """The work does not fit into the memory that it may use."""


class CalculationError(Error):
    """A network answered with NaN or infinity, also in float32."""


class CancelledError(Error):
    """The caller asked for the work to stop."""


def nearest(wanted: str, known: Iterable[str], *, count: int = 3) -> str:
    """A hint ``Did you mean a, b or c?`` for a name that is not known, or an empty string."""
    names = difflib.get_close_matches(wanted.lower(), list(known), n=count, cutoff=0.4)
    if not names:
        return ""
    return "Did you mean " + (names[0] if len(names) == 1 else ", ".join(names[:-1]) + " or " + names[-1]) + "?"
