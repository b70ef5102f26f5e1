"""Frames as numbered pictures: a folder that appears when it is whole, or files after a pattern."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path

from finesight.errors import OutputError, SettingError
from finesight.media.atomic import PART, explain, lock, part_prefix
from finesight.media.files import shown
from finesight.media.formats import find_format, format_of_suffix
from finesight.media.inspection import inspect
from finesight.media.picture import Picture
from finesight.media.writing import Keep, write

from .kinds import is_pattern
from .numbered import TIMES
from .types import Frame

__all__ = ["PictureFolder", "picture_folder"]

_NAME = "frame_%06d.png"
_LOCK = "lock"


@contextlib.contextmanager
def picture_folder(
    target: Path, *, provenance: Mapping[str, str] | None, metadata: Keep = "keep"
) -> Iterator[PictureFolder]:
    """Collect frames in a hidden folder beside `target`; at a good end they get their place, otherwise they go.

    Args:
        target: a folder that is missing or empty, or a pattern such as ``out/frame_%06d.png`` that nothing matches.
        provenance: goes into every picture, unless `metadata` is "strip".
        metadata: as for pictures.

    Raises:
        OutputError: pictures are there already, the folder cannot be written, the disk is full.
        SettingError: a pattern whose ending is no picture format that is written.
    """
    pattern = target.name if is_pattern(target) else _NAME
    place = target.parent if is_pattern(target) else target
    _check_free(target, place, pattern)
    form = format_of_suffix(Path(pattern).suffix)
    if form is None or not find_format(form).writable:
        raise SettingError(
            f"{shown(target)}: {Path(pattern).suffix or 'no ending'} is no picture format that is written."
        )
    near = place if place.is_dir() else place.parent
    _remove_strays(near, target)
    temporary = near / f"{part_prefix(target)}{secrets.token_hex(4)}{PART}"
    try:
        temporary.mkdir()
        handle = os.open(temporary / _LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise OutputError(explain(error, target)) from error
    try:
        lock(handle)
        folder = PictureFolder(temporary, target, pattern, provenance if metadata != "strip" else None)
        yield folder
        folder.check()
        _into_place(folder, place, whole=not is_pattern(target))
    except OSError as error:
        raise OutputError(explain(error, target)) from error
    finally:
        os.close(handle)
        shutil.rmtree(temporary, ignore_errors=True)


def _check_free(target: Path, place: Path, pattern: str) -> None:
    if place.is_file():
        raise OutputError(f"{shown(place)} is a file; a folder of frames cannot take its place.")
    if not place.is_dir():
        return
    before, after = re.split(r"%0?\d*d", pattern)
    wanted = re.compile(re.escape(before) + r"\d+" + re.escape(after) + r"\Z")
    there = [name for name in os.listdir(place) if not name.startswith(".")]
    if not is_pattern(target) and there:
        raise OutputError(f"{shown(target)} is a folder that holds {len(there)} files. Choose a new or an empty one.")
    if any(wanted.match(name) for name in there):
        raise OutputError(
            f"{shown(target)}: frames of that name are there already. Remove them or choose another name."
        )


def _remove_strays(near: Path, target: Path) -> None:
    """What a killed run left for the same target; what a living one is writing stays."""
    if not near.is_dir():
        return
    for stray in near.iterdir():
        if stray.name.startswith(part_prefix(target)) and stray.name.endswith(PART) and stray.is_dir():
            with contextlib.suppress(OSError):
                handle = os.open(stray / _LOCK, os.O_RDWR | os.O_CREAT)
                try:
                    if lock(handle):
                        shutil.rmtree(stray, ignore_errors=True)
                finally:
                    os.close(handle)


def _into_place(folder: PictureFolder, place: Path, *, whole: bool) -> None:
    if whole and not place.exists():
        os.unlink(folder.temporary / _LOCK)
        os.replace(folder.temporary, place)
        return
    for name in [*folder.names, *([TIMES] if whole else [])]:
        os.replace(folder.temporary / name, place / name)


class PictureFolder:
    """Frames as pictures in a folder that is being filled.

    Attributes:
        names: of the pictures so far.
        notes: what their format could not hold.
    """

    def __init__(self, temporary: Path, target: Path, pattern: str, provenance: Mapping[str, str] | None) -> None:
        self.temporary, self.target = temporary, target
        self.names: list[str] = []
        self.notes: list[str] = []
        self._pattern, self._provenance = pattern, provenance
        self._times: list[Fraction] = []
        self._size: tuple[int, int] | None = None

    def write(self, frame: Frame) -> None:
        """Add one frame as the next picture, counted from 1; its time goes into `TIMES`.

        Raises:
            OutputError: the disk is full, ...; or a frame of another size.
        """
        size = frame.pixels.shape[1], frame.pixels.shape[0]
        if self._size not in (None, size):
            raise OutputError(f"{shown(self.target)}: a frame is {size[0]}x{size[1]} pixels, those before it were not.")
        self._size = size
        name = self._pattern % (len(self.names) + 1)
        depth = 16 if frame.pixels.dtype.itemsize == 2 else 8
        picture = Picture(pixels=frame.pixels, alpha=frame.alpha, depth=depth)  # type: ignore[arg-type]  # 8 or 16
        said = write(self.temporary / name, picture, provenance=self._provenance)
        self.notes += [note for note in said if note not in self.notes]
        self.names.append(name)
        self._times.append(frame.time)

    def check(self) -> None:
        """The closing check: as many pictures as frames, of their size; then the times are written.

        Raises:
            OutputError: a difference, or no frames at all.
        """
        if not self.names:
            raise OutputError(f"{shown(self.target)} was not written: there was not one frame.")
        there = sorted(name for name in os.listdir(self.temporary) if name != _LOCK)
        found = inspect(self.temporary / self.names[-1])
        if there != sorted(self.names) or (found.width, found.height) != self._size:
            raise OutputError(
                f"{shown(self.target)} was not written: the closing check found {len(there)} pictures instead of "
                f"{len(self.names)}, the last one {found.width}x{found.height}."
            )
        lines = ["# timestamp format v2", *(_milliseconds(time) for time in self._times)]
        (self.temporary / TIMES).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _milliseconds(time: Fraction) -> str:
    """Milliseconds with nine decimals, which tell all times of files apart."""
    return f"{float(time * 1000):.9f}".rstrip("0").rstrip(".")
