"""A clip file into a clip file, in parts that are committed one by one."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from finesight.errors import InputError
from finesight.media.clips import ClipReader, ClipWriter, overlapped
from finesight.media.clips.resumable import Parts
from finesight.media.files import shown
from finesight.progress import Cancel, Progress, silent
from finesight.run.clips.frames import AnyFrame
from finesight.run.clips.journal import ClipJournal
from finesight.run.clips.pieces import ClipReport, Piece

__all__ = ["JobResult", "Pieces", "compute_clip"]

_AHEAD = 8  # decoded frames that wait


class Pieces(Protocol):
    """What computes a clip: ``ClipRunner`` or ``Interpolator``."""

    report: ClipReport

    def pieces(
        self, frames: Iterable[AnyFrame], resume: dict[str, Any] | None = None, cancel: Cancel | None = None
    ) -> Iterator[Piece]: ...


@dataclass(frozen=True, slots=True)
class JobResult:
    """What was written: frames in all, those of an earlier run among them, seconds, and what the user should hear."""

    frames: int
    earlier: int
    seconds: float
    joining: float
    notes: tuple[str, ...]


def compute_clip(
    reader: ClipReader,
    writer: ClipWriter,
    make: Callable[[dict[str, Any] | None], Pieces],
    *,
    job: dict[str, Any],
    provenance: Callable[[ClipReport], dict[str, str]],
    expected: int = 0,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> JobResult:
    """Compute what ``reader`` gives into what ``writer`` says.

    A run that is stopped or killed leaves the parts that it finished; the same job goes on behind them, and gives the
    same frames as one run would have given. Decoding, computing and encoding overlap.

    Args:
        writer: not entered.
        make: makes what computes; it is given what an earlier run decided (precision and engine), or ``None``.
        job: what decides the result, as JSON values.
        provenance: what goes into the metadata, of the report.
        expected: frames of the result, for progress.

    Raises:
        InputError: no frames, damage, another size in between.
        OutputError, ModelError, SettingError, MemoryLimitError, CancelledError
    """
    began = time.perf_counter()
    with ClipJournal(writer.path, job) as journal:
        parts = Parts(writer, journal.folder)
        runner = make(journal.how)
        resume = journal.entries[-1]["resume"] if journal.entries else None
        earlier = sum(entry["frames"] for entry in journal.entries)
        if not journal.entries or resume is not None:
            first = int(resume["read"]) if resume else 0
            with contextlib.closing(overlapped(itertools.islice(iter(reader), first, None), _AHEAD)) as frames:
                counted = _Counted(earlier, max(expected, 0), progress, cancel)
                for piece in runner.pieces(frames, resume, cancel):
                    _commit(piece, parts, journal, runner.report, counted)
        if not sum(entry["frames"] for entry in journal.entries):
            raise InputError(f"{shown(reader.info.path)} gives not one frame{_span(reader)}.")
        computed = time.perf_counter()
        report = runner.report
        if not report.device and journal.how:  # everything was computed by an earlier run
            report.device, report.precision, report.engine = (
                journal.how[key] for key in ("device", "precision", "engine")
            )
        writer.provenance = provenance(report)
        parts.join(len(journal.entries))
        journal.remove()
        done = time.perf_counter()
        notes = dict.fromkeys([*reader.notes, *journal.notes, *parts.notes, *report.notes])
        total = sum(entry["frames"] for entry in journal.entries)
        return JobResult(total, earlier, done - began, done - computed, tuple(notes))


def _commit(piece: Piece, parts: Parts, journal: ClipJournal, report: ClipReport, counted: _Counted) -> None:
    number = len(journal.entries)
    with parts.part(number) as out:
        for frame in piece.frames:
            out.write(frame)
            counted()
    if journal.how is None:
        journal.begin({"device": report.device, "precision": report.precision, "engine": report.engine})
    journal.finish(parts.file(number), out.frames, piece.resume())


class _Counted:
    """Progress over all parts, and a look at whether to stop after every frame."""

    def __init__(self, done: int, total: int, progress: Progress, cancel: Cancel | None) -> None:
        self.done, self.total, self.progress, self.cancel = done, total, progress, cancel
        progress(done, total, "frames")

    def __call__(self) -> None:
        self.done += 1
        self.progress(self.done, max(self.total, self.done), "frames")
        if self.cancel is not None:
            self.cancel.check()


def _span(reader: ClipReader) -> str:
    return "" if reader.start is None and reader.end is None else " between --start and --end"
