"""Scores of clips: frames paired by order, their times compared, one frame of each in memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor

from finesight.errors import InputError, SettingError
from finesight.evaluate.matching import bare_name, scale_in_name
from finesight.evaluate.named import Metric
from finesight.evaluate.protocols import Protocol
from finesight.evaluate.scoring import Align, Walk, table_of
from finesight.evaluate.tables import Row, Table
from finesight.media.clips import ClipInfo, Frame, inspect_clip, is_clip, read_clip
from finesight.progress import Cancel, Progress, silent

__all__ = ["ClipPair", "holds_clips", "match_clips", "score_clips"]


@dataclass(frozen=True)
class ClipPair:
    """One clip and what it should be: video files, folders of frames or patterns."""

    name: str
    restored: Path
    reference: Path | None = None


def holds_clips(place: str | Path) -> bool:
    """Whether a place is a clip, or a folder in which video files lie."""
    if is_clip(place):
        return True
    folder = Path(place)
    return folder.is_dir() and any(is_clip(file) for file in folder.iterdir() if file.is_file())


def _clips(place: str | Path) -> list[Path]:
    """A clip itself, or the video files of a folder; a folder without any is a clip of frames."""
    path = Path(place)
    if path.is_dir() and not is_clip(path):
        return sorted(file for file in path.iterdir() if file.is_file() and is_clip(file)) or [path]
    return [path]


def match_clips(restored: str | Path, reference: str | Path | None = None) -> list[ClipPair]:
    """Which clip belongs to which: one to one, or those of two folders by name (suffixes such as ``_x4`` understood).

    Raises:
        InputError: a clip has no partner, or two could be it.
    """
    made = _clips(restored)
    if reference is None:
        return [ClipPair(path.stem, path) for path in made]
    truths = _clips(reference)
    if len(made) == len(truths) == 1:
        return [ClipPair(truths[0].stem, made[0], truths[0])]
    pairs = []
    for path in made:
        exact = [truth for truth in truths if truth.stem == path.stem]
        found = exact or [truth for truth in truths if bare_name(truth.stem) == bare_name(path.stem)]
        if len(found) != 1:
            what = "no partner" if not found else f"{len(found)} possible partners"
            raise InputError(f"{path} has {what} in {reference}: names must agree but for suffixes such as _x4 or _SR")
        pairs.append(ClipPair(found[0].stem, path, found[0]))
    return sorted(pairs, key=lambda pair: pair.name)


def score_clips(
    pairs: Sequence[ClipPair],
    metrics: Sequence[Metric],
    chosen: Protocol,
    *,
    scale: int | None = None,
    align: Align = "refuse",
    device: str | torch.device = "cpu",
    failed: Callable[[ClipPair, InputError], None] | None = None,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> Table:
    """Measure every frame of every clip; arguments as ``score_pairs``.

    Raises:
        SettingError: a metric needs a reference or a mask that is not there, or the scale is not known.
        InputError: clips of different length or times; unreadable frames.
    """
    for metric in metrics:
        if "mask" in metric.needs:
            raise SettingError(f"{metric.name} needs masks, which clips do not have: score folders of frames")
        if "reference" in metric.needs and any(pair.reference is None for pair in pairs):
            raise SettingError(f"{metric.name} compares with a reference: name its file or folder too")
    told = {scale_in_name(pair.restored.stem) for pair in pairs}
    border = chosen.border_for(scale if scale is not None else told.pop() if len(told) == 1 else None)
    rows: list[Row] = []
    for pair in pairs:
        walk = Walk(metrics, chosen, border, align, device)
        try:
            rows += _rows(pair, walk, chosen, progress, cancel)
        except InputError as error:
            if failed is None:
                raise
            failed(pair, error)
    return table_of(metrics, chosen, border, rows)


def _rows(pair: ClipPair, walk: Walk, chosen: Protocol, progress: Progress, cancel: Cancel | None) -> list[Row]:
    rows = []
    expected = inspect_clip(pair.restored).frames or 0
    for index, first, second in _frames(pair):
        if cancel is not None:
            cancel.check()
        progress(index, expected, pair.name)
        other = first if second is None else second
        try:
            values = walk.values(_tensor(first), _tensor(other), clip=pair.name)
        except InputError as error:
            raise InputError(f"{pair.restored}, frame {index}: {error}") from error
        rows.append(Row(f"{pair.name} {index:06d}", values, pair.name))
    if not rows:
        raise InputError(f"{pair.restored} holds no frames")
    return rows if chosen.frames == "all" else [rows[len(rows) // 2]]


def _frames(pair: ClipPair) -> Iterator[tuple[int, Frame, Frame | None]]:
    """Frames by order; clips that both know times must agree to half a frame."""
    with read_clip(pair.restored) as restored:
        if pair.reference is None:
            for index, frame in enumerate(restored):
                yield index, frame, None
            return
        with read_clip(pair.reference) as reference:
            timed = _knows_times(restored.info) and _knows_times(reference.info)
            for index, (first, second) in enumerate(itertools.zip_longest(restored, reference)):
                if first is None or second is None:
                    shorter, longer = pair.restored, pair.reference
                    if first is not None:
                        shorter, longer = longer, shorter
                    raise InputError(
                        f"{shorter} ends after {index} frames, {longer} goes on: score clips of one length"
                    )
                if timed:
                    _same_time(pair, index, first, second, reference.info)
                yield index, first, second


def _knows_times(info: ClipInfo) -> bool:
    return info.kind == "video" or info.rate is not None


def _same_time(pair: ClipPair, index: int, first: Frame, second: Frame, info: ClipInfo) -> None:
    length = second.duration or (1 / info.rate if info.rate else Fraction(1, 25))
    if abs(first.time - second.time) > length / 2:
        raise InputError(
            f"frame {index} of {pair.restored} is at {float(first.time):.3f} s, that of {pair.reference} at "
            f"{float(second.time):.3f} s: frames are missing or the rates differ"
        )


def _tensor(frame: Frame) -> Tensor:
    most = 255.0 if frame.pixels.dtype.itemsize == 1 else 65535.0
    return (torch.from_numpy(frame.pixels.astype("float32")) / most).permute(2, 0, 1)[None].contiguous()
