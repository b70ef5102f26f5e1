"""Clips as pictures: folders of frames and patterns of numbered files, with gaps named."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np

from finesight.errors import InputError
from finesight.media.atomic import PART
from finesight.media.colour import is_srgb, to_srgb
from finesight.media.files import shown
from finesight.media.formats import format_of_suffix
from finesight.media.inspection import inspect
from finesight.media.picture import Picture
from finesight.media.reading import read

from .types import ClipInfo, Frame

__all__ = ["TIMES", "Gaps", "PictureFiles", "find_pictures", "inspect_pictures", "picture_frames"]

Gaps = Literal["error", "keep"]
TIMES = "timestamps.txt"
"""Beside the frames of a folder: their times, in the second format of mkvtoolnix ("timestamp format v2")."""

_FIRST_LINE = "# timestamp format v2"
_LAST_NUMBER = re.compile(r"^(.*?)(\d+)(\D*)$")


@dataclass(frozen=True)
class PictureFiles:
    """The pictures of one clip in their order.

    Attributes:
        place: the folder or the pattern.
        files: the pictures.
        numbers: the number in each name, or None where the names are not numbered alike.
        times: from `TIMES` in seconds, one a picture, or None.
    """

    place: Path
    files: tuple[Path, ...]
    numbers: tuple[int, ...] | None
    times: tuple[Fraction, ...] | None = None

    @property
    def missing(self) -> list[int]:
        """Numbers between the first and the last that no picture has."""
        if not self.numbers:
            return []
        there = set(self.numbers)
        return [number for number in range(self.numbers[0], self.numbers[-1]) if number not in there]


def find_pictures(place: Path) -> PictureFiles:
    """The frames in a folder, or those that a pattern such as ``shot_%04d.png`` means, by number.

    Raises:
        InputError: there are none, or the file of times does not fit.
    """
    if place.is_dir():
        files = [path for path in _listed(place) if format_of_suffix(path.suffix) is not None]
        if not files:
            raise InputError(f"{shown(place)} holds no pictures to take as frames.")
        files, numbers = _in_order(files)
        return PictureFiles(place, tuple(files), numbers, _times(place, len(files)))
    before, after = re.split(r"%0?\d*d", place.name)
    wanted = re.compile(re.escape(before) + r"(\d+)" + re.escape(after) + r"\Z")
    found = sorted((int(match[1]), path) for path in _listed(place.parent) if (match := wanted.match(path.name)))
    if not found:
        raise InputError(f"No file matches {shown(place)}.")
    twice = [str(number) for number, count in Counter(number for number, _ in found).items() if count > 1]
    if twice:
        raise InputError(f"{shown(place)}: several files have the number {twice[0]} (written with and without zeros).")
    return PictureFiles(place, tuple(path for _, path in found), tuple(number for number, _ in found))


def _listed(folder: Path) -> list[Path]:
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise InputError(f"{shown(folder)} cannot be listed: {error.strerror}.") from error
    return [folder / name for name in names if not name.startswith(".") and not name.endswith(PART)]


def _in_order(files: Sequence[Path]) -> tuple[list[Path], tuple[int, ...] | None]:
    """By number where all names differ in one number only, otherwise in the order people expect (9 before 10)."""
    parts = [_LAST_NUMBER.match(path.stem) for path in files]
    around = {(match[1], match[3]) for match in parts if match}
    if all(parts) and len(around) == 1:
        numbered = sorted((int(match[2]), path) for match, path in zip(parts, files, strict=True) if match)
        numbers = tuple(number for number, _ in numbered)
        if len(set(numbers)) == len(numbers):
            return [path for _, path in numbered], numbers
    return sorted(files, key=_natural), None


def _natural(path: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.name)]


def _times(folder: Path, count: int) -> tuple[Fraction, ...] | None:
    path = folder / TIMES
    if not path.is_file():
        return None
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
        times = tuple(Fraction(line.strip()) / 1000 for line in lines[1:] if line.strip())
    except (OSError, ValueError) as error:
        raise InputError(f"{shown(path)} cannot be read as times: {error}. Remove it to go by --rate.") from error
    rising = all(before < after for before, after in pairwise(times))
    if lines[0].strip() != _FIRST_LINE or len(times) != count or not rising:
        raise InputError(
            f"{shown(path)} must begin with '{_FIRST_LINE}' and hold one rising time in milliseconds for each of the "
            f"{count} frames; it holds {len(times)}. Correct or remove it."
        )
    return times


def inspect_pictures(pictures: PictureFiles, *, rate: Fraction | None, gaps: Gaps) -> ClipInfo:
    """A clip made of pictures; its first one tells size and depth.

    Raises:
        InputError: pictures are missing and `gaps` is "error", or the first one cannot be read.
    """
    missing = pictures.missing
    notes = []
    if missing and gaps == "error":
        raise InputError(
            f"{shown(pictures.place)}: {_counted(missing)} missing between {pictures.files[0].name} and "
            f"{pictures.files[-1].name}. Add them, or let the frame before last longer with --gaps keep."
        )
    if missing:
        notes.append(f"{_counted(missing)} missing; the frame before each gap lasts longer.".capitalize())
    if pictures.times is None and rate is None:
        notes.append("The frames have no times and no rate was said.")
    first = inspect(pictures.files[0])
    count = len(pictures.files)
    times = pictures.times
    steady = rate
    if rate is None and times is not None and len(times) > 1:
        steady = ((len(times) - 1) / (times[-1] - times[0])).limit_denominator(1001)
    span = (count + len(missing)) / steady if steady else None
    return ClipInfo(
        path=pictures.place,
        kind="folder" if pictures.place.is_dir() else "sequence",
        width=first.width,
        height=first.height,
        frames=count,
        duration=span,
        rate=steady,
        variable=rate is None and times is not None and _spread(times),
        depth=8 if first.depth == 8 else 16,
        matrix="rgb",
        range="full",
        alpha=first.mode.endswith(("A", "alpha")),
        time_base=None if rate is None else 1 / rate,
        begin=times[0] if times is not None and rate is None else Fraction(0),
        notes=tuple(notes),
    )


def _spread(times: Sequence[Fraction]) -> bool:
    steps = [after - before for before, after in pairwise(times)]
    return bool(steps) and max(steps) - min(steps) > Fraction(1, 1000)


def _counted(numbers: Sequence[int]) -> str:
    """Numbers in words: ``frames 3, 7 to 9 are``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    texts = [str(low) if low == high else f"{low} to {high}" for low, high in runs[:5]]
    more = f" and {sum(high - low + 1 for low, high in runs[5:])} more" if len(runs) > 5 else ""
    return (
        f"{'frame' if len(numbers) == 1 else 'frames'} {', '.join(texts)}{more} {'is' if len(numbers) == 1 else 'are'}"
    )


