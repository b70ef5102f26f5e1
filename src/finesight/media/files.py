"""Opening inputs: files, streams, bytes and standard input, each fault one clear line."""

from __future__ import annotations

import io
import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from finesight.errors import InputError

from .formats import HEAD, describe_foreign, sniff

__all__ = ["Opened", "open_input", "shown"]

Source = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO


def shown(path: object) -> str:
    """A name as it may stand in a one-line message: line breaks, control and undecodable characters escaped."""
    text = os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else str(path)
    return "".join(
        c if c.isprintable() or c == "\u200d" else c.encode("unicode_escape", "backslashreplace").decode() for c in text
    )


@dataclass
class Opened:
    """An input that can be read from the start as often as needed.

    Attributes:
        file: seekable, at position 0.
        name: how messages call it.
        size: in bytes.
        head: its first bytes.
        format: name of the format that its content says.
        suffix: the ending of its name, in lower case, "" without one.
        times: access and modification in nanoseconds, None where it is not a file on disk.
    """

    file: BinaryIO
    name: str
    size: int
    head: bytes
    format: str
    suffix: str
    times: tuple[int, int] | None

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self.file.close()

    def at(self, start: int, count: int) -> bytes:
        """Up to `count` bytes from `start` on."""
        if start < 0 or count <= 0 or start >= self.size:
            return b""
        self.file.seek(start)
        return self.file.read(min(count, self.size - start))

    def whole(self) -> bytes:
        """All bytes."""
        return self.at(0, self.size)

    def descriptor(self) -> int | None:
        """The operating system's number of the file, rewound, or None where there is none (bytes, pipes)."""
        self.file.seek(0)
        try:
            number = self.file.fileno()
        except (OSError, AttributeError):
            return None
        os.lseek(number, 0, os.SEEK_SET)
        return number


def open_input(source: Source) -> Opened:
    """Open a picture file and find its format by its content.

    Args:
        source: a path, ``"-"`` for standard input, the bytes of a file, or a binary stream, which is read to its end.

    Raises:
        InputError: missing, not readable, a folder, empty, or not a picture.
    """
    file, name, times = _open(source)
    try:
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            raise InputError(f"{name} is empty (0 bytes): it holds no picture.")
        file.seek(max(0, size - 26))
        tail = file.read(26)
        file.seek(0)
        head = file.read(HEAD)
        file.seek(0)
        suffix = Path(os.fsdecode(source)).suffix.lower() if isinstance(source, (str, os.PathLike)) else ""
        form = sniff(head, tail=tail, suffix=suffix)
        if form is None:
            raise InputError(
                f"{name} is not a picture that finesight can read: its content is {describe_foreign(head)}."
            )
    except OSError as error:
        file.close()
        raise InputError(f"{name} cannot be read: {error.strerror or error}.") from error
    except BaseException:
        file.close()
        raise
    return Opened(file=file, name=name, size=size, head=head, format=form, suffix=suffix, times=times)


def _open(source: Source) -> tuple[BinaryIO, str, tuple[int, int] | None]:
    if isinstance(source, (bytes, bytearray, memoryview)):
        return io.BytesIO(bytes(source)), "the picture in memory", None
    if isinstance(source, (str, os.PathLike)):
        if os.fspath(source) == "-":
            return io.BytesIO(sys.stdin.buffer.read()), "standard input", None
        return _open_path(Path(source))
    if hasattr(source, "read"):
        data = source.read()
        if not isinstance(data, bytes):
            raise InputError("A stream opened in text mode holds no picture. Open it with mode 'rb'.")
        return io.BytesIO(data), shown(getattr(source, "name", None) or "the stream"), None
    raise InputError(f"A path, bytes or a binary stream is wanted, this is a {type(source).__name__}.")


def _open_path(path: Path) -> tuple[BinaryIO, str, tuple[int, int] | None]:
    name = shown(path)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise InputError(f"{name} is a folder, not a picture file.")
        file = path.open("rb")
    except FileNotFoundError as error:
        if not path.parent.is_dir():
            raise InputError(f"{name} does not exist, nor does its folder {shown(path.parent)}.") from error
        raise InputError(f"{name} does not exist.") from error
    except PermissionError as error:
        raise InputError(f"{name} may not be read by this user: change its permissions (chmod u+r).") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"{name} cannot be opened: {reason or error}.") from error
    if stat.S_ISREG(status.st_mode):
        return file, name, (status.st_atime_ns, status.st_mtime_ns)
    with file:  # a pipe or a device: it can be read once only
        try:
            return io.BytesIO(file.read()), name, None
        except OSError as error:
            raise InputError(f"{name} cannot be read: {error.strerror or error}.") from error
