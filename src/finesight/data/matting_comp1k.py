"""Composition-1k (Xu et al., CVPR 2017) and any data of its layout: pictures composed of foregrounds and backgrounds.

A list in JSON names the files of every sample relative to the root, as mmediting writes it::

    [{"fg_path": "Training_set/fg/a.jpg", "alpha_path": "Training_set/alpha/a.jpg", "bg_path": "Training_set/bg/0.png",
      "merged_path": "Training_set/merged/a_0.png"}, ...]

and ``trimap_path`` in the test set. A ``merged_path`` that does not exist is composed when it is needed.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from finesight.data.matting_augment import (
    composed_levels,
    draw_affine,
    draw_jitter,
    jittered,
    two_foregrounds,
    warped,
)
from finesight.data.matting_trimaps import trimap_by_distance, trimap_by_morphology
from finesight.errors import InputError

__all__ = [
    "Entry",
    "Pipeline",
    "Sample",
    "composed_picture",
    "crop_around_centre",
    "crop_around_unknown",
    "fitted_background",
    "random_sample",
    "read_level",
    "read_list",
    "read_picture",
]

Pipeline = Literal["dim", "indexnet", "gca"]
Bytes = NDArray[np.uint8]
_SIDES = (320, 480, 640)


@dataclass(frozen=True, slots=True)
class Entry:
    """The files of one sample; ``trimap`` and ``merged`` may be missing."""

    alpha: Path
    foreground: Path
    background: Path
    merged: Path | None = None
    trimap: Path | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One training sample in levels of 255: alpha and trimap uint8 ``(h, w)``, colours ``(h, w, 3)``."""

    alpha: Bytes
    trimap: Bytes
    foreground: NDArray[np.float32]
    background: NDArray[np.float32]
    merged: NDArray[np.float32]


def read_list(root: Path, name: str) -> list[Entry]:
    """The samples of a list file below ``root``.

    Raises:
        InputError: it is missing, is no such list, or lists nothing.
    """
    file = root / name
    try:
        content: Any = json.loads(file.read_text(encoding="utf-8"))
        entries = [
            Entry(
                alpha=root / one["alpha_path"],
                foreground=root / one["fg_path"],
                background=root / one["bg_path"],
                merged=root / one["merged_path"] if "merged_path" in one else None,
                trimap=root / one["trimap_path"] if "trimap_path" in one else None,
            )
            for one in content
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{file} is not a list of compositions (alpha_path, fg_path, bg_path): {error}. See docs/matting.md."
        ) from error
    if not entries:
        raise InputError(f"{file} lists no compositions.")
    return entries


def read_picture(path: Path) -> Bytes:
    """RGB ``(H, W, 3)``.

    Raises:
        InputError: the file cannot be read.
    """
    return _read(path, "RGB")


def read_level(path: Path) -> Bytes:
    """One grey plane ``(H, W)``, for alphas and trimaps.

    Raises:
        InputError: the file cannot be read.
    """
    return _read(path, "L")


def _read(path: Path, mode: str) -> Bytes:
    try:
        with Image.open(path) as file:
            found: Bytes = np.asarray(file.convert(mode))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a picture: {error}") from error
    return found


def fitted_background(background: Bytes, height: int, width: int) -> Bytes:
    """A background as published: enlarged (bicubic) only if smaller, its upper left part of ``height`` x ``width``."""
    tall, wide = background.shape[:2]
    ratio = max(width / wide, height / tall)
    if ratio > 1:
        size = (math.ceil(wide * ratio), math.ceil(tall * ratio))
        background = np.asarray(Image.fromarray(background).resize(size, Image.Resampling.BICUBIC))
    return background[:height, :width]


def composed_picture(foreground: Bytes, background: Bytes, alpha: Bytes) -> Bytes:
    """The published composition: truncated to 8 bits, on ``fitted_background``."""
    behind = fitted_background(background, *alpha.shape)
    share = (alpha.astype(np.float64) / 255)[..., None]
    found: Bytes = (foreground * share + behind * (1 - share)).astype(np.uint8)
    return found