def picture_frames(
    info: ClipInfo, *, start: Fraction | None, end: Fraction | None, gaps: Gaps, notes: list[str]
) -> Iterator[Frame]:
    """The pictures as frames: upright, in sRGB, all of the first one's size and depth.

    Raises:
        InputError: a picture cannot be read or has another size; it is named.
    """
    pictures = find_pictures(info.path)
    if gaps == "error" and pictures.missing:
        raise InputError(f"{shown(info.path)}: pictures have gone since it was opened.")
    times = _frame_times(pictures, info)
    low = None if start is None else info.begin + start
    high = None if end is None else info.begin + end
    for index, (path, time) in enumerate(zip(pictures.files, times, strict=True)):
        if (low is not None and time < low) or (high is not None and time >= high):
            continue
        follows = times[index + 1] if index + 1 < len(times) else None
        steady = 1 / info.rate if info.rate else None
        yield _frame(path, info, time, follows - time if follows is not None else steady, notes)


def _frame_times(pictures: PictureFiles, info: ClipInfo) -> list[Fraction]:
    if pictures.times is not None and info.time_base is None:  # no rate was said
        return list(pictures.times)
    places = pictures.numbers if pictures.missing and pictures.numbers else tuple(range(len(pictures.files)))
    step = 1 / info.rate if info.rate else Fraction(1)
    return [(place - places[0]) * step for place in places]


def _frame(path: Path, info: ClipInfo, time: Fraction, duration: Fraction | None, notes: list[str]) -> Frame:
    picture = _in_srgb(read(path), notes).to_depth(8 if info.depth == 8 else 16)
    if (picture.width, picture.height) != (info.width, info.height):
        raise InputError(
            f"{shown(path)} is {picture.width}x{picture.height} pixels, the first frame {info.width}x{info.height}. "
            "All frames of a clip must have one size."
        )
    pixels = picture.pixels if picture.channels == 3 else np.repeat(picture.pixels, 3, axis=2)
    alpha = picture.alpha
    if info.alpha and alpha is None:
        alpha = np.full(pixels.shape[:2], np.iinfo(pixels.dtype).max, pixels.dtype)
    return Frame(np.ascontiguousarray(pixels), time, duration, alpha if info.alpha else None)


def _in_srgb(picture: Picture, notes: list[str]) -> Picture:
    if picture.icc is None or _means_srgb(picture.icc, picture.channels):
        return picture
    note = "The frames' colour profiles were converted to sRGB."
    if note not in notes:
        notes.append(note)
    return to_srgb(picture)


@lru_cache(maxsize=8)
def _means_srgb(icc: bytes, channels: int) -> bool:
    return is_srgb(icc, channels)
