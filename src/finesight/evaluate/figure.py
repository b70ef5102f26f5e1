"""A comparison sheet: the truth and every method beside it, a crop of each, where they differ, and SSIM's map."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from finesight.errors import InputError, SettingError
from finesight.evaluate.maps import Box, difference_map, dissimilarity_map, heat, worst_box
from finesight.evaluate.matching import Pair
from finesight.evaluate.protocols import Protocol
from finesight.evaluate.scoring import Align, as_tensor, prepared
from finesight.media import Picture
from finesight.metrics.ssim import WINDOW

__all__ = ["Shown", "crop_of", "load_shown", "make_sheet"]

CELL = 240  # pixels of the sheet's cells
GAP = 8
TEXT = 14
LINE = TEXT + 6
GAIN = 0.25  # difference that is shown white


@dataclass(frozen=True)
class Shown:
    """One picture of the sheet.

    Args:
        name: of the picture.
        truth: (1, C, H, W) in [0, 1].
        methods: name -> what it made, of the same size.
        scores: name -> text under it.
    """

    name: str
    truth: Tensor
    methods: dict[str, Tensor]
    scores: Mapping[str, str]


def load_shown(
    pairs: Mapping[str, Pair], chosen: Protocol, scores: Mapping[str, str], *, align: Align = "refuse"
) -> Shown:
    """Read one picture of every method and its reference, prepared as the protocol says.

    Args:
        pairs: method -> its pair for this picture; all with the same reference.
        chosen: the protocol.
        scores: method -> text.
        align: as in ``score``.

    Raises:
        SettingError: nothing is compared.
        InputError: pictures do not fit.
    """
    made: dict[str, Tensor] = {}
    truth: Tensor | None = None
    for name, pair in pairs.items():
        if pair.reference is None:
            raise SettingError("a figure compares with a reference: name its file or folder too")
        first, second = prepared(as_tensor(pair.restored), as_tensor(pair.reference), chosen, align=align)
        if truth is not None and truth.shape != second.shape:
            raise InputError(f"{pair.name}: methods are compared with parts of different size: leave out --align")
        made[name], truth = first, second
    assert truth is not None
    return Shown(next(iter(pairs.values())).name, truth, made, scores)


def crop_of(shown: Shown, side: int) -> Box:
    """Where methods differ most from the truth, on their average."""
    maps = [difference_map(image, shown.truth) for image in shown.methods.values()]
    return worst_box(torch.stack(maps).mean(0), side)


def make_sheet(pictures: Sequence[Shown], *, crop: int | None = None, remarks: Sequence[str] = ()) -> Picture:
    """The sheet as an 8-bit picture: for each picture the whole, a crop, the difference and SSIM's map.

    Columns are the truth and each method.

    Args:
        pictures: at least one.
        crop: side of the crop in pixels; by default a fifth of the picture's longer side, 24 at least.
        remarks: lines for the bottom.

    Raises:
        SettingError: no picture.
    """
    if not pictures:
        raise SettingError("a figure needs at least one picture")
    columns = max(1 + len(shown.methods) for shown in pictures)
    remarks = [part for line in remarks for part in textwrap.wrap(line, max(60, columns * CELL // 7))]
    heights = [_tops(0, _whole(shown)[1])["bottom"] for shown in pictures]
    width = GAP + columns * (CELL + GAP)
    sheet = Image.new("RGB", (max(width, 480), sum(heights) + GAP + LINE * len(remarks)), "white")
    top = 0
    for shown, height in zip(pictures, heights, strict=True):
        side = crop or max(24, max(shown.truth.shape[-2:]) // 5)
        _draw(sheet, shown, crop_of(shown, side), top)
        top += height
    for number, line in enumerate(remarks):
        _write(sheet, GAP, top + GAP + number * LINE, line, sheet.width - 2 * GAP)
    return Picture(pixels=np.asarray(sheet).copy())


def _tops(top: int, tall: int) -> dict[str, int]:
    """Where the rows of one picture begin, from the title to what lies below it; captions stand above maps."""
    whole = top + GAP + LINE
    crop = whole + tall + 2 * LINE
    difference = crop + CELL + LINE
    similarity = difference + tall + LINE
    return {
        "title": top + GAP,
        "whole": whole,
        "crop": crop,
        "difference": difference,
        "similarity": similarity,
        "bottom": similarity + tall + GAP,
    }


def _whole(shown: Shown) -> tuple[int, int]:
    """Width and height of the whole picture in its cell."""
    return _fitted(shown.truth.shape[-1], shown.truth.shape[-2])


def _draw(sheet: Image.Image, shown: Shown, box: Box, top: int) -> None:
    """One picture's four rows."""
    height, width = shown.truth.shape[-2:]
    whole = _whole(shown)
    tops = _tops(top, whole[1])
    zoom = whole[0] / width
    _write(sheet, GAP, tops["title"], f"{shown.name}  ({width}x{height})", sheet.width - 2 * GAP)
    second = 2 * GAP + CELL
    if shown.methods:
        _write(sheet, second, tops["difference"] - LINE, f"difference: white is {GAIN:g} of the range", sheet.width)
        if min(height, width) >= WINDOW:
            _write(sheet, second, tops["similarity"] - LINE, "1 - SSIM of the luma: white is the most", sheet.width)
    for column, (name, image) in enumerate({"reference": shown.truth, **shown.methods}.items()):
        left = GAP + column * (CELL + GAP)
        _paste(sheet, _pixels(image), left, tops["whole"], whole, smooth=True)
        corners = (box.left, box.top, box.left + box.width, box.top + box.height)
        offsets = (left, tops["whole"], left, tops["whole"])
        frame = tuple(offset + round(place * zoom) for place, offset in zip(corners, offsets, strict=True))
        ImageDraw.Draw(sheet).rectangle(frame, outline=(230, 60, 30), width=2)
        _write(sheet, left, tops["whole"] + whole[1] + 2, name, CELL)
        _write(sheet, left, tops["whole"] + whole[1] + LINE, shown.scores.get(name, ""), CELL)
        _paste(sheet, _pixels(box.of(image)), left, tops["crop"], _fitted(box.width, box.height), smooth=False)
        if column:
            difference = heat(difference_map(image, shown.truth), largest=GAIN)
            _paste(sheet, difference.permute(1, 2, 0).numpy(), left, tops["difference"], whole, smooth=True)
            if min(height, width) >= WINDOW:
                similarity = heat(dissimilarity_map(image, shown.truth), largest=1.0)
                _paste(sheet, similarity.permute(1, 2, 0).numpy(), left, tops["similarity"], whole, smooth=True)


def _fitted(width: int, height: int) -> tuple[int, int]:
    zoom = CELL / max(width, height)
    return max(1, round(width * zoom)), max(1, round(height * zoom))


def _pixels(image: Tensor) -> np.ndarray[Any, Any]:
    levels = image[0].clamp(0, 1).mul(255).round().byte().expand(3, -1, -1)
    return levels.permute(1, 2, 0).contiguous().numpy()


def _paste(
    sheet: Image.Image, pixels: np.ndarray[Any, Any], left: int, top: int, size: tuple[int, int], *, smooth: bool
) -> None:
    enlarges = size[0] > pixels.shape[1]
    way = Image.Resampling.LANCZOS if smooth and not enlarges else Image.Resampling.NEAREST
    sheet.paste(Image.fromarray(np.ascontiguousarray(pixels)).resize(size, way), (left, top))


def _write(sheet: Image.Image, left: int, top: int, text: str, width: int) -> None:
    """A line of text, cut with dots where it does not fit."""
    font = ImageFont.load_default(TEXT)
    shown = text
    while shown and font.getlength(shown) > width:
        shown = shown[:-4] + "..." if len(shown) > 4 else ""
    ImageDraw.Draw(sheet).text((left, top), shown, fill=(20, 20, 20), font=font)
