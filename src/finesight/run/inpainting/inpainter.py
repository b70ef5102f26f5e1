"""Fill what is missing: ``inpaint`` for one picture, ``Inpainter`` for many with the same network."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.errors import InputError, ModelError
from finesight.media.picture import Picture
from finesight.progress import Cancel, Progress, silent
from finesight.run.devices import find_device
from finesight.run.fuse import fuse
from finesight.run.inpainting.fill import Sizes, fill_group, region_of
from finesight.run.inpainting.holes import (
    AnyMask,
    Box,
    Group,
    Hole,
    as_hole,
    boxes_hole,
    checked,
    colour_hole,
    fitted,
    groups,
    grown,
)
from finesight.run.inpainting.pyramid import Level, to_level
from finesight.run.inpainting.report import InpaintReport
from finesight.run.inpainting.windows import count_windows
from finesight.run.kinds import AnyPicture, as_picture
from finesight.run.pixels import most_of, quantise
from finesight.zoo.model import Model

__all__ = ["DEFAULT_MODEL", "Inpainter", "inpaint", "missing_pixels", "opaque_where"]

DEFAULT_MODEL = "finesight-inpaint"

_SIZES = {
    "rayfill": Sizes(window=384, widest=64, context=96, plain=17),
    "aot-gan": Sizes(window=512, widest=192, context=128, plain=192),
}
_PUBLISHED = Sizes(window=384, widest=128, context=96, plain=128)  # trained with boxes of 128 in 256
_NATIVE = {"aot-gan": 512}
_NATIVE_SIDE = 256


class Inpainter:
    """Fills holes of pictures; loads its network once.

    Args:
        model: a name of the zoo, a file, or a ``Model``; default: ``finesight-inpaint``, which ships.
        device: ``auto``, ``cpu``, ``cuda``, ``mps``, ``xpu``.
        native: the whole picture is brought to the size that the network was published for (256x256, AOT-GAN 512x512),
            filled there, and the hole's pixels are brought back.
        detail: wide holes get texture, patch by patch, from the known places that look most alike: wider than 17 pixels
            with the shipped network, than what the network was trained with (128, AOT-GAN 192) with published ones.

    Raises:
        ModelError: the model fills no holes, or cannot be loaded.
        SettingError: the device is not there.
    """

    def __init__(
        self,
        model: Model | str | os.PathLike[str] | None = None,
        *,
        device: str = "auto",
        native: bool = False,
        detail: bool = True,
    ) -> None:
        self.device = find_device(device)
        self.native, self.detail = native, detail
        self.model = _filling(model)
        self.sizes = _SIZES.get(self.model.card.architecture, _PUBLISHED)
        self._network: torch.nn.Module | None = None

    def __call__(
        self,
        picture: Picture,
        hole: Hole,
        *,
        name: str = "The mask",
        progress: Progress = silent,
        cancel: Cancel | None = None,
    ) -> tuple[Picture, InpaintReport]:
        """Fill ``hole``; every other pixel, alpha and all metadata stay as they are, bit for bit.

        Args:
            hole: ``(height, width)`` of the picture, True = missing.
            name: of the mask, in messages.
            progress: counts windows.
            cancel: looked at after every window.

        Raises:
            InputError: nothing is known, or the mask has another size.
            CalculationError, CancelledError
        """
        began = time.perf_counter()
        hole = fitted(hole, picture, name=name)
        if picture.depth == 32 and not np.isfinite(picture.pixels[~hole]).all():
            raise InputError("The picture holds NaN or infinity. Replace them first, for instance with np.nan_to_num.")
        state, notes = checked(hole, name=name)
        missing = int(hole.sum())
        facts: dict[str, Any] = {"missing": missing, "share": missing / hole.size}
        if state == "empty":
            return picture, InpaintReport(model="", **facts, notes=notes)
        pixels = picture.pixels.copy()
        counts = self._native(pixels, hole) if self.native else self._fill(pixels, hole, progress, cancel)
        report = InpaintReport(
            model=self.model.card.name,
            **facts,
            **counts,
            device=str(self.device),
            seconds=time.perf_counter() - began,
            notes=notes,
        )
        return picture.replace(pixels=pixels), report

    def _fill(self, pixels: np.ndarray, hole: Hole, progress: Progress, cancel: Cancel | None) -> dict[str, int]:
        """Every group of holes from what is known around it."""
        found = groups(hole, near=self.sizes.context)
        plans = [(group, *region_of(group, hole, self.sizes)) for group in found]
        count = _Count(progress, sum(self._windows(region, hole, levels) for _, region, levels in plans))
        known = pixels.copy() if len(plans) > 1 else pixels  # a group is not filled from another's filling
        for group, region, levels in plans:
            part = hole[region.place]
            filled = fill_group(
                known[region.place],
                part,
                levels,
                self.sizes,
                self._paint,
                detail=self.detail,
                done=count.one,
                cancel=cancel,
            )
            _put(pixels, filled, hole, group, region)
        return {
            "holes": len(plans),
            "halvings": max(levels for _, _, levels in plans),
            "windows": count.done,
        }

    def _windows(self, region: Group, hole: Hole, levels: int) -> int:
        """About how many windows a group takes; the smaller sizes count in proportion."""
        own = count_windows(hole[region.place], self.sizes.window)
        return max(1, round(own * 4 / 3)) if levels else own

    def _native(self, pixels: np.ndarray, hole: Hole) -> dict[str, int]:
        """The whole picture at the network's own size."""
        side = _NATIVE.get(self.model.card.architecture, _NATIVE_SIDE)
        level = to_level(pixels, hole)
        known = torch.from_numpy(~hole).to(torch.float32)[None, None]
        size = (side, side)
        shrunk = F.interpolate(torch.cat((level.image[None] * known, known), dim=1), size=size, mode="area")[0]
        small = Level(shrunk[:-1] / shrunk[-1:].clamp(min=1e-6), (shrunk[-1] < 0.5).numpy())
        mask = torch.from_numpy(small.hole)[None, None].to(torch.float32)
        seen = small.image.expand(3, -1, -1)[None] * (1 - mask)
        filled = self._paint(seen, mask)[0].float().cpu()
        filled = filled.mean(0, keepdim=True) if len(level.image) == 1 else filled
        large = F.interpolate(filled[None], size=hole.shape, mode="bicubic", align_corners=False)[0]
        everything = Group(0, hole.shape[0], 0, hole.shape[1])
        _put(pixels, large, hole, everything, everything)
        return {"holes": 1, "halvings": 0, "windows": 1}

    @torch.inference_mode()
    def _paint(self, image: Tensor, mask: Tensor) -> Tensor:
        if self._network is None:
            self._network = fuse(self.model.network).to(self.device).eval()
        return self._network(image.to(self.device), mask.to(self.device))  # type: ignore[no-any-return]


