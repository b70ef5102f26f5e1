"""Which parts of a clip are finished, on disk, so that a killed run costs one segment and not all of them.

Beside the output a hidden folder holds ``job.json`` (what is computed, and how), the finished parts, and ``done``: one
line of JSON for each part that has reached the disk, with what another run needs to go on behind it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from finesight.errors import OutputError
from finesight.media.atomic import explain, lock, part_prefix
from finesight.media.files import shown

__all__ = ["ClipJournal"]


class ClipJournal:
    """The journal of one output clip; a context manager that holds it for this process.

    Args:
        target: the output.
        job: what decides the result, as JSON values; the journal of another job is removed.

    Attributes:
        folder: where parts lie.
        how: what was decided when the job began (precision, engine), or ``None`` for a new one.
        entries: what was said about each finished part.
        notes: what the user should hear.

    Raises:
        OutputError: another process is at it, or the folder cannot be written.
    """

    def __init__(self, target: str | os.PathLike[str], job: dict[str, Any]) -> None:
        self.target = Path(os.path.realpath(target))
        self.folder = self.target.with_name(part_prefix(self.target) + "parts")
        self.notes: list[str] = []
        self.how: dict[str, Any] | None = None
        self.entries: list[dict[str, Any]] = []
        self._job = json.loads(json.dumps(job, default=str))
        try:
            self.folder.mkdir(exist_ok=True)
            self._done = os.open(self.folder / "done", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            raise OutputError(explain(error, target)) from error
        if not lock(self._done):
            os.close(self._done)
            raise OutputError(f"{shown(self.target)} is being written by another process. Wait for it to end.")
        self._open()

    def _open(self) -> None:
        found = self._read_job()
        if found is not None and found["job"] == self._job:
            self.how = found["how"]
            self.entries = self._finished()
            if self.entries:
                self.notes.append(f"goes on behind {len(self.entries)} parts that an earlier run finished")
            return
        if found is not None:
            self.notes.append("an unfinished run with other settings or another input was found and removed")
        self._empty()

    def _read_job(self) -> dict[str, Any] | None:
        try:
            found = json.loads((self.folder / "job.json").read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) and {"job", "how"} <= found.keys() else None

    def _finished(self) -> list[dict[str, Any]]:
        """Whole lines, in order, whose files are there with their size."""
        found: list[dict[str, Any]] = []
        for line in os.pread(self._done, os.fstat(self._done).st_size, 0).split(b"\n")[:-1]:
            with contextlib.suppress(ValueError, OSError, KeyError, TypeError):
                entry = json.loads(line)
                there = (self.folder / entry["file"]).stat().st_size == entry["bytes"]
                if entry["number"] == len(found) and there:
                    found.append(entry)
        return found

    def _empty(self) -> None:
        os.ftruncate(self._done, 0)
        for stray in self.folder.iterdir():
            if stray.name != "done":
                stray.unlink(missing_ok=True)

    def begin(self, how: dict[str, Any]) -> None:
        """Write down how a new job is computed.

        Raises:
            OutputError: the disk is full, ...
        """
        self.how = how
        try:
            temporary = self.folder / "job.json.new"
            with temporary.open("w", encoding="utf-8") as file:
                json.dump({"job": self._job, "how": how}, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.folder / "job.json")
        except OSError as error:
            raise OutputError(explain(error, self.target)) from error

    def finish(self, file: Path, frames: int, resume: dict[str, Any] | None) -> None:
        """A part lies on the disk: say so.

        Args:
            file: the part.
            frames: how many it holds.
            resume: what another run needs to go on, ``None`` after the last part.

        Raises:
            OutputError: the disk is full, ...
        """
        entry = {
            "number": len(self.entries),
            "file": file.name,
            "bytes": file.stat().st_size,
            "frames": frames,
            "resume": resume,
        }
        try:
            os.write(self._done, json.dumps(entry).encode() + b"\n")
            os.fsync(self._done)
        except OSError as error:
            raise OutputError(
                f"{explain(error, self.target)} The same command goes on from {shown(self.folder)}."
            ) from error
        self.entries.append(entry)

    def remove(self) -> None:
        """The result is there: remove the journal."""
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        """Let go of the files; what is done stays."""
        if self._done >= 0:
            os.close(self._done)
            self._done = -1

    def __enter__(self) -> ClipJournal:
        return self

    def __exit__(self, *_: object) -> None:
        if self._done >= 0 and not self.entries:  # nothing worth keeping
            self.remove()
        self.close()
