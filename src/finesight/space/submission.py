"""A submission to the challenge on disk: which files belong together, its table, and what it must fulfil."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from finesight.errors import InputError, SettingError
from finesight.evaluate.maps import heat
from finesight.evaluate.tables import Column, Row, Table
from finesight.media import inspect, read
from finesight.models.quality.lpips import Lpips
from finesight.progress import Cancel, Progress, silent
from finesight.space.challenge import GOAL, MULTIPLE, PictureScore, score_picture

__all__ = ["Entry", "check_submission", "find_submission", "heat", "score_submission", "to_table"]

COLUMNS = (
    Column("LPIPS_mean", "LPIPS", "lower"),
    Column("LRPSNR_worst", "LR-PSNR worst", "higher", 2),
    Column("LRPSNR_mean", "LR-PSNR mean", "higher", 2),
    Column("score", "diversity", "higher", 3),
)


@dataclass(frozen=True)
class Entry:
    """One picture of a submission: its name, its ground truth and its samples in order."""

    name: str
    truth: Path
    samples: tuple[Path, ...]


def find_submission(ground_truth: str | Path, samples: str | Path, *, count: int = 10) -> list[Entry]:
    """The files that belong together, any number of pictures.

    Samples are ``{i:06d}_sample{k:05d}.png`` (one sample: ``{i:06d}.png`` also), where i counts from 0, from 901, or
    is the number in the ground truth's own name; or ``NAME_sample{k:05d}.png`` with that name.

    Args:
        ground_truth: folder of PNG files, in the order of their names.
        samples: folder of samples.
        count: samples a picture.

    Raises:
        InputError: a folder has no pictures or a sample is missing; the first missing one is named.
    """
    if count < 1:
        raise SettingError(f"a submission has at least one sample a picture, got {count}")
    truths = sorted(path for path in Path(ground_truth).glob("*.png") if path.is_file())
    if not truths:
        raise InputError(f"{ground_truth} holds no PNG files: the ground truth is expected there")
    folder = Path(samples)
    styles = _styles(truths)
    style = next((one for one in styles if _exists(folder, one(0), count)), None)
    if style is None:
        tried = ", ".join(dict.fromkeys(f"{one(0)}_sample00000.png" for one in styles))
        raise InputError(f"{folder} holds no samples of {truths[0].name}: looked for {tried}")
    entries = []
    for index, truth in enumerate(truths):
        files = tuple(_file(folder, style(index), sample, count) for sample in range(count))
        for file in files:
            if not file.is_file():
                raise InputError(f"{file} is missing: {count} samples of each of {len(truths)} pictures are expected")
        entries.append(Entry(truth.stem, truth, files))
    return entries


def _styles(truths: Sequence[Path]) -> list[Callable[[int], str]]:
    """Ways to number a picture, those that the published script knows first."""
    styles: list[Callable[[int], str]] = [lambda index: f"{index + 901:06d}", lambda index: f"{index:06d}"]
    if all(truth.stem.isdigit() for truth in truths):
        styles.append(lambda index: f"{int(truths[index].stem):06d}")
    styles.append(lambda index: truths[index].stem)
    return styles


def _file(folder: Path, head: str, sample: int, count: int) -> Path:
    path = folder / f"{head}_sample{sample:05d}.png"
    return folder / f"{head}.png" if count == 1 and not path.is_file() else path


def _exists(folder: Path, head: str, count: int) -> bool:
    return _file(folder, head, 0, count).is_file()


def _levels(path: Path) -> Tensor:
    """An 8-bit picture as (3, H, W); a grey one is three times itself, alpha is left out, deeper ones are rounded."""
    picture = read(path).to_depth(8)
    pixels = torch.from_numpy(picture.pixels).permute(2, 0, 1)
    return pixels.expand(3, -1, -1).contiguous()


def score_submission(
    entries: Sequence[Entry],
    network: Lpips,
    *,
    scale: Literal[4, 8],
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> Iterator[PictureScore]:
    """The measures of each picture, one after the other; a picture and one sample are in memory.

    Raises:
        InputError: a file cannot be read, or a sample is too small; it is named.
    """
    total = sum(len(entry.samples) for entry in entries)
    done = 0

    def samples(entry: Entry) -> Iterator[Tensor]:
        nonlocal done
        for path in entry.samples:
            if cancel is not None:
                cancel.check()
            progress(done, total, path.name)
            yield _levels(path)
            done += 1

    for entry in entries:
        try:
            yield score_picture(_levels(entry.truth), samples(entry), network, scale=scale, name=entry.name)
        except InputError as error:
            raise InputError(f"{entry.truth}: {error}") from error
    progress(done, total, "")


def to_table(scores: Sequence[PictureScore], *, scale: int, samples: int) -> Table:
    """The published columns: a row a picture, and their means. Infinite LR-PSNR is shown and not averaged."""
    rows = tuple(
        Row(
            score.name,
            {
                "LPIPS_mean": score.lpips_mean,
                "LRPSNR_worst": score.lrpsnr_worst,
                "LRPSNR_mean": score.lrpsnr_mean,
                "score": score.score,
            },
        )
        for score in scores
    )
    settings = (
        f"ntire21-space: {scale}X, {samples} samples a picture, ground truth cut to multiples of {MULTIPLE}, "
        "LPIPS alex 0.1 by its map, LR-PSNR of both reduced to 8 bits. Learning the super-resolution space."
    )
    return Table(settings, "ntire21-space", COLUMNS, rows)


def check_submission(
    entries: Sequence[Entry], scores: Sequence[PictureScore] = (), *, scale: Literal[4, 8] | None = None
) -> list[str]:
    """What is wrong with a submission, one line each; none means that it may be handed in.

    Files are looked at without decoding them: each 8-bit RGB PNG, as large as its ground truth. With ``scores`` also:
    every sample reaches 45 dB of LR-PSNR, and no method that claims samples gives the same one each time.
    """
    problems = []
    for entry in entries:
        truth = inspect(entry.truth)
        least = (truth.width // MULTIPLE * MULTIPLE, truth.height // MULTIPLE * MULTIPLE)
        for path in entry.samples:
            found: Any = inspect(path)
            if found.format != "png" or found.depth != 8 or "RGB" not in found.mode:
                problems.append(f"{path} is {found.depth}-bit {found.mode} {found.format}, expected 8-bit RGB PNG")
            if found.width < least[0] or found.height < least[1]:
                problems.append(f"{path} has {found.width}x{found.height} pixels, at least {least[0]}x{least[1]} count")
    track = "" if scale is None else f" at {scale}X"
    for score in scores:
        if score.lrpsnr_worst < GOAL:
            problems.append(
                f"{score.name}: its worst LR-PSNR is {score.lrpsnr_worst:.2f} dB{track}, the goal is {GOAL:.0f}"
            )
        if len(score.sample_lpips) > 1 and score.score == 0 and math.isclose(score.global_best, score.local_best):
            problems.append(f"{score.name}: all {len(score.sample_lpips)} samples are alike, its diversity is 0")
    return problems
