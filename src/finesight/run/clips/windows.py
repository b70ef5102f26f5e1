"""Window networks over a clip: each frame read once, its features computed once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from finesight.data.windows import WindowBorder, window_frames
from finesight.models.video.tdan import Tdan
from finesight.run.clips.prepare import ReadyClip
from finesight.run.clips.segments import Segment
from finesight.run.clips.space import Space
from finesight.run.clips.stream import Stream
from finesight.run.pixels import Pixels

__all__ = ["WindowWorker", "border_of"]


def border_of(network: Any) -> WindowBorder:
    """The published rule for windows that reach over the ends: ``reflection`` for TDAN, else ``reflection_circle``."""
    return "reflection" if isinstance(network, Tdan) else "reflection_circle"


class WindowWorker:
    """Answers frame after frame; features of the frames around it are kept, those of a window before it forgotten.

    Args:
        ready: the network.
        frames: of a window (odd); the answer is its centre.
        space: tiles of every frame.
        border: which frames stand for those beyond the ends of a shot.
    """

    def __init__(self, ready: ReadyClip, frames: int, space: Space, border: WindowBorder) -> None:
        self.ready, self.frames, self.space, self.border = ready, frames, space, border
        self.reach = frames - 1  # the border rule looks as far as this on one side
        self.context = 0
        self.encoded = 0
        self._features: dict[tuple[int, int], tuple[Tensor, ...]] = {}

    def begins(self, segment: Segment) -> int:
        """The first frame that the segment asks for."""
        return max(segment.shot, segment.start - self.reach)

    def walk(self, stream: Stream, segment: Segment) -> WindowWalk:
        """The segment; nothing is computed before its frames are asked for."""
        return WindowWalk(self, stream, segment)

    def reset(self) -> None:
        """Forget all features."""
        self._features.clear()
        self.encoded = 0

    def sources(self, stream: Stream, shot: int, index: int) -> list[int]:
        """Numbers of the frames in the window around ``index``."""
        end = stream.shot_end(index, index + self.reach + 1)
        length = (index + self.reach + 1 if end is None else end) - shot
        return [shot + i for i in window_frames(length, self.frames, index - shot, border=self.border)]

    @torch.inference_mode()
    def picture(self, stream: Stream, shot: int, index: int) -> Pixels:
        """What the network makes of the window around ``index``."""
        sources = self.sources(stream, shot, index)
        self._forget(max(shot, index - self.reach))

        def answer(number: int, _: object) -> Tensor:
            pictures: Tensor = self.ready.network.fuse([self._encoded(stream, number, i) for i in sources])
            return pictures

        return self.space.assemble(answer, stream.pixels(index).dtype)

    def _encoded(self, stream: Stream, number: int, index: int) -> tuple[Tensor, ...]:
        key = (number, index)
        if key not in self._features:
            tile = self._tiles[number]
            self._features[key] = self.ready.network.encode(
                self.space.crop(stream.pixels(index), tile, self.ready.device)
            )
            self.encoded += 1
        return self._features[key]

    @property
    def _tiles(self) -> list[Any]:
        return list(self.space.plan)

    def _forget(self, below: int) -> None:
        for key in [key for key in self._features if key[1] < below]:
            del self._features[key]


class WindowWalk:
    """One segment of a window network."""

    def __init__(self, worker: WindowWorker, stream: Stream, segment: Segment) -> None:
        self._worker, self._stream, self.segment = worker, stream, segment

    def picture(self, index: int) -> Pixels:
        """The answer for frame ``index``."""
        return self._worker.picture(self._stream, self.segment.shot, index)

    def disagreement(self, other: Any, index: int) -> float:  # noqa: ARG002  (windows agree everywhere)
        """Nothing: windows look only as far as they look."""
        return 0.0

    def close(self) -> None:
        """Nothing is held."""
