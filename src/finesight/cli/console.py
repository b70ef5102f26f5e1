"""What a command says and where: results on stdout, everything else on stderr."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from finesight.progress import Progress, silent

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

__all__ = ["Console", "format_duration", "one_line", "print_json"]


class Console:
    """Speaks for one command.

    Args:
        quiet: nothing but errors (and what ``print_json`` prints).
        verbose: details also where no terminal watches.
        json: results come as JSON at the end, not line by line.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False, json: bool = False) -> None:
        self.quiet, self.json = quiet, json
        self.verbose = verbose and not quiet
        self.watched = sys.stderr.isatty() and not quiet
        self._bar: Bar | None = None

    def result(self, text: str) -> None:
        """A line on stdout, for people and pipes."""
        if self.quiet or self.json:
            return
        if self._bar is not None and sys.stdout.isatty():  # the same terminal: written above the bar
            self._above(text)
        else:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()

    def note(self, text: str) -> None:
        """Something a user should hear of."""
        if not self.quiet:
            self._say(one_line(text))

    def detail(self, text: str) -> None:
        """Something nice to know: said where a terminal watches, or with ``-v``."""
        if self.watched or self.verbose:
            self._say(one_line(text))

    def error(self, text: str) -> None:
        """What failed; always said."""
        self._say(one_line(text))

    def _say(self, text: str) -> None:
        if self._bar is not None:
            self._above(text)
        else:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()

    def _above(self, text: str) -> None:
        assert self._bar is not None
        self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)

    @contextlib.contextmanager
    def progress(self, unit: str, *, per: float = 1) -> Iterator[Progress]:
        """A bar with rate and time left while the block runs, on a terminal; otherwise silence.

        Args:
            unit: what is counted, as it stands in the rate: ``MP`` gives ``2.1 MP/s``.
            per: how many counted things make one unit.
        """
        if not self.watched:
            yield silent
            return
        from finesight.cli.bar import make_bar

        with make_bar(unit, per) as bar:
            self._bar = bar
            task = bar.add_task("", total=None)

            def report(done: int, total: int, note: str) -> None:
                bar.update(task, completed=done, total=total, description=one_line(note))

            try:
                yield report
            finally:
                self._bar = None


def one_line(text: str) -> str:
    """Line breaks and what surrounds them become one space."""
    return " ".join(part.strip() for part in text.splitlines() if part.strip())


def print_json(content: Mapping[str, Any]) -> None:
    """One JSON object on stdout; characters outside ASCII are escaped, so that any name survives any terminal."""
    sys.stdout.write(json.dumps(content, indent=2, default=str) + "\n")
    sys.stdout.flush()


def format_duration(seconds: float) -> str:
    """A duration for people.

    >>> format_duration(0.1234), format_duration(75), format_duration(7322)
    ('0.12 s', '1 min 15 s', '2 h 2 min')
    """
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
