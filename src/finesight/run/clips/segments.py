"""A clip as segments: where they begin, how they are joined, and how several devices share them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from finesight.errors import SettingError
from finesight.progress import Cancel
from finesight.run.clips.stream import Stream
from finesight.run.pixels import Pixels, most_of

__all__ = ["Join", "Part", "Segment", "Walk", "Worker", "run_segments", "segments"]


@dataclass(frozen=True, slots=True)
class Segment:
    """Frames ``start`` to ``stop`` - 1 of the shot that begins at ``shot``; ``first`` to ``last`` - 1 are looked at.

    ``ends``: the shot ends with it.
    """

    shot: int
    start: int
    stop: int
    first: int
    last: int
    ends: bool


@dataclass(frozen=True, slots=True)
class Join:
    """Where a segment takes over from the one before: frame ``index``, whose two answers differ by ``difference``.

    The difference is RMS in grey levels of 255; ``None`` where there was nothing to compare.
    """

    index: int
    difference: float | None


class Walk(Protocol):
    """A segment on its way."""

    segment: Segment

    def picture(self, index: int) -> Pixels:
        """The answer for frame ``index``, ``(sH, sW, 3)``."""

    def disagreement(self, other: Walk, index: int) -> float:
        """How much what the two hold for frame ``index`` differs, by any measure of this kind of walk."""

    def close(self) -> None:
        """Let go of everything it holds."""


class Worker(Protocol):
    """What computes segments on one device."""

    context: int
    """Frames before and behind a segment that are looked at too."""

    def begins(self, segment: Segment) -> int:
        """The first frame that has to be there for the segment."""

    def walk(self, stream: Stream, segment: Segment) -> Walk:
        """Compute what needs the whole segment at once."""

    def reset(self) -> None:
        """Forget everything about the clip: another one begins."""


@dataclass(frozen=True, slots=True)
class Part:
    """Finished frames ``first`` to ``stop`` - 1, computed as they are taken, and how the work goes on behind them."""

    first: int
    stop: int
    pictures: Iterator[Pixels]
    join: Join | None  # with the part before
    segment: Segment
    following: Segment | None  # what the work goes on with


def segments(stream: Stream, length: int, context: int, start: int = 0) -> Iterator[Segment]:
    """Segments of ``length`` frames from ``start`` on; none crosses the end of a shot.

    A segment that sees the end of its shot anyway (within ``context`` frames) goes up to it.

    Raises:
        SettingError: they would be too short for their overlap.
    """
    if length < 1 or context < 0:
        raise SettingError(f"Segments need at least 1 frame and an overlap of at least 0, got {length} and {context}.")
    while stream.has(start):
        shot = stream.shot_of(start)
        end = stream.shot_end(start, start + length + context)
        stop = start + length if end is None else end
        last = stop + context if end is None else end
        yield Segment(shot, start, stop, max(shot, start - context), last, ends=end is not None)
        start = stop


def run_segments(
    stream: Stream,
    workers: Sequence[Worker],
    length: int,
    *,
    start: int = 0,
    emitted: int | None = None,
    cancel: Cancel | None = None,
) -> Iterator[Part]:
    """Walk over all segments, as many at a time as there are workers; give finished parts in order.

    A part must be taken whole before the next one is asked for.

    Args:
        start: the first frame of the segment to begin with.
        emitted: the first frame not given yet, where the segments before were done by an earlier run.
    """
    coming = segments(stream, length, workers[0].context, start)
    before: Walk | None = None
    first = start if emitted is None else emitted
    entry: Join | None = None
    while round_ := _next(coming, stream, len(workers)):
        if cancel is not None:
            cancel.check()
        ready: list[_Task] = []
        for walk in _walk_all(stream, workers, round_):
            if before is not None:
                join = _join(before, walk)
                ready.append(_Task(before, first, join.index, entry, walk.segment))
                first, entry = join.index, join
            before = walk
        yield from _parts(ready, parallel=len(workers) > 1)
        assert before is not None
        stream.release(min(first, workers[0].begins(before.segment)))
    if before is not None:
        yield from _parts([_Task(before, first, before.segment.stop, entry, None)], parallel=False)


@dataclass(frozen=True, slots=True)
class _Task:
    """Frames ``first`` to ``stop`` - 1 are to be made of a walk."""

    walk: Walk
    first: int
    stop: int
    join: Join | None
    following: Segment | None


def _parts(ready: Sequence[_Task], *, parallel: bool) -> Iterator[Part]:
    """Finished parts; with several devices all of a round are computed at the same time."""

    def pictures(task: _Task) -> Iterator[Pixels]:
        return (task.walk.picture(index) for index in range(task.first, task.stop))

    if parallel and len(ready) > 1:
        with ThreadPoolExecutor(len(ready)) as pool:
            done = [iter(found) for found in pool.map(lambda task: list(pictures(task)), ready)]
    else:
        done = [pictures(task) for task in ready]
    for task, found in zip(ready, done, strict=True):
        yield Part(task.first, task.stop, found, task.join, task.walk.segment, task.following)
        task.walk.close()


def _next(coming: Iterator[Segment], stream: Stream, count: int) -> list[Segment]:
    found = []
    for segment in coming:
        stream.has(segment.last - 1)
        found.append(segment)
        if len(found) == count:
            break
    return found


def _walk_all(stream: Stream, workers: Sequence[Worker], round_: Sequence[Segment]) -> list[Walk]:
    if len(round_) == 1:
        return [workers[0].walk(stream, round_[0])]
    for segment in round_:  # threads only look; reading is done here
        stream.shot_end(segment.stop - 1, segment.last + workers[0].context + 1)
    with ThreadPoolExecutor(len(round_)) as pool:
        jobs = [pool.submit(worker.walk, stream, segment) for worker, segment in zip(workers, round_, strict=False)]
        return [job.result() for job in jobs]


def _join(before: Walk, walk: Walk) -> Join:
    """The frame at which the later segment takes over: where both agree best among those that both saw well."""
    border = walk.segment.start
    if walk.segment.shot == border:  # a new shot
        return Join(border, None)
    side = min(before.segment.last - border, border - walk.segment.first)
    side = min(side // 2, (border - before.segment.start) // 2, (walk.segment.stop - border - 1) // 2)
    near = sorted(range(border - side, border + side + 1), key=lambda index: (abs(index - border), index))
    if side < 1:
        return Join(border, None)
    index = min(near, key=lambda index: before.disagreement(walk, index))  # the first of equals: the nearest
    ours, theirs = before.picture(index), walk.picture(index)
    difference = (ours.astype(np.float32) - theirs.astype(np.float32)) * (255 / most_of(ours.dtype))
    return Join(index, float(np.sqrt(np.square(difference).mean())))
