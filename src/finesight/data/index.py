"""The pictures below a folder with their sizes, remembered between runs so that no header is read twice.

The index of a folder lies in the cache (``$FINESIGHT_CACHE``, else ``$XDG_CACHE_HOME/finesight``, else
``~/.cache/finesight``), under ``index/``. A file whose length or time of change differs is looked at again. Nothing is
written into the folder itself.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from finesight.errors import InputError, OutputError
from finesight.media.atomic import atomically
from finesight.media.regions import picture_size
from finesight.progress import Progress, silent

__all__ = ["ENDINGS", "Entry", "Index", "index_folder"]

ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".ppm", ".tga"})
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One picture: its path below the folder with slashes, its sides, and what tells whether its file changed."""

    name: str
    height: int
    width: int
    length: int
    changed: int


@dataclass(frozen=True, slots=True)
class Index:
    """What a folder holds.

    Args:
        folder: the folder.
        entries: pictures in the order of their names.
        unreadable: names of files that look like pictures and are none, with the reason.
    """

    folder: Path
    entries: tuple[Entry, ...]
    unreadable: dict[str, str]


def index_folder(folder: Path, *, cached: bool = True, progress: Progress = silent) -> Index:
    """Every picture below a folder, hidden ones and those in hidden folders left out.

    Args:
        folder: searched recursively.
        cached: use and renew the index that an earlier call left; where it cannot be written the headers are read
            again next time.
        progress: see ``finesight.progress``.

    Raises:
        InputError: the folder is missing, is no folder, or holds no file that looks like a picture.
    """
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise InputError(f"The folder of pictures {folder} {what}. Give the folder that holds them.")
    paths = sorted(path for path in _files(folder) if path.suffix.lower() in ENDINGS)
    if not paths:
        raise InputError(f"The folder {folder} holds no pictures ({', '.join(sorted(ENDINGS))}).")
    place = _place(folder)
    known = _remembered(place) if cached else {}
    entries, unreadable = [], {}
    for number, path in enumerate(paths):
        name = path.relative_to(folder).as_posix()
        try:
            entries.append(_entry(path, name, known.get(name)))
        except InputError as error:
            unreadable[name] = str(error)
        progress(number + 1, len(paths), name)
    if cached and {entry.name: entry for entry in entries} != known:
        _remember(place, folder, entries)
    return Index(folder, tuple(entries), unreadable)


def _entry(path: Path, name: str, known: Entry | None) -> Entry:
    """What is known of a file, or what its header says where it is new or has changed."""
    try:
        status = path.stat()
    except OSError as error:  # a link to nowhere, or it was removed just now
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    if known is not None and (known.length, known.changed) == (status.st_size, status.st_mtime_ns):
        return known
    height, width = picture_size(path)
    return Entry(name, height, width, status.st_size, status.st_mtime_ns)


def _files(folder: Path) -> list[Path]:
    def refuse(error: OSError) -> None:
        raise InputError(f"The folder {error.filename} cannot be read: {error.strerror}.") from error

    found: list[Path] = []
    for top, folders, names in os.walk(folder, followlinks=True, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(top, name) for name in names if not name.startswith(".")]
    return found


def _place(folder: Path) -> Path:
    if own := os.environ.get("FINESIGHT_CACHE"):
        base = Path(own)
    else:
        shared = os.environ.get("XDG_CACHE_HOME")
        base = (Path(shared) if shared else Path.home() / ".cache") / "finesight"
    digest = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:32]
    return base / "index" / f"{digest}.json"


def _remembered(place: Path) -> dict[str, Entry]:
    """What an earlier call left; nothing if that is missing, damaged, or of another version."""
    try:
        content: Any = json.loads(place.read_text(encoding="utf-8"))
        if content["version"] != _VERSION:
            return {}
        return {entry["name"]: Entry(**entry) for entry in content["entries"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _remember(place: Path, folder: Path, entries: list[Entry]) -> None:
    content = {"version": _VERSION, "folder": str(folder.resolve()), "entries": [asdict(entry) for entry in entries]}
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with atomically(str(place)) as temporary:
            temporary.write_text(json.dumps(content), encoding="utf-8")
    except (OSError, OutputError):  # a cache that cannot be written costs time, no result depends on it
        return
