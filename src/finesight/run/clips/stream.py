"""Frames of a clip, each read once and kept while somebody needs it, and the shots they belong to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from finesight.run.clips.cuts import CutDetector
from finesight.run.clips.frames import AnyFrame, check_pixels, pixels_of
from finesight.run.pixels import Pixels

__all__ = ["Stream"]


class Stream:
    """Frames by number, from an iterator that is read no further than asked for.

    Args:
        source: the frames.
        cuts: finds where shots begin; ``None``: the clip is one shot.
        first: number of the first frame that ``source`` gives.
        shot: number of the first frame of its shot, where the source begins inside one.
        settled: up to this frame nothing more is found out about shots: an earlier run did.
    """

    def __init__(
        self,
        source: Iterable[AnyFrame],
        *,
        cuts: CutDetector | None = None,
        first: int = 0,
        shot: int | None = None,
        settled: int = 0,
    ) -> None:
        self._source: Iterator[AnyFrame] = iter(source)
        self._cuts = cuts
        self._kept: dict[int, AnyFrame] = {}
        self._last: Pixels | None = None
        self._starts = [first if shot is None else shot]
        self._settled = max(first, settled)
        self.first = first
        self.read = first
        self.ended = False

    def has(self, index: int) -> bool:
        """Whether the clip has a frame of that number; reads up to it."""
        while self.read <= index and not self.ended:
            self._pull()
        return index < self.read

    def _pull(self) -> None:
        frame = next(self._source, None)
        if frame is None:
            self.ended = True
            return
        pixels = pixels_of(frame)
        check_pixels(pixels, self.read, self._last)
        if self._cuts is not None and self._cuts.is_cut(pixels) and self.read > self._settled:
            self._starts.append(self.read)
        self._kept[self.read] = frame
        self._last = pixels
        self.read += 1

    def frame(self, index: int) -> AnyFrame:
        """The frame of that number.

        Raises:
            IndexError: the clip does not have it, or nobody was to need it any more.
        """
        if not self.has(index) or index not in self._kept:
            raise IndexError(f"frame {index} is not there (read: {self.read}, ended: {self.ended})")
        return self._kept[index]

    def pixels(self, index: int) -> Pixels:
        """The pixels of that frame, ``(H, W, 3)``."""
        return pixels_of(self.frame(index))

    def shot_of(self, index: int) -> int:
        """Number of the first frame of the shot that frame ``index``, which has been read, belongs to."""
        return max(start for start in self._starts if start <= index)

    def shot_end(self, index: int, upto: int) -> int | None:
        """Number of the first frame after the shot of ``index``, where that is at most ``upto``; ``None``: it is later.

        Reads up to frame ``upto``.
        """
        self.has(upto)
        later = [start for start in self._starts if start > index]
        end = min(later) if later else self.read if self.ended else None
        return end if end is not None and end <= upto else None

    def release(self, below: int) -> None:
        """Nobody will ask for frames before ``below`` any more."""
        for index in [index for index in self._kept if index < below]:
            del self._kept[index]
        current = self.shot_of(below) if below >= self._starts[0] else self._starts[0]
        self._starts = [start for start in self._starts if start >= current]

    @property
    def kept(self) -> int:
        """How many frames are held."""
        return len(self._kept)
