"""Which frames a window of a clip holds, also where it reaches over the clip's ends."""

from __future__ import annotations

from typing import Literal

from finesight.errors import SettingError

__all__ = ["WindowBorder", "interpolated_times", "window_frames", "window_sequence"]

WindowBorder = Literal["replicate", "reflection", "reflection_circle", "circle"]


def window_frames(length: int, count: int, centre: int, *, border: WindowBorder = "reflection_circle") -> list[int]:
    """Indices of the ``count`` (odd) frames around ``centre`` of a clip of ``length`` frames.

    Beyond the ends: ``replicate`` repeats the first or last frame, ``reflection`` mirrors the clip (TDAN),
    ``reflection_circle`` takes frames from the other side of the window, mirrored (EDVR, TOFlow), ``circle`` wraps in
    it. In a clip too short for the rule, what still lies outside is mirrored to and fro.

    >>> [window_frames(9, 5, 0, border=b) for b in ("replicate", "reflection", "reflection_circle", "circle")]
    [[0, 0, 0, 1, 2], [2, 1, 0, 1, 2], [4, 3, 0, 1, 2], [3, 4, 0, 1, 2]]

    Raises:
        SettingError: no frames, an even count, a centre outside the clip, an unknown border.
    """
    if length < 1 or count < 1 or count % 2 == 0 or not 0 <= centre < length:
        raise SettingError(
            f"A window of {count} frames around frame {centre} of {length} cannot be: the count must be odd and the "
            "centre inside the clip."
        )
    half = count // 2
    return [_inside(index, length, count, centre, border) for index in range(centre - half, centre + half + 1)]


def _inside(index: int, length: int, count: int, centre: int, border: WindowBorder) -> int:
    last, half = length - 1, count // 2
    if 0 <= index <= last:
        return index
    before = index < 0
    if border == "replicate":
        return 0 if before else last
    if border == "reflection":
        index = -index if before else 2 * last - index
    elif border == "reflection_circle":
        index = centre + half - index if before else centre - half - (index - last)
    elif border == "circle":
        index = count + index if before else index - count
    else:
        raise SettingError(f"'{border}' is no border of a window: replicate, reflection, reflection_circle or circle.")
    if 0 <= index <= last:
        return index
    period = max(2 * last, 1)
    index %= period
    return min(index, period - index) if last else 0


def window_sequence(length: int, count: int, *, border: WindowBorder = "reflection_circle") -> list[int]:
    """The clip with ``count // 2`` frames put in front and behind: its windows of ``count`` are those of every frame.

    Only for borders whose windows agree with each other, so that one sequence serves all: every one but ``circle``.

    >>> window_sequence(9, 5)
    [4, 3, 0, 1, 2, 3, 4, 5, 6, 7, 8, 5, 4]
    """
    if border == "circle":
        raise SettingError(
            "Windows that wrap do not follow from one padded sequence; use window_frames for each frame."
        )
    half = count // 2
    front = window_frames(length, count, 0, border=border)[:half]
    behind = window_frames(length, count, length - 1, border=border)[half + 1 :]
    return [*front, *range(length), *behind]


def interpolated_times(length: int, window: int) -> list[float]:
    """Times of a clip's frames and of the new ones half way between, for a network that takes ``window`` frames.

    Times count in frames of the source. A network of two frames fills every gap; one of four needs two frames on each
    side and leaves the first and the last gap as they are.

    >>> interpolated_times(4, 4)
    [0.0, 1.0, 1.5, 2.0, 3.0]

    Raises:
        SettingError: an odd window.
    """
    if window < 2 or window % 2:
        raise SettingError(f"A frame between others needs an even number of them, not {window}.")
    side = window // 2
    new = [middle + 0.5 for middle in range(side - 1, length - side)]
    return sorted([*map(float, range(length)), *new])
