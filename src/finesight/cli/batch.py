"""Many pictures in one command: what was done, skipped and failed, and what that means for the exit code."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from typing import Any

from finesight import __version__
from finesight.cli.console import Console, one_line, print_json
from finesight.errors import Error

__all__ = ["Batch"]


@dataclass
class Batch:
    """The pictures of one command.

    Args:
        console: where it is said.
        debug: failures show a traceback.
    """

    console: Console
    debug: bool = False
    results: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, Any]] = field(default_factory=list)
    started: bool = False  # whether any network has begun to compute

    def done(self, result: dict[str, Any]) -> None:
        """One picture is done."""
        self.results.append(result)

    def skip(self, source: str, target: str) -> None:
        """One picture was done before."""
        self.skipped.append({"input": source, "output": target, "skipped": True})
        self.console.detail(f"{target} exists: skipped")

    def fail(self, source: str, error: Exception | str) -> None:
        """One picture failed; the others go on."""
        if self.debug and isinstance(error, Exception):
            traceback.print_exception(error)
        if isinstance(error, Error | str):
            message = one_line(str(error))
        else:  # not foreseen, but no reason to leave the other pictures undone
            what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            message = one_line(f"{source} failed with an error inside finesight, {what} (--debug shows where)")
        self.failed.append({"input": source, "error": message})

    def finish(self, *, json: bool, stopped: str = "") -> int:
        """Say what there is to say at the end.

        Args:
            json: results as one JSON object on stdout.
            stopped: why pictures were left undone.

        Returns:
            The exit code: 0 all done, 1 some failed, 2 nothing could start.
        """
        count = len(self.results) + len(self.failed) + len(self.skipped)
        if self.failed and count > 1:
            self.console.error(f"{len(self.failed)} of {count} pictures failed:")
        for failure in self.failed:
            self.console.error(f"{'- ' if count > 1 else 'finesight: '}{failure['error']}")
        if stopped:
            self.console.error(f"finesight: {stopped}")
        elif self.skipped:
            self.console.detail(f"{len(self.results)} done, {len(self.skipped)} done before")
        if json:
            content: dict[str, Any] = {"version": __version__, "results": self.results + self.skipped + self.failed}
            print_json(content | ({"stopped": stopped} if stopped else {}))
        if not self.failed:
            return 0
        return 1 if self.started or self.skipped else 2