@dataclass(slots=True)
class _Count:
    """Windows that are done."""

    progress: Progress
    total: int
    done: int = 0

    def one(self) -> None:
        self.done += 1
        self.progress(self.done, max(self.total, self.done), "windows")


def _put(pixels: np.ndarray, filled: Tensor, hole: Hole, group: Group, region: Group) -> None:
    """Write a region's filled pixels, those that are missing inside the group's box only."""
    top, left = group.top - region.top, group.left - region.left
    part = filled[:, top : top + group.bottom - group.top, left : left + group.right - group.left]
    values = quantise(part.clone(), pixels.dtype)
    inside = hole[group.place]
    pixels[group.place][inside] = values[inside]


def _filling(model: Model | str | os.PathLike[str] | None) -> Model:
    """A model that takes a picture and a mask.

    Raises:
        ModelError: it does not.
    """
    if not isinstance(model, Model):
        from finesight.zoo import load

        model = load(DEFAULT_MODEL if model is None else os.fspath(model))
    if model.traits.task != "inpainting":
        raise ModelError(
            f"{model.card.name} does not fill holes (task {model.traits.task}); "
            "see: finesight models list --task inpainting"
        )
    return model


def missing_pixels(
    picture: Picture,
    mask: AnyMask | None = None,
    *,
    colour: tuple[int, int, int] | None = None,
    tolerance: float = 0.0,
    boxes: Sequence[Box] = (),
    invert: bool = False,
    resize_mask: bool = False,
    grow: int = 0,
) -> Hole:
    """Everything that marks a picture's pixels as missing, in one.

    Args:
        mask, colour, boxes: see ``inpaint``; what any of them marks is missing.
        tolerance: of the colour; largest difference of a channel, of 255.
        invert: of ``mask`` alone: dark pixels are missing.
        resize_mask: bring a mask of another size to the picture's.
        grow: pixels added on all sides of every hole.

    Raises:
        InputError: no mask at all, or one that does not fit.
        SettingError: a box outside the picture.
    """
    if mask is None and colour is None and not boxes:
        raise InputError("Nothing says what is missing: give a mask, a colour or boxes.")
    hole: Hole = np.zeros((picture.height, picture.width), np.bool_)
    if mask is not None:
        drawn = as_hole(mask, picture)
        hole |= fitted(~drawn if invert else drawn, picture, resize=resize_mask)
    if colour is not None:
        hole |= colour_hole(picture, colour, tolerance=tolerance)
    if boxes:
        hole |= boxes_hole(picture.height, picture.width, boxes)
    return grown(hole, grow)


