"""Where the clips of a data set lie: folders of frames or video files, in the layouts in which they are published."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from finesight.data.index import ENDINGS
from finesight.errors import InputError, SettingError

__all__ = [
    "LAYOUTS",
    "ClipFiles",
    "ClipPair",
    "FrameFolder",
    "Layout",
    "Split",
    "VideoClip",
    "find_clips",
    "open_clips",
]

Pixels = NDArray[np.uint8]
Layout = Literal["folders", "reds", "vimeo-septuplet", "vimeo-triplet", "udm10", "vid4", "spmcs"]
Split = Literal["train", "test", "validation", "all", "not-reds4"]

REDS4 = frozenset({"000", "011", "015", "020"})
"""The clips of REDS's training part that everybody tests on."""

_REDS_VALIDATION = frozenset(str(number) for number in range(240, 270))
"""The official validation part under the names that it has when merged with the training part."""

_CLIP_ENDINGS = frozenset({".mp4", ".mkv", ".mov", ".webm", ".avi", ".y4m"})


class ClipFiles(Protocol):
    """One clip: frames by number."""

    name: str

    def __len__(self) -> int: ...

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        ...

    def part(self, numbers: Sequence[int], top: int, left: int, height: int, width: int) -> Pixels:
        """uint8 ``(len(numbers), height, width, 3)``."""
        ...


