"""What a folder holds for training: how many pictures, of which sizes, and which cannot be used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from finesight.data.pictures import PictureFiles, files_of
from finesight.errors import InputError
from finesight.progress import Progress, silent

__all__ = ["Survey", "survey"]


@dataclass(frozen=True, slots=True)
class Survey:
    """Counts and sizes (width, height) of the usable pictures, and the others by name with the reason."""

    folder: str
    pictures: int
    smallest: tuple[int, int] | None
    largest: tuple[int, int] | None
    megapixels: float
    unusable: dict[str, str]

    def __str__(self) -> str:
        if self.smallest is None or self.largest is None:
            return f"{self.folder}: no picture can be used"
        sizes = f"{self.smallest[0]}x{self.smallest[1]} to {self.largest[0]}x{self.largest[1]}"
        lost = f"; {len(self.unusable)} cannot be used" if self.unusable else ""
        return f"{self.folder}: {self.pictures} pictures, {sizes}, {self.megapixels:.1f} megapixels{lost}"


def survey(folder: Path, *, least: int = 1, whole: bool = False, progress: Progress = silent) -> Survey:
    """Look at every picture below a folder.

    Args:
        folder: or a database that ends in ``.lmdb``.
        least: shorter sides cannot be used.
        whole: decode every picture; otherwise only headers are read.
        progress: see ``finesight.progress``.

    Raises:
        InputError: the folder is missing or holds no pictures.
    """
    files = files_of(folder)
    unusable = dict(files.unreadable)
    usable = []
    for number, entry in enumerate(files.entries):
        small = f"{entry.width}x{entry.height} has a side below {least}"
        reason = small if min(entry.height, entry.width) < least else _fault(files, entry.name) if whole else None
        if reason is None:
            usable.append(entry)
        else:
            unusable[entry.name] = reason
        progress(number + 1, len(files.entries), entry.name)
    by_size = sorted(((one.width, one.height) for one in usable), key=lambda size: size[0] * size[1])
    return Survey(
        str(folder),
        len(usable),
        by_size[0] if by_size else None,
        by_size[-1] if by_size else None,
        sum(one.width * one.height for one in usable) / 1e6,
        unusable,
    )


def _fault(files: PictureFiles, name: str) -> str | None:
    try:
        files.whole(name)
    except InputError as error:
        return str(error)
    return None
