"""Ctrl-C and SIGTERM: the work stops in order, and nothing half-written stays."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

from finesight.progress import Cancel

__all__ = ["Stop", "stoppable"]


class Stop(Cancel):
    """A flag that the signals set; the work looks at it between its units.

    Nothing is raised where the program happens to be: an exception that comes up while a C library calls back into
    Python is lost.
    """

    def __init__(self) -> None:
        super().__init__()
        self.number = signal.SIGINT

    @property
    def code(self) -> int:
        """The exit code of a command that a signal ended: 130 after Ctrl-C, 143 after SIGTERM."""
        return 128 + self.number

    def __call__(self, number: int, _: FrameType | None) -> None:
        """What a signal does; a second Ctrl-C stops at once."""
        self.number = signal.Signals(number)
        self.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def stoppable() -> Iterator[Stop]:
    """While the block runs, Ctrl-C and SIGTERM set the flag that this gives."""
    stop = Stop()
    former = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