def opaque_where(picture: Picture, hole: Hole) -> Picture:
    """The picture with full alpha inside the hole: what was transparent because it was missing is so no more."""
    if picture.alpha is None:
        return picture
    alpha = picture.alpha.copy()
    alpha[hole] = most_of(alpha.dtype)
    return picture.replace(alpha=alpha)


def inpaint(
    picture: AnyPicture,
    mask: AnyMask | None = None,
    *,
    colour: tuple[int, int, int] | None = None,
    tolerance: float = 0.0,
    boxes: Sequence[Box] = (),
    model: Model | str | os.PathLike[str] | None = None,
    invert: bool = False,
    resize_mask: bool = False,
    grow: int = 0,
    native: bool = False,
    detail: bool = True,
    device: str = "auto",
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> Any:
    """Fill the missing pixels of a picture and give back the kind that was given.

    Args:
        picture: a path (gives a ``Picture``), a ``Picture``, a PIL image, a NumPy array ``(H, W[, 1-4])`` or a tensor
            ``(1-4, H, W)``.
        mask: the same kinds, above half = missing; or ``"alpha"``: what is transparent is missing, and opaque after.
        colour: pixels of this red, green and blue (0 to 255) are missing, within ``tolerance`` of each channel.
        boxes: rectangles (left, top, width, height) that are missing.
        model, native, detail, device: see ``Inpainter``.
        invert, resize_mask, grow: see ``missing_pixels``.
        progress, cancel: see ``Inpainter.__call__``.

    Returns:
        The same kind, size, depth and channels. Pixels that are not missing are equal bit for bit.

    >>> grey = np.full((64, 64, 3), 90, np.uint8)
    >>> int(inpaint(grey, boxes=[(20, 20, 9, 9)])[24, 24, 0])  # doctest: +SKIP
    90

    Raises:
        InputError: not a picture, no mask, or a mask that does not fit or marks everything.
        ModelError, SettingError, CalculationError, CancelledError
    """
    given, back = as_picture(picture)
    hole = missing_pixels(
        given,
        mask,
        colour=colour,
        tolerance=tolerance,
        boxes=boxes,
        invert=invert,
        resize_mask=resize_mask,
        grow=grow,
    )
    result, _ = Inpainter(model, device=device, native=native, detail=detail)(
        given, hole, progress=progress, cancel=cancel
    )
    return back(opaque_where(result, hole) if isinstance(mask, str) and mask == "alpha" else result)
