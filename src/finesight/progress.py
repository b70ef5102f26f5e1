"""How long work reports how far it is and learns that it should stop."""

from __future__ import annotations

import threading
from typing import Protocol

from finesight.errors import CancelledError

__all__ = ["Cancel", "Progress", "silent"]


class Progress(Protocol):
    """Called by every long function: ``done`` of ``total`` units, and a short note for people."""

    def __call__(self, done: int, total: int, note: str) -> None: ...


def silent(done: int, total: int, note: str) -> None:
    """Report nothing."""


class Cancel:
    """A flag that one thread sets and the working thread looks at between units of work."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Ask the work to stop at its next unit."""
        self._event.set()

    @property
    def asked(self) -> bool:
        """Whether somebody asked to stop."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise ``CancelledError`` if somebody asked to stop."""
        if self._event.is_set():
            raise CancelledError("Stopped on request; nothing half-written was kept.")
