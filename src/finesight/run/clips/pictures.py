"""Networks for pictures over the frames of a clip, several frames in one batch where they are small."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from finesight.run.clips.segments import Segment
from finesight.run.clips.stream import Stream
from finesight.run.pixels import Pixels, quantise, to_tensor
from finesight.run.work import Networks
from finesight.zoo.model import Model

__all__ = ["PictureWorker"]

_BATCH_PIXELS = 128 * 128
"""Pixels of a batch: beyond that a frame keeps a CPU busy by itself."""
_LARGEST_BATCH = 16


class PictureWorker:
    """Every frame by itself.

    Args:
        whole: from a frame to the finished one: tiles, several networks one after the other, any scale.
        model: where one network gives the result by itself, that network: its small frames go in batches.
        networks: that prepares it, the same as ``whole`` uses.
    """

    context = 0

    def __init__(self, whole: Callable[[Pixels], Pixels], model: Model | None, networks: Networks) -> None:
        self._whole, self._model, self._networks = whole, model, networks

    def begins(self, segment: Segment) -> int:
        """The segment itself."""
        return segment.start

    def walk(self, stream: Stream, segment: Segment) -> PictureWalk:
        """The segment; frames are computed as they are asked for."""
        return PictureWalk(self, stream, segment)

    def reset(self) -> None:
        """Nothing is kept from frame to frame."""

    def pictures(self, frames: list[Pixels]) -> list[Pixels]:
        """What the network makes of several frames."""
        if self._model is None or len(frames) == 1:
            return [self._whole(pixels) for pixels in frames]
        ready = self._networks.ready(self._model, frames[0], frames[0].shape[0] * frames[0].shape[1] * len(frames))
        device = ready.computer.prepared.device
        with torch.inference_mode():
            batch = torch.stack([to_tensor(pixels, device) for pixels in frames])
            answers = ready.computer(batch, 0, "a batch of frames")
        return [quantise(answer, frames[0].dtype) for answer in answers]

    def batch(self, pixels: Pixels) -> int:
        """Frames like this one that are computed at once."""
        if self._model is None:
            return 1
        area = int(pixels.shape[0] * pixels.shape[1])
        return max(1, min(_LARGEST_BATCH, _BATCH_PIXELS // area))


class PictureWalk:
    """One segment of frames."""

    def __init__(self, worker: PictureWorker, stream: Stream, segment: Segment) -> None:
        self._worker, self._stream, self.segment = worker, stream, segment
        self._done: dict[int, Pixels] = {}

    def picture(self, index: int) -> Pixels:
        """The answer for frame ``index``; those of its batch are computed with it."""
        if index not in self._done:
            count = self._worker.batch(self._stream.pixels(index))
            stop = min(self.segment.stop, index + count)
            answers = self._worker.pictures([self._stream.pixels(i) for i in range(index, stop)])
            self._done = dict(zip(range(index, stop), answers, strict=True))
        return self._done[index]

    def disagreement(self, other: Any, index: int) -> float:  # noqa: ARG002  (frames agree everywhere)
        """Nothing: every frame is computed by itself."""
        return 0.0

    def close(self) -> None:
        """Forget the answers."""
        self._done.clear()
