"""Files that appear only when they are whole."""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from finesight.errors import OutputError

from .files import shown

__all__ = ["PART", "atomically", "explain", "lock", "part_prefix"]

PART = ".part"
"""How the names of unfinished files end; they begin with a dot."""


@contextlib.contextmanager
def atomically(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary file beside `target`, which becomes `target` when the block ends well.

    The temporary file is in the same folder, empty at first, named ``.NAME.HASH.RANDOM.part``. At the end of the block
    it is flushed to the disk and renamed, so that nobody ever sees half of it; after an exception it is removed. What
    a killed run left behind for the same target is removed by the next one; a file that another living process is
    writing is not. An existing target keeps its permissions; a target that is a link stays one.

    Raises:
        OutputError: the folder is missing or not writable, the disk is full, the name is too long, ...: one line.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomically(Path(folder) / "a.txt") as temporary:
    ...         _ = temporary.write_text("whole")
    ...     (Path(folder) / "a.txt").read_text()
    'whole'
    """
    final = Path(os.path.realpath(target))
    if os.path.isdir(final):
        raise OutputError(f"{shown(target)} is a folder; a file name is wanted there.")
    _remove_stray(final)
    temporary = final.with_name(f"{part_prefix(final)}{secrets.token_hex(4)}{PART}")
    try:
        # Not mkstemp: its files are private, these get the permissions that the user's umask gives.
        handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    except OSError as error:
        raise OutputError(explain(error, target)) from error
    try:
        lock(handle)
        yield temporary
        _finish(temporary, final)
    except OSError as error:
        raise OutputError(explain(error, target)) from error
    finally:
        os.close(handle)
        with contextlib.suppress(OSError):
            temporary.unlink()


def part_prefix(target: Path) -> str:
    """How the names of all unfinished files for one target begin; short enough for every file system."""
    name = os.fsencode(target.name)
    shortened = os.fsdecode(name[:80]).encode("utf-8", "ignore").decode("utf-8", "ignore")
    return f".{shortened}.{hashlib.sha256(name).hexdigest()[:8]}."


def explain(error: OSError, target: str | os.PathLike[str]) -> str:
    """Why a file could not be written, and what to do, on one line."""
    name, folder = shown(target), shown(Path(target).parent)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{name} was not written: the disk or the quota is full. Free some space or choose another folder."
    if error.errno == errno.EFBIG:
        return (
            f"{name} was not written: the file would be larger than the limit of this system or user (see: ulimit -f)."
        )
    if error.errno == errno.ENOENT:
        return f"{name} was not written: the folder {folder} does not exist. Create it first."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        why = f"the folder {folder} cannot be written to ({error.strerror})"
        return f"{name} was not written: {why}. Choose another with -o."
    if error.errno == errno.ENAMETOOLONG:
        return f"{name} was not written: the name is too long for this file system. Choose a shorter one with -o."
    if error.errno == errno.ENOTDIR:
        return f"{name} was not written: {folder} is not a folder."
    return f"{name} was not written: {error.strerror or error}."


def _finish(temporary: Path, final: Path) -> None:
    with temporary.open("rb+") as file:
        if final.exists():
            with contextlib.suppress(OSError):
                os.chmod(temporary, final.stat().st_mode & 0o7777)
        os.fsync(file.fileno())
    os.replace(temporary, final)
    if os.name == "posix":  # the new name itself must reach the disk too
        with contextlib.suppress(OSError):
            folder = os.open(final.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def lock(handle: int) -> bool:
    """Hold the file for this process; the lock ends with the process, however it dies."""
    try:
        import fcntl
    except ImportError:  # Windows, where a file in use cannot be removed anyway
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _remove_stray(final: Path) -> None:
    pattern = glob.escape(str(final.parent / part_prefix(final))) + "*" + PART
    for stray in glob.glob(pattern):
        with contextlib.suppress(OSError):
            handle = os.open(stray, os.O_RDWR)
            try:
                if lock(handle):
                    os.unlink(stray)
            finally:
                os.close(handle)
