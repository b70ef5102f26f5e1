"""The folder of downloaded weights: where it is, what is known of each file in it, and a lock for each file."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from finesight.errors import ModelError, OutputError
from finesight.zoo.model import Card

__all__ = ["Record", "cache_folder", "locked", "remember", "sha256", "verified"]


def cache_folder() -> Path:
    """Where downloads lie: ``$FINESIGHT_CACHE``, else ``$XDG_CACHE_HOME/finesight``, else ``~/.cache/finesight``."""
    if own := os.environ.get("FINESIGHT_CACHE"):
        return Path(own).expanduser()
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "finesight"


def sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class Record:
    """What is written beside a cached file: its measured hash, where it came from, and what it looked like then."""

    sha256: str
    source: str
    size: int
    changed: int
    """Time of the file's last change, nanoseconds."""


def _record_file(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def remember(path: Path, *, measured: str, source: str) -> Record:
    """Write the record of a whole file."""
    status = path.stat()
    record = Record(measured, source, status.st_size, status.st_mtime_ns)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.json")
    try:
        temporary.write_text(json.dumps(asdict(record), indent=1) + "\n", encoding="utf-8")
        os.replace(temporary, _record_file(path))
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OutputError(f"{_record_file(path)} cannot be written: {error.strerror or error}.") from error
    return record


def recorded(path: Path) -> Record | None:
    """The record beside a file, ``None`` where there is none that can be read."""
    try:
        return Record(**json.loads(_record_file(path).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def verified(card: Card, path: Path, *, again: bool = False) -> str:
    """The SHA-256 of a cached file, after comparing it with the published one and with what was fetched.

    A file that looks as it did when it was recorded (size, time of change) is not read again, unless ``again``.

    Raises:
        ModelError: it is not the published file, or was changed later.
    """
    record = recorded(path)
    status = path.stat()
    if not again and record is not None and (record.size, record.changed) == (status.st_size, status.st_mtime_ns):
        measured = record.sha256
    else:
        measured = sha256(path)
    published = "" if card.archive_member else card.sha256
    again_hint = f"run: finesight models get {card.name} --again" if card.url else f"get it again from {card.manual}"
    if not measured.startswith(published):
        raise ModelError(
            f"{path} is not the published file of {card.name}: its SHA-256 begins with {measured[:8]}, expected "
            f"{published[:8]}. Delete it or {again_hint}"
        )
    if record is not None and record.sha256 != measured:
        raise ModelError(
            f"{path} was changed after it was fetched: its SHA-256 begins with {measured[:8]}, it was "
            f"{record.sha256[:8]}. Delete it or {again_hint}"
        )
    if record is None or record.changed != status.st_mtime_ns:
        remember(path, measured=measured, source=record.source if record else "found in the cache folder")
    return measured


def _lock(file: IO[bytes]) -> bool:
    """Try to take the lock of an open file; released when it is closed or its process ends."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextmanager
def locked(path: Path, *, say: Callable[[str], None], wait: float = 3600.0) -> Iterator[None]:
    """Hold the lock of one cached file, so that two processes do not fetch it at once.

    Raises:
        OutputError: the folder cannot be written, or another process held the lock for longer than ``wait`` seconds.
    """
    lock = path.with_name(path.name + ".lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("ab")
    except OSError as error:
        raise OutputError(f"The cache folder {lock.parent} cannot be written: {error.strerror or error}.") from error
    with file:
        started, told = time.monotonic(), False
        while not _lock(file):
            if not told:
                say(f"Another process is fetching {path.name}; waiting for it.")
                told = True
            if time.monotonic() - started > wait:
                raise OutputError(f"Another process has held {lock} for {wait:.0f} s; end it or delete the file.")
            time.sleep(0.1)
        yield
