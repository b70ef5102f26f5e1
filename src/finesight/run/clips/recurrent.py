"""Recurrent networks over a clip of any length: flows and first features once, propagation in overlapping segments."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from finesight.models.video.iconvsr import IconVsr
from finesight.models.video.realbasicvsr import PASSES, RealBasicVsr
from finesight.nn.clip import Features, frame_order
from finesight.run.clips.parking import Parking
from finesight.run.clips.prepare import ReadyClip
from finesight.run.clips.segments import Segment
from finesight.run.clips.space import Space
from finesight.run.clips.stream import Stream
from finesight.run.pixels import Pixels

__all__ = ["RecurrentWorker"]

_CHUNK = 4  # frames whose flows are computed at once


class RecurrentWorker:
    """Walks over segments with ``overlap`` more frames on both sides.

    Flows and first features depend on the neighbouring frames only, so they are computed once for every frame and
    shared by the segments; chunks of frames lie at fixed places of a shot, so that they come out the same in whichever
    order, process or device they are computed. Only propagation sees the ends of a segment.

    Args:
        ready: the network.
        space: tiles of every frame.
        overlap: frames before and behind a segment over which the state forgets that it began there.
        parking: where features wait.
    """

    def __init__(self, ready: ReadyClip, space: Space, overlap: int, parking: Parking) -> None:
        self.ready, self.space, self.context, self.parking = ready, space, overlap, parking
        network = ready.network
        self._margin, self._chunk = (1, 0), _CHUNK
        inner = getattr(network, "inner", network)  # of an ensemble of turns
        if isinstance(inner, IconVsr):  # key frames lie at multiples of its stride, and look around
            side = inner.stride * -(-max(inner.padding, 1) // inner.stride)
            self._margin, self._chunk = (side, side), inner.stride * -(-2 * _CHUNK // inner.stride)
        self.passes: dict[int, int] = {}
        """Cleaning passes by shot (RealBasicVSR): decided on the first frames of a shot, then held for all of it."""
        self.encoded = 0
        self._names: set[str] = set()
        self._chunks: set[int] = set()
        self._former: int | None = None
        self._walks = 0

    def begins(self, segment: Segment) -> int:
        """The first frame that the segment asks for: that of its first chunk, and what this one looks at."""
        first = segment.shot + (segment.first - segment.shot) // self._chunk * self._chunk
        return max(segment.shot, first - self._margin[0])

    @torch.inference_mode()
    def walk(self, stream: Stream, segment: Segment) -> RecurrentWalk:
        """Propagate in every direction over the segment and its overlaps."""
        if self._former is not None:
            self._forget(self._former)
        self._former = segment.first
        for start in range(
            segment.shot + (segment.first - segment.shot) // self._chunk * self._chunk, segment.last, self._chunk
        ):
            if start not in self._chunks:
                self._encode(stream, segment.shot, start)
        self._walks += 1
        return RecurrentWalk(self, stream, segment, self._walks)

    def reset(self) -> None:
        """Forget all features."""
        self.parking.close()
        self._chunks.clear()
        self._names.clear()
        self._former = None
        self.encoded = 0

    def _encode(self, stream: Stream, shot: int, start: int) -> None:
        before, after = self._margin
        end = stream.shot_end(start, start + self._chunk + after)
        stop = start + self._chunk if end is None else min(end, start + self._chunk)
        first, last = max(shot, start - before), stop + after if end is None else min(end, stop + after)
        for number, tile in enumerate(self.space.plan):
            clip = torch.stack(
                [self.space.crop(stream.pixels(i), tile, self.ready.device) for i in range(first, last)], dim=1
            )
            features = self._features(stream, clip, shot)
            for name, values in features.items():
                self._names.add(name)
                for index, value in enumerate(values, start=first):
                    kept = start <= index < stop or (name.startswith("flow_backward") and index < start and not after)
                    if value is not None and kept:
                        # A copy of what is kept: parts of a batch would hold the whole of it.
                        self.parking.put(("encoded", number, name, index), value.clone())
        self.encoded += last - first
        self._chunks.add(start)

    def _features(self, stream: Stream, clip: Tensor, shot: int) -> Features:
        network = self.ready.network
        if not isinstance(network, RealBasicVsr):
            found: Features = network.encode(clip)
            return found
        if shot not in self.passes:
            self.passes[shot] = self._decide(stream, shot)
        for _ in range(self.passes[shot]):
            frames = clip.flatten(0, 1)
            clip = (frames + network.image_cleaning(frames)).view_as(clip)
        return network.basicvsr.encode(clip)

    def _decide(self, stream: Stream, shot: int) -> int:
        """How many cleaning passes the first frames of a shot ask for, by the published rule."""
        network = self.ready.network
        tile = next(iter(self.space.plan))
        indices = [i for i in range(shot, shot + self._chunk) if stream.has(i) and stream.shot_of(i) == shot]
        frames = torch.cat([self.space.crop(stream.pixels(i), tile, self.ready.device) for i in indices])
        for done in range(1, PASSES):
            residue = network.image_cleaning(frames)
            frames = frames + residue
            if residue.abs().mean() < network.threshold / 255:
                return done
        return PASSES

    def features(self, number: int, index: int) -> Features:
        """The first features of one frame."""
        found: Features = {}
        for name in self._names:
            key = ("encoded", number, name, index)
            found[name] = [self.parking.get(key) if key in self.parking else None]
        return found

    def _forget(self, below: int) -> None:
        self.parking.drop_all(lambda key: key[0] == "encoded" and key[3] < below - 1)
        self._chunks = {start for start in self._chunks if start + self._chunk >= below}


class RecurrentWalk:
    """One segment after propagation."""

    def __init__(self, worker: RecurrentWorker, stream: Stream, segment: Segment, number: int) -> None:
        self.segment = segment
        self._worker, self._stream, self._number = worker, stream, number
        network = worker.ready.network
        count = segment.last - segment.first
        for tile in range(len(worker.space.plan)):
            for direction in network.directions:
                state = None
                for step in frame_order(direction, count):
                    index = segment.first + step
                    (answer,), state = network.propagate(direction, self._seen(tile, index), state)
                    worker.parking.put((number, tile, direction, index), answer)

    def _seen(self, tile: int, index: int) -> Features:
        """First features of a frame and those of the directions that are done."""
        features = self._worker.features(tile, index)
        for direction in self._worker.ready.network.directions:
            key = (self._number, tile, direction, index)
            if key in self._worker.parking:
                features[direction] = [self._worker.parking.get(key)]
        return features

    @torch.inference_mode()
    def picture(self, index: int) -> Pixels:
        """The answer for frame ``index``."""
        network = self._worker.ready.network

        def answer(number: int, _: object) -> Tensor:
            clip: Tensor = network.decode(self._seen(number, index))
            return clip[:, 0]

        return self._worker.space.assemble(answer, self._stream.pixels(index).dtype)

    @torch.inference_mode()
    def disagreement(self, other: Any, index: int) -> float:
        """Mean square difference of what the directions found, over their mean square."""
        total = 0.0
        for number in range(len(self._worker.space.plan)):
            for direction in self._worker.ready.network.directions:
                ours = self._worker.parking.get((self._number, number, direction, index)).float().cpu()
                theirs = other._worker.parking.get((other._number, number, direction, index)).float().cpu()
                total += float((ours - theirs).square().mean() / ours.square().mean().clamp_min(1e-12))
        return total

    def close(self) -> None:
        """Forget the features of this walk."""
        self._worker.parking.drop_all(lambda key: key[0] == self._number)