def random_sample(
    entries: list[Entry],
    pipeline: Pipeline,
    backgrounds: list[Path],
    generator: torch.Generator,
    *,
    patch: int | None = None,
) -> Sample:
    """One sample as a published pipeline makes it.

    Args:
        entries: of the training list.
        pipeline: ``dim`` (Deep Image Matting and the "dimaug" variants), ``indexnet``, or ``gca``, which composes
            foregrounds with any of ``backgrounds`` anew.
        backgrounds: pictures for ``gca``; those of the entries where there are none.
        generator: where chance comes from.
        patch: its side; default: 320 pixels, of ``gca`` 512.
    """
    entry = entries[_draw(generator, len(entries))]
    if pipeline == "gca":
        return _online(entry, entries, backgrounds, generator, patch or 512)
    alpha, front = read_level(entry.alpha), read_picture(entry.foreground).astype(np.float32)
    behind = read_picture(entry.background)
    merged = (
        read_picture(entry.merged)
        if entry.merged is not None and entry.merged.exists()
        else composed_picture(front.astype(np.uint8), behind, alpha)
    )
    back = fitted_background(behind, *alpha.shape).astype(np.float32)
    trimap = trimap_by_distance(alpha, 1 + _draw(generator, 19)) if pipeline == "indexnet" else None
    planes: list[NDArray[Any]] = [alpha, front, back, merged.astype(np.float32)]
    planes += [] if trimap is None else [trimap]
    side = _SIDES[_draw(generator, 3)]
    planes = crop_around_unknown(planes, (alpha > 0) & (alpha < 255), side, generator)
    if _chance(generator) < 0.5:
        planes = [plane[:, ::-1] for plane in planes]
    how = Image.Resampling.BILINEAR if pipeline == "dim" else Image.Resampling.BICUBIC
    sized = [_resized(plane, patch or 320, how) for plane in planes[:4]]
    small = np.clip(sized[0], 0, 255).round().astype(np.uint8)
    if trimap is None:
        marks = _random_trimap(small, generator)
    else:
        marks = _resized(planes[4], patch or 320, Image.Resampling.NEAREST).astype(np.uint8)
    colours = [np.clip(plane, 0, 255) for plane in sized[1:]]
    return Sample(small, marks, colours[0], colours[1], colours[2])


def _online(
    entry: Entry, entries: list[Entry], backgrounds: list[Path], generator: torch.Generator, patch: int
) -> Sample:
    """GCA's: a second foreground at times, an affine map, jitter, and any background."""
    alpha, front = read_level(entry.alpha), read_picture(entry.foreground).astype(np.float32)
    if _chance(generator) < 0.5:
        other = entries[_draw(generator, len(entries))]
        size = (alpha.shape[1], alpha.shape[0])
        nearest = Image.Resampling.NEAREST
        second = np.asarray(Image.fromarray(read_picture(other.foreground)).resize(size, nearest), np.float32)
        opacity = np.asarray(Image.fromarray(read_level(other.alpha)).resize(size, nearest))
        both, together = two_foregrounds(front, alpha, second, opacity)
        if (together < 255).any():
            front, alpha = both, together
    places = backgrounds or [one.background for one in entries]
    behind = Image.fromarray(read_picture(places[_draw(generator, len(places))]))
    affine = draw_affine(generator, *alpha.shape)
    alpha, colours = warped(alpha, affine), warped(np.clip(front, 0, 255).astype(np.uint8), affine)
    trimap = _random_trimap(alpha, generator)
    back = np.asarray(behind.resize((alpha.shape[1], alpha.shape[0]), Image.Resampling.BICUBIC))
    alpha, colours, back, trimap = crop_around_centre([alpha, colours, back, trimap], trimap == 128, patch, generator)
    jitter = jittered(colours.astype(np.float32), alpha, draw_jitter(generator))
    return Sample(
        alpha, trimap, jitter, back.astype(np.float32), composed_levels(jitter, back.astype(np.float32), alpha)
    )