class FrameFolder:
    """A clip whose frames are pictures. There may be a hundred thousand of these: names are kept once.

    Args:
        name: of the clip.
        folder: of its frames.
        frames: their names in order.
    """

    def __init__(self, name: str, folder: Path, frames: Sequence[str]) -> None:
        self.name, self.folder = name, str(folder)
        self.frames = tuple(sys.intern(frame) for frame in frames)
        self._size: tuple[int, int] | None = None

    def __len__(self) -> int:
        return len(self.frames)

    def file(self, number: int) -> Path:
        """Where one frame lies."""
        return Path(self.folder, self.frames[number])

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the first frame."""
        if self._size is None:
            from finesight.media.regions import picture_size

            self._size = picture_size(self.file(0))
        return self._size

    def part(self, numbers: Sequence[int], top: int, left: int, height: int, width: int) -> Pixels:
        """uint8 ``(len(numbers), height, width, 3)``; a frame that is asked for twice is read once.

        Raises:
            InputError: a frame cannot be read, or has another size than the first.
        """
        from finesight.media.regions import read_rgb

        read: dict[int, Pixels] = {}
        for number in dict.fromkeys(numbers):
            pixels = read_rgb(self.file(number))
            if pixels.shape[:2] != self.size:
                raise InputError(
                    f"{self.file(number)} is {pixels.shape[1]}x{pixels.shape[0]} pixels, the first frame of its clip "
                    f"{self.size[1]}x{self.size[0]}."
                )
            read[number] = pixels[top : top + height, left : left + width]
        return np.stack([read[number] for number in numbers])


class VideoClip:
    """A clip in a video file of 8 bits; a run of frames is decoded from the key frame before it.

    Args:
        name: of the clip.
        path: the file.

    Raises:
        InputError: it cannot be used.
    """

    def __init__(self, name: str, path: Path) -> None:
        from finesight.media.clips import frame_times, inspect_clip

        self.name, self.path = name, path
        info = inspect_clip(path)
        if info.depth > 8:
            raise InputError(f"{path} has {info.depth} bits a channel; training reads clips of 8 bits.")
        self.size = (info.height, info.width)
        self._times = frame_times(path)
        self._begin: Fraction = info.begin

    def __len__(self) -> int:
        return len(self._times)

    def part(self, numbers: Sequence[int], top: int, left: int, height: int, width: int) -> Pixels:
        """uint8 ``(len(numbers), height, width, 3)``."""
        from finesight.media.clips import read_clip

        first, last = min(numbers), max(numbers)
        start = self._times[first] - self._begin
        end = self._times[last + 1] - self._begin if last + 1 < len(self) else None
        with read_clip(self.path, start=max(start, Fraction(0)), end=end) as clip:
            frames = [frame.pixels[top : top + height, left : left + width].copy() for frame in clip]
        if len(frames) != last - first + 1:
            raise InputError(f"{self.path} gave {len(frames)} frames from {first} to {last}. Write it as frames first.")
        return np.stack([frames[number - first] for number in numbers])


@dataclass(frozen=True)
class ClipPair:
    """A clip and, where the data set brings it, its low resolution of as many frames."""

    high: ClipFiles
    low: ClipFiles | None = None


@dataclass(frozen=True)
class _Place:
    """Where a layout keeps its clips.

    Args:
        high: the folder of the truth below the root.
        high_inside: the folder of the truth inside each clip.
        lists: file of names by split.
        frames: that a clip must have, or None.
    """

    high: tuple[str, ...] = ("",)
    high_inside: tuple[str, ...] = ()
    lists: tuple[tuple[Split, str], ...] = ()
    frames: int | None = None


LAYOUTS: dict[Layout, _Place] = {
    "folders": _Place(),
    "reds": _Place(high=("train_sharp", "train/train_sharp", "GT", "")),
    "vimeo-septuplet": _Place(
        high=("sequences", "GT", ""),
        lists=(("train", "sep_trainlist.txt"), ("test", "sep_testlist.txt")),
        frames=7,
    ),
    "vimeo-triplet": _Place(
        high=("sequences", "GT", ""),
        lists=(("train", "tri_trainlist.txt"), ("test", "tri_testlist.txt"), ("validation", "tri_validlist.txt")),
        frames=3,
    ),
    "udm10": _Place(high=("GT", ""), high_inside=("truth",)),
    "vid4": _Place(high=("GT", ""), high_inside=("original", "truth")),
    "spmcs": _Place(high=("GT", ""), high_inside=("truth",)),
}
"""Folders of published data sets, as they are unpacked or as mmediting and BasicSR arrange them."""


def find_clips(root: Path, *, inside: Sequence[str] = ()) -> dict[str, ClipFiles]:
    """Every folder below ``root`` that holds pictures, and every video file, by its name below ``root``.

    Args:
        root: where to look.
        inside: names of folders in clips that hold their frames (``truth``); where one is there, only it counts, and
            the clip is called after the folder around it.

    Raises:
        InputError: nothing is there.
    """
    if not root.is_dir():
        raise InputError(f"{root} is not a folder of clips.")
    found: dict[str, ClipFiles] = {}
    for where, below, names in os.walk(root):
        below[:] = sorted(name for name in below if not name.startswith("."))
        kept = [name for name in below if name in inside]
        if kept:
            below[:] = kept[:1]
        folder = Path(where)
        relative = folder.relative_to(root)
        if folder.name in inside and folder != root:
            relative = relative.parent
        frames = sorted(name for name in names if Path(name).suffix.lower() in ENDINGS and not name.startswith("."))
        if frames:
            title = relative.as_posix() if relative.parts else root.name
            found[title] = FrameFolder(title, folder, sorted(frames, key=_number))
        for name in sorted(names):
            if Path(name).suffix.lower() in _CLIP_ENDINGS and not name.startswith("."):
                title = (relative / Path(name).stem).as_posix()
                found[title] = VideoClip(title, folder / name)
    if not found:
        raise InputError(f"{root} holds no clips: neither folders of frames nor video files.")
    return found


def _number(name: str) -> tuple[int, str]:
    digits = "".join(c if c.isdigit() else " " for c in Path(name).stem).split()
    return (int(digits[-1]) if digits else -1, name)


def open_clips(
    root: Path, *, layout: Layout = "folders", split: Split = "train", low: Path | None = None
) -> list[ClipPair]:
    """The clips of a data set, ordered by name.

    Args:
        root: where it was unpacked.
        layout: how it lies there; "folders" takes whatever holds frames.
        split: REDS: "train" is all but REDS4 and the official validation, "not-reds4" all but REDS4 (what is published
            for REDS4 learned from these 266), "test" is REDS4, "validation" clips 240 to 269. Vimeo-90K: by its lists.
            The others are test sets and have one part.
        low: folder of the published low resolution, its clips called as those of the truth (or with a folder inside
            each clip, such as ``blur4``, ``input4``); None makes it from the truth.

    Raises:
        InputError: clips are missing, or truth and low resolution do not fit together.
    """
    place = LAYOUTS[layout]
    folder = next((root / name for name in place.high if (root / name).is_dir()), root)
    wanted = _wanted(root, place, split) if layout != "reds" else None
    if wanted is not None:
        clips = {name: _listed(folder / name, name) for name in wanted}
    else:
        clips = find_clips(folder, inside=place.high_inside)
    if layout == "reds":
        clips = {name: clip for name, clip in clips.items() if _of_reds(Path(name).name, split)}
        if not clips:
            raise InputError(f"{folder} holds no clips of REDS's part '{split}' (000 to 269, by name).")
    for name, clip in clips.items():
        if place.frames is not None and len(clip) != place.frames:
            raise InputError(f"{folder / name} holds {len(clip)} frames; {layout} has {place.frames}.")
    if low is None:
        return [ClipPair(clips[name]) for name in sorted(clips)]
    small = find_clips(low, inside=("blur4", "input4", "BIx4", "BDx4"))
    missing = [name for name in clips if name not in small]
    if missing:
        raise InputError(f"{low} has no low resolution of {len(missing)} clips, the first {missing[0]}.")
    pairs = [ClipPair(clips[name], small[name]) for name in sorted(clips)]
    for pair in pairs:
        if pair.low is not None and len(pair.low) != len(pair.high):
            raise InputError(f"{low}/{pair.high.name}: {len(pair.low)} frames for {len(pair.high)} of the truth.")
    return pairs


def _of_reds(name: str, split: Split) -> bool:
    own: Split = "test" if name in REDS4 else "validation" if name in _REDS_VALIDATION else "train"
    return split in ("all", own) or (split == "not-reds4" and own != "test")


def _wanted(root: Path, place: _Place, split: Split) -> list[str] | None:
    """Names of a list, None where the layout has none."""
    if not place.lists or split == "all":
        return None
    names = dict(place.lists)
    if split not in names:
        raise SettingError(f"There is no part '{split}' of this data; there are {', '.join(names)}.")
    path = root / names[split]
    try:
        lines = path.read_text(encoding="utf-8").split()
    except OSError as error:
        raise InputError(f"{path} is wanted: the list of clips that comes with the data ({error.strerror}).") from error
    return [line.strip("/") for line in lines]


def _listed(folder: Path, name: str) -> ClipFiles:
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise InputError(f"{folder} is in the list of clips and cannot be read: {error.strerror}.") from error
    frames = sorted((one for one in names if Path(one).suffix.lower() in ENDINGS), key=_number)
    if not frames:
        raise InputError(f"{folder} is in the list of clips and holds no frames.")
    return FrameFolder(name, folder, frames)
