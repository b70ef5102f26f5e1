"""Trimaps of pictures: read from files of any depth, made from masks, rough alphas or boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from finesight.errors import InputError, SettingError
from finesight.media.picture import Picture, to_depth
from finesight.nn.trimap import BACKGROUND, FOREGROUND, UNKNOWN, distances_to
from finesight.run.pixels import most_of

__all__ = ["Box", "Classes", "ReadTrimap", "boxes_mask", "made_trimap", "read_trimap", "rough_alpha", "trimap_picture"]

Classes = NDArray[np.uint8]
"""(height, width) of 0 background, 1 unknown, 2 foreground."""

Box = tuple[int, int, int, int]
"""Left, top, width and height, in pixels."""

DARK, LIGHT = 0.05, 0.95
"""Up to the first share of white a trimap's pixel is background, from the second on foreground."""

LEVELS = np.array([0, 128, 255], np.uint8)
"""How the classes are written."""


@dataclass(frozen=True, slots=True)
class ReadTrimap:
    """A picture's trimap, and what a user should hear of it."""

    classes: Classes
    notes: tuple[str, ...] = ()

    @property
    def unknown(self) -> int:
        """Pixels that are unknown."""
        return int((self.classes == UNKNOWN).sum())


def read_trimap(trimap: Picture, picture: Picture, *, resize: bool = False, name: str = "The trimap") -> ReadTrimap:
    """Classes from black, grey and white.

    More than three levels are read by thresholds, which a note states: up to 5 % of white is background, from 95 % on
    foreground, the rest unknown. Of colours the brightest channel counts.

    Args:
        trimap: of any depth.
        picture: whose size it must have.
        resize: bring one of another size to the picture's, nearest pixels.
        name: of the trimap, in messages.

    Raises:
        InputError: another size, or the whole of it unknown.
    """
    if (trimap.width, trimap.height) != (picture.width, picture.height) and not resize:
        raise InputError(
            f"{name} is {trimap.width}x{trimap.height}, the picture {picture.width}x{picture.height}. Add "
            "--resize-trimap to bring it to the picture's size."
        )
    brightest = trimap.pixels.max(axis=2)
    levels = np.unique(brightest)
    classes = np.full(brightest.shape, UNKNOWN, np.uint8)
    most = most_of(brightest.dtype)
    classes[brightest <= DARK * most] = BACKGROUND
    classes[brightest >= LIGHT * most] = FOREGROUND
    notes = []
    if len(levels) > 3:
        notes.append(
            f"{name} holds {len(levels)} levels: up to {DARK:.0%} of white counts as background, from {LIGHT:.0%} on "
            "as foreground, the rest as unknown"
        )
    if classes.shape != (picture.height, picture.width):
        resized = Image.fromarray(classes).resize((picture.width, picture.height), Image.Resampling.NEAREST)
        classes = np.asarray(resized)
        notes.append(f"{name} was brought from {trimap.width}x{trimap.height} to the picture's size")
    found = ReadTrimap(classes, tuple(notes))
    return _looked_at(found, name)


def _looked_at(trimap: ReadTrimap, name: str) -> ReadTrimap:
    """Whether there is something to find out.

    Raises:
        InputError: nothing is known.
    """
    unknown = trimap.unknown
    if unknown == trimap.classes.size:
        raise InputError(
            f"{name} is unknown everywhere: some background (black) or foreground (white) must be known. Make one with "
            "finesight trimap."
        )
    if unknown == 0:
        note = f"{name} has no unknown region: alpha is 0 and 255 as it says, and no network was used"
        return ReadTrimap(trimap.classes, (*trimap.notes, note))
    lacking = [word for word, each in (("background", BACKGROUND), ("foreground", FOREGROUND)) if
               not (trimap.classes == each).any()]  # fmt: skip
    notes = (f"{name} knows no {word}; the result will be a guess" for word in lacking)
    return ReadTrimap(trimap.classes, (*trimap.notes, *notes))


def boxes_mask(height: int, width: int, boxes: Sequence[Box]) -> NDArray[np.bool_]:
    """True inside boxes; what lies beyond the picture is cut off.

    Raises:
        SettingError: a box that holds no pixel of the picture.
    """
    mask = np.zeros((height, width), np.bool_)
    for left, top, wide, tall in boxes:
        part = mask[max(top, 0) : max(top + tall, 0), max(left, 0) : max(left + wide, 0)]
        if not part.size:
            raise SettingError(
                f"The box {left},{top},{wide},{tall} (left, top, width, height) holds no pixel of a picture of "
                f"{width}x{height}."
            )
        part[:] = True
    return mask


def made_trimap(
    alpha: NDArray[Any],
    *,
    inside: float,
    outside: float,
    unknown: NDArray[np.bool_] | None = None,
) -> Classes:
    """A trimap around what a mask or a rough alpha shows.

    Args:
        alpha: ``(H, W)`` of uint8, uint16, or float or bool up to 1. Up to 5 % it is background, from 95 % on
            foreground; in between it is unknown at any width.
        inside: pixels of foreground that become unknown along the edge (Euclidean).
        outside: pixels of background that become unknown along the edge.
        unknown: ``(H, W)``, True where it is unknown in any case (boxes around hair, say).

    Raises:
        SettingError: a negative width.
    """
    if inside < 0 or outside < 0:
        raise SettingError(f"widths are pixels from 0 on, got {inside:g} inside and {outside:g} outside.")
    most = most_of(alpha.dtype) if alpha.dtype.kind == "u" else 1
    front, back = alpha >= LIGHT * most, alpha <= DARK * most
    if unknown is not None:
        front, back = front & ~unknown, back & ~unknown
    classes = np.full(alpha.shape, UNKNOWN, np.uint8)
    classes[front & (_distance(~front, inside) > inside)] = FOREGROUND
    classes[back & (_distance(~back, outside) > outside)] = BACKGROUND
    return classes


def _distance(marked: NDArray[np.bool_], most: float) -> NDArray[Any]:
    found: NDArray[Any] = distances_to(torch.from_numpy(marked), most=most).numpy()
    return found


def trimap_picture(classes: Classes, like: Picture) -> Picture:
    """The trimap as an 8-bit grey picture with the resolution and times of ``like``."""
    return Picture(pixels=LEVELS[classes][:, :, None], format="png", dpi=like.dpi, times=like.times)


def rough_alpha(picture: Picture) -> NDArray[Any]:
    """What a picture shows as a mask: its alpha where that varies, else its brightest channel."""
    if picture.alpha is not None and picture.alpha.min() != picture.alpha.max():
        return picture.alpha
    return to_depth(picture.pixels.max(axis=2), picture.depth)
