"""Frames between frames: halves, quarters and eighths of a gap by recursion, and any rate by time stamp."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor

from finesight.errors import InputError, SettingError
from finesight.run.clips.cuts import is_repeat
from finesight.run.clips.frames import AnyFrame, with_pixels
from finesight.run.clips.prepare import ReadyClip
from finesight.run.clips.space import Space
from finesight.run.clips.stream import Stream
from finesight.run.pixels import Pixels, quantise, to_tensor

__all__ = ["DEPTH", "Between", "Moment", "by_factor", "by_rate", "frames_at", "time_of"]

DEPTH = 3
"""Halvings of a gap at most: a new frame lies within a sixteenth of the gap of the time that is asked for."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A frame to be given: ``part`` (0 to below 1) of the way from frame ``index`` to the next, shown at ``time``."""

    index: int
    part: Fraction
    time: Fraction
    duration: Fraction | None


def time_of(frame: AnyFrame, index: int) -> Fraction:
    """When a frame is shown, in seconds; plain arrays are shown one a second.

    Raises:
        InputError: a frame object without a time.
    """
    if isinstance(frame, np.ndarray):
        return Fraction(index)
    time = getattr(frame, "time", None)
    if time is None:
        raise InputError(f"Frame {index} has no time stamp, so nothing can be put between it and the next by time.")
    return Fraction(time)


def by_factor(stream: Stream, factor: int, start: int = 0) -> Iterator[Moment]:
    """``factor`` times as many frames, evenly spread over each gap; nothing is made after the last frame.

    Raises:
        SettingError: not 2, 4 or 8.
    """
    if factor not in (2, 4, 8):
        raise SettingError(f"factor: expected 2, 4 or 8, got {factor}. Other rates are reached by time: --fps.")
    index = start
    while stream.has(index):
        frame = stream.frame(index)
        time = time_of(frame, index)
        if not stream.has(index + 1):
            yield Moment(index, Fraction(0), time, getattr(frame, "duration", None))
            return
        step = _gap(time, time_of(stream.frame(index + 1), index + 1), index) / factor
        for part in range(factor):
            yield Moment(index, Fraction(part, factor), time + part * step, step)
        index += 1


def by_rate(
    stream: Stream, rate: Fraction, start: int = 0, *, origin: Fraction | None = None, depth: int = DEPTH
) -> Iterator[Moment]:
    """A frame every 1/``rate`` seconds from the first frame's time to the end of the last frame.

    What lies within half the finest step of a source frame is that frame.

    Args:
        start: the frame of the source to go on from.
        origin: time of the first frame of all, where ``start`` is another one.

    Raises:
        SettingError: no positive rate.
    """
    if rate <= 0:
        raise SettingError(f"fps: expected a positive rate, got {rate}.")
    index, number = start, None
    origin = time_of(stream.frame(start), start) if origin is None and stream.has(start) else origin
    while stream.has(index):
        frame = stream.frame(index)
        time = time_of(frame, index)
        last = not stream.has(index + 1)
        end = time + _shown(stream, index) if last else time_of(stream.frame(index + 1), index + 1)
        gap = _gap(time, end, index)
        assert origin is not None
        number = math.ceil((time - origin) * rate) if number is None else number
        while (moment := origin + Fraction(number) / rate) < end:
            part = Fraction(round((moment - time) / gap * 2**depth), 2**depth)
            at = Moment(index, part, moment, 1 / rate)
            if last:
                at = Moment(index, Fraction(0), moment, 1 / rate)
            elif part == 1:
                at = Moment(index + 1, Fraction(0), moment, 1 / rate)
            yield at
            number += 1
        index += 1


def _gap(time: Fraction, after: Fraction, index: int) -> Fraction:
    if after <= time:
        raise InputError(
            f"Frame {index + 1} is shown at {float(after):.6g} s, not after frame {index} at {float(time):.6g} s. "
            "Write the clip anew with rising times."
        )
    return after - time


def _shown(stream: Stream, index: int) -> Fraction:
    """For how long the last frame is shown: as it says, or as long as the one before."""
    frame = stream.frame(index)
    duration = getattr(frame, "duration", None)
    if duration:
        return Fraction(duration)
    if index > stream.first:
        return time_of(frame, index) - time_of(stream.frame(index - 1), index - 1)
    return Fraction(1)