def crop_around_unknown(
    planes: list[NDArray[Any]], unknown: NDArray[np.bool_], side: int, generator: torch.Generator
) -> list[NDArray[Any]]:
    """A square of all planes around a random unknown pixel; smaller pictures are enlarged first
    (bilinear; the fifth plane, a trimap, to nearest pixels).

    Pixels at least half a side from the border are preferred; where nothing is unknown, the centre is taken.
    """
    height, width = unknown.shape
    if min(height, width) < side:
        ratio = side / min(height, width)
        size = (max(side, math.ceil(width * ratio)), max(side, math.ceil(height * ratio)))
        ways = [Image.Resampling.NEAREST if place == 4 else Image.Resampling.BILINEAR for place in range(len(planes))]
        planes = [_resized_to(plane, size, way) for plane, way in zip(planes, ways, strict=True)]
        unknown = np.asarray(Image.fromarray(unknown).resize(size, Image.Resampling.NEAREST))
        height, width = unknown.shape
    half = side // 2
    inner = np.zeros_like(unknown)
    inner[half : height - half, half : width - half] = unknown[half : height - half, half : width - half]
    candidates = np.argwhere(inner if inner.any() else unknown)
    centre = candidates[_draw(generator, len(candidates))] if len(candidates) else np.array([height // 2, width // 2])
    top, left = (int(np.clip(c - half, 0, n - side)) for c, n in zip(centre, (height, width), strict=True))
    return [plane[top : top + side, left : left + side] for plane in planes]


def crop_around_centre(
    planes: list[NDArray[Any]], unknown: NDArray[np.bool_], side: int, generator: torch.Generator
) -> list[NDArray[Any]]:
    """GCA's: an unknown pixel of the quarter-size trimap becomes the centre; a uniform crop where there are few.

    Smaller pictures are enlarged first: the background (the third plane) bicubic, the others to nearest pixels.
    """
    height, width = unknown.shape
    if min(height, width) < side:
        ratio = side / min(height, width)
        size = (max(side, math.ceil(width * ratio)), max(side, math.ceil(height * ratio)))
        ways = [Image.Resampling.BICUBIC if place == 2 else Image.Resampling.NEAREST for place in range(len(planes))]
        planes = [
            np.clip(_resized_to(p, size, way), 0, 255).astype(p.dtype) for p, way in zip(planes, ways, strict=True)
        ]
        unknown = np.asarray(Image.fromarray(unknown).resize(size, Image.Resampling.NEAREST))
        height, width = unknown.shape
    quarter = unknown[::4, ::4][: height // 4, : width // 4]
    margin = side // 8  # half a side, in quarter pixels
    inner = quarter[margin : quarter.shape[0] - margin, margin : quarter.shape[1] - margin]
    candidates = np.argwhere(inner)
    if len(candidates) < 10:
        top, left = _draw(generator, height - side + 1), _draw(generator, width - side + 1)
    else:
        row, column = candidates[_draw(generator, len(candidates))]
        top, left = min(int(row) * 4, height - side), min(int(column) * 4, width - side)
    return [plane[top : top + side, left : left + side] for plane in planes]


def _random_trimap(alpha: Bytes, generator: torch.Generator) -> Bytes:
    return trimap_by_morphology(alpha, 1 + _draw(generator, 29), 1 + _draw(generator, 29))


def _resized(plane: NDArray[Any], side: int, how: Image.Resampling) -> NDArray[np.float32]:
    return _resized_to(plane, (side, side), how).astype(np.float32)


def _resized_to(plane: NDArray[Any], size: tuple[int, int], how: Image.Resampling) -> NDArray[Any]:
    """Float planes channel by channel, bytes as they are."""
    if plane.dtype == np.uint8:
        return np.asarray(Image.fromarray(np.ascontiguousarray(plane)).resize(size, how))
    parts = [plane] if plane.ndim == 2 else [plane[..., channel] for channel in range(plane.shape[2])]
    sized = [np.asarray(Image.fromarray(np.ascontiguousarray(part)).resize(size, how)) for part in parts]
    return sized[0] if plane.ndim == 2 else np.stack(sized, axis=-1)


def _draw(generator: torch.Generator, bound: int) -> int:
    return int(torch.randint(max(1, bound), (), generator=generator))


def _chance(generator: torch.Generator) -> float:
    return float(torch.rand((), generator=generator))
