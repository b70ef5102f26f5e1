"""Pictures to train from: those of a folder that can be used, parts of them, and a small store of decoded ones."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from finesight.data.index import Entry, index_folder
from finesight.errors import InputError
from finesight.media.regions import read_region, read_rgb

__all__ = ["FolderFiles", "PictureFiles", "Pictures", "SeveralFiles", "UndecodableError", "files_of", "open_pictures"]

LOST = 0.01  # of the pictures may be unusable; with more something is wrong with the folder
_STORE = 256 * 2**20
_WHOLE = 4  # times the part: a picture of at most so many pixels is decoded whole and kept


class UndecodableError(InputError):
    """A picture that looked usable is not; it has been noted, and the caller takes another."""


class PictureFiles(Protocol):
    """Where pictures lie: a folder, or a database."""

    place: str
    entries: tuple[Entry, ...]
    unreadable: dict[str, str]

    def whole(self, name: str) -> np.ndarray:
        """uint8 ``(H, W, 3)``."""
        ...

    def part(self, name: str, top: int, left: int, height: int, width: int) -> np.ndarray | None:
        """uint8 ``(height, width, 3)``; ``None`` where a part costs as much as the whole."""
        ...


class FolderFiles:
    """The pictures of a folder as they are."""

    def __init__(self, folder: Path, *, cached: bool = True) -> None:
        index = index_folder(folder, cached=cached)
        self.folder, self.place = folder, str(folder)
        self.entries, self.unreadable = index.entries, dict(index.unreadable)

    def whole(self, name: str) -> np.ndarray:
        """uint8 ``(H, W, 3)``."""
        return read_rgb(self.folder / name)

    def part(self, name: str, top: int, left: int, height: int, width: int) -> np.ndarray | None:
        """A region of a JPEG or TIFF."""
        if not name.lower().endswith((".jpg", ".jpeg", ".tif", ".tiff")):
            return None
        return read_region(self.folder / name, top, left, height, width)


class Pictures:
    """The usable pictures of ``files``. Those that are too small or unreadable are named in a warning and left out.

    It may be sent to another process: decoded pictures stay behind.

    Args:
        files: where they lie.
        least: height and width that a picture must have.
        store: bytes of decoded pictures that are kept.

    Raises:
        InputError: none is left, or more than 1 % had to be left out.
    """

    def __init__(self, files: PictureFiles, *, least: tuple[int, int] = (1, 1), store: int = _STORE) -> None:
        self.files, self.store = files, store
        self.lost: dict[str, str] = dict(files.unreadable)
        for entry in files.entries:
            if entry.height < least[0] or entry.width < least[1]:
                self.lost[entry.name] = f"{entry.width}x{entry.height} is less than {least[1]}x{least[0]}"
        self.entries = tuple(entry for entry in files.entries if entry.name not in self.lost)
        self.total = len(files.entries) + len(files.unreadable)
        self._kept: OrderedDict[str, np.ndarray] = OrderedDict()
        self._bytes = 0
        self._check()
        for name, reason in self.lost.items():
            self._say(name, reason)

    def __len__(self) -> int:
        return len(self.entries)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": OrderedDict(), "_bytes": 0}

    def whole(self, index: int) -> np.ndarray:
        """A picture, uint8 ``(H, W, 3)``: not to be written into.

        Raises:
            UndecodableError: it cannot be read, which is noted and said in a warning.
            InputError: with this one more than 1 % cannot be used.
        """
        entry = self.entries[index]
        kept = self._kept.get(entry.name)
        if kept is not None:
            self._kept.move_to_end(entry.name)
            return kept
        try:
            pixels = self.files.whole(entry.name)
        except InputError as error:
            raise self._lose(entry.name, str(error)) from error
        if pixels.shape[:2] != (entry.height, entry.width):
            raise self._lose(entry.name, f"{self.files.place}/{entry.name} changed its size while it was in use")
        self._kept[entry.name] = pixels
        self._bytes += pixels.nbytes
        while len(self._kept) > 1 and self._bytes > self.store:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return pixels

    def part(self, index: int, top: int, left: int, height: int, width: int) -> np.ndarray:
        """A part of a picture, uint8 ``(height, width, 3)``: not to be written into.

        Raises:
            UndecodableError, InputError: see ``whole``.
        """
        entry = self.entries[index]
        if entry.name not in self._kept and entry.height * entry.width > _WHOLE * height * width:
            try:
                part = self.files.part(entry.name, top, left, height, width)
            except InputError as error:
                raise self._lose(entry.name, str(error)) from error
            if part is not None:
                return part
        return self.whole(index)[top : top + height, left : left + width]

    def _lose(self, name: str, reason: str) -> UndecodableError:
        """Note that a picture cannot be decoded: what to raise about it."""
        if name not in self.lost:
            self.lost[name] = reason
            self._check()
            self._say(name, reason)
        return UndecodableError(reason)

    def _say(self, name: str, reason: str) -> None:
        warnings.warn(
            f"{self.files.place}: {name} is left out ({len(self.lost)} of {self.total}): {reason}", stacklevel=3
        )

    def _check(self) -> None:
        if self.lost and (not self.entries or len(self.lost) > LOST * self.total):
            named = "; ".join(f"{name}: {reason}" for name, reason in list(self.lost.items())[:3])
            more = f" (and {len(self.lost) - 3} more)" if len(self.lost) > 3 else ""
            raise InputError(
                f"{self.files.place}: {len(self.lost)} of {self.total} pictures cannot be used, more than 1 %: "
                f"{named}{more}. Remove or replace them."
            )


def open_pictures(
    paths: Sequence[Path], *, least: tuple[int, int] = (1, 1), store: int = _STORE, cached: bool = True
) -> Pictures:
    """The pictures of one or several folders, or of databases whose folder ends in ``.lmdb``.

    Raises:
        InputError: one of them cannot be used; see ``Pictures``.
    """
    if not paths:
        raise InputError("No folder of pictures was given.")
    opened = [files_of(path.expanduser(), cached=cached) for path in paths]
    return Pictures(opened[0] if len(opened) == 1 else SeveralFiles(opened), least=least, store=store)


def files_of(path: Path, *, cached: bool = True) -> PictureFiles:
    """The pictures of a folder, or of a database whose folder ends in ``.lmdb``.

    Raises:
        InputError: it is missing or holds none.
    """
    if path.suffix == ".lmdb" and path.is_dir():
        from finesight.data.lmdb import LmdbFiles

        return LmdbFiles(path)
    return FolderFiles(path, cached=cached)


class SeveralFiles:
    """Pictures of several places one after the other; a name begins with the number of its place."""

    def __init__(self, several: Sequence[PictureFiles]) -> None:
        self.several = list(several)
        self.place = ", ".join(files.place for files in several)
        self.entries = tuple(
            replace(entry, name=f"{number}/{entry.name}")
            for number, files in enumerate(several)
            for entry in files.entries
        )
        self.unreadable = {
            f"{number}/{name}": reason
            for number, files in enumerate(several)
            for name, reason in files.unreadable.items()
        }

    def whole(self, name: str) -> np.ndarray:
        """uint8 ``(H, W, 3)``."""
        number, _, own = name.partition("/")
        return self.several[int(number)].whole(own)

    def part(self, name: str, top: int, left: int, height: int, width: int) -> np.ndarray | None:
        """As the place of the picture does it."""
        number, _, own = name.partition("/")
        return self.several[int(number)].part(own, top, left, height, width)