class Between:
    """Makes what lies between frames of a stream, with a network of two or four frames.

    The frame half way is the network's answer; a quarter is half way between a frame and that half, and so on. Across
    a cut, and between a frame and its repetition, the earlier frame is shown again. Where a window of four reaches over
    the ends of a shot, the shot is mirrored.

    Args:
        ready: the network.
        frames: of its window, even.
        space: tiles of every frame.
    """

    def __init__(self, ready: ReadyClip, frames: int, space: Space) -> None:
        if frames < 2 or frames % 2:
            raise SettingError(f"A frame between others needs an even number of them, not {frames}.")
        self.ready, self.space, self.side = ready, space, frames // 2
        self.made = self.cuts = self.repeats = self.encoded = 0
        self._nodes: dict[tuple[int, int], Tensor] = {}
        self._features: dict[tuple[int, int, int], tuple[Tensor, ...]] = {}
        self._still: dict[int, bool] = {}

    def reset(self) -> None:
        """Forget everything about the clip: another one begins."""
        self._nodes.clear()
        self._features.clear()
        self._still.clear()
        self.made = self.cuts = self.repeats = self.encoded = 0

    @property
    def reach(self) -> int:
        """Frames before and behind a gap that may be looked at."""
        return self.side + 2

    @torch.inference_mode()
    def pixels(self, stream: Stream, index: int, part: Fraction) -> Pixels:
        """The frame at ``part`` of the way from frame ``index`` to the next.

        Raises:
            SettingError: ``part`` is no number of halves, quarters, eighths ...
        """
        own = stream.pixels(index)
        if part == 0 or not self._moves(stream, index):
            return own
        level = part.denominator.bit_length() - 1
        if part.denominator != 2**level or not 0 < part < 1:
            raise SettingError(f"Frames lie at halves, quarters, eighths ... of a gap, not at {part}.")
        shot = stream.shot_of(index)
        end = stream.shot_end(index, index + self.reach + 1)
        last = index + 2 * self.reach if end is None else end - 1
        self._forget(index - self.reach)
        node = self._node(stream, level, (index << level) + part.numerator, shot, last)
        self.made += 1
        return quantise(node[0], own.dtype)

    def _moves(self, stream: Stream, index: int) -> bool:
        """Whether there is anything between a frame and the next."""
        if not stream.has(index + 1):
            return False
        if index not in self._still:
            cut = stream.shot_of(index) != stream.shot_of(index + 1)
            repeat = not cut and is_repeat(stream.pixels(index + 1), stream.pixels(index))
            self.cuts += cut
            self.repeats += repeat
            self._still[index] = cut or repeat
        return not self._still[index]

    def _node(self, stream: Stream, level: int, place: int, shot: int, last: int) -> Tensor:
        """The frame at ``place / 2**level``, ``1 3 H W`` in [0, 1]."""
        level, place = key = _reduced(level, place)
        if key in self._nodes:
            return self._nodes[key]
        if level == 0:
            found = to_tensor(stream.pixels(place), self.ready.device)[None]
        else:
            found = self._half(stream, level, place, shot, last)
        self._nodes[key] = found
        return found

    def _half(self, stream: Stream, level: int, place: int, shot: int, last: int) -> Tensor:
        before = (place - 1) // 2
        first, end = shot << (level - 1), last << (level - 1)
        window = [_mirrored(before + step, first, end) for step in range(1 - self.side, self.side + 1)]
        nodes = [self._node(stream, level - 1, at, shot, last) for at in window]

        def answer(number: int, tile: Any) -> Tensor:
            features = []
            for at, node in zip(window, nodes, strict=True):
                key = (number, *_reduced(level - 1, at))
                if key not in self._features:
                    crop = node[:, :, tile.y.start : tile.y.stop, tile.x.start : tile.x.stop]
                    self._features[key] = self.ready.network.encode(crop)
                    self.encoded += 1
                features.append(self._features[key])
            made: Tensor = self.ready.network.fuse(features)
            return made.float()

        if len(self.space.plan) == 1:
            made = answer(0, next(iter(self.space.plan)))
        else:
            whole = self.space.assemble(answer, np.dtype(np.float32))
            made = torch.from_numpy(whole).permute(2, 0, 1)[None].to(self.ready.device)
        return made.clamp(0, 1)

    def _forget(self, below: int) -> None:
        self._nodes = {key: node for key, node in self._nodes.items() if key[1] >> key[0] >= below}
        self._features = {key: found for key, found in self._features.items() if key[2] >> key[1] >= below}
        self._still = {index: still for index, still in self._still.items() if index >= below}


def _reduced(level: int, place: int) -> tuple[int, int]:
    """The same place, ``place / 2**level``, by the lowest level that has it."""
    while level and place % 2 == 0:
        level, place = level - 1, place // 2
    return level, place


def _mirrored(place: int, first: int, last: int) -> int:
    """``place`` mirrored to and fro into ``first`` .. ``last``."""
    if first <= place <= last or first == last:
        return min(max(place, first), last)
    period = 2 * (last - first)
    step = (place - first) % period
    return first + min(step, period - step)


def frames_at(stream: Stream, between: Between, moments: Iterable[Moment]) -> Iterator[AnyFrame]:
    """The frames of these moments, with their times."""
    for moment in moments:
        frame = stream.frame(moment.index)
        pixels = between.pixels(stream, moment.index, moment.part)
        if isinstance(frame, np.ndarray):
            yield pixels
        else:
            yield with_pixels(frame, pixels, time=moment.time, duration=moment.duration)
