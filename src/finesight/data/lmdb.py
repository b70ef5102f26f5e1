"""BasicSR's databases of pictures, read where the package ``lmdb`` is installed.

``NAME.lmdb/`` holds ``data.mdb`` and ``meta_info.txt`` with lines such as ``0001_s001.png (480,480,3) 1``; a key is the
name without its ending, a value the encoded file.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from finesight.data.index import Entry
from finesight.errors import InputError
from finesight.extras import need

__all__ = ["LmdbFiles"]

_LINE = re.compile(r"^(?P<name>.+) \((?P<height>\d+),(?P<width>\d+),(?P<channels>\d+)\) \d+$")


class LmdbFiles:
    """The pictures of a database; opened anew in every process that reads from it.

    Raises:
        InputError: it has no list of pictures, or the list is not BasicSR's.
        MissingExtraError: ``lmdb`` is not installed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.place, self.unreadable = folder, str(folder), dict[str, str]()
        _lmdb()
        listing = folder / "meta_info.txt"
        try:
            lines = [line for line in listing.read_text(encoding="utf-8").splitlines() if line.strip()]
        except OSError as error:
            raise InputError(f"{listing} cannot be read: {error.strerror}. A database of BasicSR has it.") from error
        entries = []
        for number, line in enumerate(lines, 1):
            found = _LINE.match(line.strip())
            if found is None:
                raise InputError(f"{listing}, line {number}: expected NAME.png (height,width,channels) LEVEL")
            entries.append(Entry(found["name"], int(found["height"]), int(found["width"]), 0, 0))
        if not entries:
            raise InputError(f"{listing} lists no pictures.")
        self.entries = tuple(sorted(entries, key=lambda entry: entry.name))
        self._open: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": None}

    def whole(self, name: str) -> np.ndarray:
        """uint8 ``(H, W, 3)``.

        Raises:
            InputError: the database lacks it, or it cannot be decoded.
        """
        if self._open is None:
            self._open = _lmdb().open(str(self.folder), readonly=True, lock=False, readahead=False)
        with self._open.begin() as transaction:
            data = transaction.get(name.rpartition(".")[0].encode("ascii", "backslashreplace"))
        if data is None:
            raise InputError(f"{self.place} has no picture {name}")
        try:
            with Image.open(io.BytesIO(bytes(data))) as file:
                return np.array(file.convert("RGB"))
        except (OSError, ValueError, SyntaxError, UnidentifiedImageError) as error:
            raise InputError(f"{name} of {self.place} cannot be read as a picture: {error}") from error

    def part(self, name: str, top: int, left: int, height: int, width: int) -> np.ndarray | None:  # noqa: ARG002
        """Never cheaper than the whole: databases hold cut pictures."""
        return None


def _lmdb() -> Any:
    return need("lmdb", extra="lmdb", why="to read BasicSR's databases")
