"""Finished rows of tiles of a giant picture on disk, so that a killed run costs one row of tiles and not all of them.

Beside the output a hidden folder holds ``job.json`` (what is computed, and how), ``rows`` (the pixels, raw, in the
order of the result) and ``done`` (one line for each row of tiles whose pixels have reached the disk).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from finesight.errors import OutputError
from finesight.media.atomic import explain, lock, part_prefix
from finesight.media.files import shown
from finesight.run.memory import format_bytes
from finesight.run.pixels import Pixels, quantise

__all__ = ["Journal", "RowsSink"]

_SPARE = 64 * 2**20  # bytes that must stay free on the disk


class Journal:
    """The journal of one output file; a context manager that holds it for this process.

    Args:
        target: the output file.
        job: what decides the result (hashes, sizes, settings), as JSON values; a journal of another job is removed.
        size: bytes of all rows.

    Attributes:
        how: what was decided for the job when it began (engine, tiles), as JSON values; ``None`` for a new journal
            until `begin`.
        notes: what the user should hear.

    Raises:
        OutputError: another process is at it, the folder cannot be written, or the disk has too little room.
    """

    def __init__(self, target: str | os.PathLike[str], job: dict[str, Any], size: int) -> None:
        self.target = Path(os.path.realpath(target))
        self.folder = self.target.with_name(part_prefix(self.target) + "rows")
        self.notes: list[str] = []
        self.how: dict[str, Any] | None = None
        self._job, self._size = job, size
        try:
            self.folder.mkdir(exist_ok=True)
            self._done = os.open(self.folder / "done", os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise OutputError(explain(error, target)) from error
        try:
            self._open()
        except BaseException:
            os.close(self._done)
            raise

    def _open(self) -> None:
        if not lock(self._done):
            raise OutputError(f"{shown(self.target)} is being written by another process. Wait for it to end.")
        found = self._read_job()
        if found is not None and found["job"] == self._job:
            self.how = found["how"]
        elif found is not None:
            self.notes.append("an unfinished run with other settings or another input was found and removed")
        if self.how is None:
            self._empty()
            free = shutil.disk_usage(self.folder).free
            if free < self._size + _SPARE:
                self.remove(close=False)
                raise OutputError(
                    f"{shown(self.target)} was not begun: its rows take {format_bytes(self._size)} beside it while it "
                    f"is made, and the disk has {format_bytes(free)} left. Free some space or choose another folder."
                )
        self.rows = os.open(self.folder / "rows", os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)

    def _read_job(self) -> dict[str, Any] | None:
        try:
            found = json.loads((self.folder / "job.json").read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) and {"job", "how"} <= found.keys() else None

    def _empty(self) -> None:
        for name in ("job.json", "rows"):
            with contextlib.suppress(FileNotFoundError):
                (self.folder / name).unlink()
        os.ftruncate(self._done, 0)

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

    def finished(self) -> int:
        """How many rows of tiles are done, from the top."""
        lines = os.pread(self._done, 2**20, 0).split(b"\n")[:-1]  # what follows the last line break is half a line
        count = 0
        while count < len(lines) and lines[count] == b"%d" % count:
            count += 1
        return count

    def finish(self, index: int) -> None:
        """Row of tiles ``index`` is written: bring it to the disk, then say so.

        Raises:
            OutputError: the disk is full, ...
        """
        try:
            os.fsync(self.rows)
            line = b"%d\n" % index
            os.pwrite(self._done, line, sum(len(b"%d\n" % before) for before in range(index)))
            os.fsync(self._done)
        except OSError as error:
            raise OutputError(self.kept(error)) from error

    def kept(self, error: OSError) -> str:
        """Why the work stopped, and that what is done is not lost."""
        return f"{explain(error, self.target)} The same command goes on from {shown(self.folder)}."

    def remove(self, *, close: bool = True) -> None:
        """The result is there: remove the journal."""
        if close:
            self.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        """Let go of the files; what is done stays."""
        for name in ("rows", "_done"):
            number = getattr(self, name, -1)
            if number >= 0:
                os.close(number)
                setattr(self, name, -1)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        if self.how is None:  # nothing was begun
            self.remove()
        self.close()


class RowsSink:
    """Writes tiles into the file of rows (a ``Sink``).

    Args:
        journal: its file takes them.
        shape: height, width and channels of the result.
        dtype: of the result.
        top: the row of the result that is the row 0 of what is put.
    """

    def __init__(self, journal: Journal, shape: tuple[int, int, int], dtype: np.dtype, top: int) -> None:
        self.journal, self.shape, self.dtype, self.top = journal, shape, dtype, top

    def put(self, top: int, left: int, pixels: Tensor) -> None:
        _, width, channels = self.shape
        if channels == 1 and pixels.shape[0] > 1:
            pixels = pixels.mean(0, keepdim=True)
        rows: Pixels = np.ascontiguousarray(quantise(pixels, self.dtype))
        step = channels * self.dtype.itemsize
        try:
            for index, row in enumerate(rows):
                place = ((self.top + top + index) * width + left) * step
                data = memoryview(row).cast("B")
                if os.pwrite(self.journal.rows, data, place) != len(data):
                    raise OSError(28, "No space left on device")
        except OSError as error:
            raise OutputError(self.journal.kept(error)) from error
