"""Batches out of folders of pictures as they are: nothing is cut or converted beforehand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from finesight.data.augment import Turns, cutblur, draw_turn, mixup, turned
from finesight.data.batch import Batch, chance
from finesight.data.lowering import Lowering, as_tensor, mirrored_to
from finesight.data.picks import attempt, integer, picks, split_off
from finesight.data.pictures import Pictures, UndecodableError
from finesight.degrade.resize import resize_8bit
from finesight.errors import InputError, SettingError

__all__ = ["Changes", "FolderSource", "changed", "middle"]

_REACH = 3  # low pixels beyond a patch that bicubic shrinking looks at
_VALIDATION = 7919  # validation draws from seeds of its own


@dataclass(frozen=True, slots=True)
class Changes:
    """What is done to pairs besides: turns of each pair, and mixing within the batch."""

    turns: Turns = "all"
    mixup: float = 0.0
    cutblur: float = 0.0


def changed(low: Tensor, high: Tensor, changes: Changes, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A batch of pairs with mixup and cutblur, each by its probability."""
    if changes.mixup:
        low, high = mixup(low, high, generator, probability=changes.mixup)
    if changes.cutblur:
        low, high = cutblur(low, high, generator, probability=changes.cutblur)
    return low, high


def middle(pixels: NDArray[np.uint8], scale: int, side: int | None) -> NDArray[np.uint8]:
    """The middle of a picture with sides that are multiples of ``scale`` and at most ``side``; whole without one."""
    height, width = (min(length, side or length) // scale * scale for length in pixels.shape[:2])
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    top, left = (0, 0) if side is None else (top, left)  # benchmarks cut at the lower right
    return pixels[top : top + height, left : left + width]


class FolderSource:
    """Random patches of pictures with their low resolution made on the way.

    Args:
        pictures: to train from.
        lowering: how the low resolution is made; ``None`` in it stands for nothing. ``bicubic`` gives exactly the
            patches of the whole picture shrunk as MATLAB does on 8 bits.
        changes: turns, mixup, cutblur.
        shrinks: before everything else the picture is shrunk by one of these factors (Lanczos), drawn for each sample.
        reuse: so many steps in a row use the same pictures, at other places of them.
        held_out: every so many pictures one is kept for validation; 0 keeps none.
        validation: pictures to validate with, instead.
        validation_side: of held-out pictures the middle of at most this side is used; ``None``: the whole.
        seed: decides every batch.
    """

    def __init__(
        self,
        pictures: Pictures,
        lowering: Lowering,
        *,
        changes: Changes = Changes(),
        shrinks: Sequence[float] = (1.0,),
        reuse: int = 1,
        held_out: int = 40,
        validation: Pictures | None = None,
        validation_side: int | None = 256,
        seed: int = 0,
    ) -> None:
        if changes.cutblur and lowering.scale > 1:
            raise SettingError("cutblur needs a network that keeps the size (scale 1); leave it out for enlarging")
        exact = lowering.how == "bicubic"
        if exact and tuple(shrinks) != (1.0,):
            raise SettingError("shrinks needs another degradation than bicubic, which is exact for whole pictures")
        self.pictures, self.lowering, self.changes, self.shrinks = pictures, lowering, changes, tuple(shrinks)
        self.exact, self.reuse, self.validation_side, self.seed = exact, reuse, validation_side, seed
        self.chosen, kept = split_off(len(pictures), 0 if validation is not None else held_out)
        self.kept, self.others = kept, validation
        if not self.chosen:
            raise InputError(f"{pictures.files.place} has only pictures to hold out; training needs at least 2")

    def batch(self, step: int, size: int) -> Batch:
        """See ``finesight.data.batch.Source``; ``others["plain"]`` is the high resolution before sharpening."""
        generator = chance(self.seed, step)
        pairs = [
            attempt(len(self.chosen), number, lambda index: self._pair(self.chosen[index], generator))
            for number in picks(self.seed, step, size, len(self.chosen), reuse=self.reuse)
        ]
        low, high = (torch.stack([pair[part] for pair in pairs]) for part in (0, 1))
        low, high = changed(low, high, self.changes, generator)
        return self._finished(low, high)

    def _finished(self, low: Tensor, high: Tensor) -> Batch:
        others = {"plain": high} if self.lowering.sharpen else {}
        return Batch((low,), self.lowering.target(high), others=others)

    def _pair(self, index: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        turn = draw_turn(self.changes.turns, generator)
        if self.exact:
            low, high = self._exact(index, generator)
            return turned(low, turn), turned(high, turn)
        block = self._block(index, generator)
        return self.lowering.pair(turned(block, turn), generator)

    def _exact(self, index: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """A patch of the bicubically shrunk picture, from no more of it than needed."""
        s, p = self.lowering.scale, self.lowering.patch
        entry = self.pictures.entries[index]
        starts, spans = [], []
        for length in (entry.height, entry.width):
            start = integer(length // s - p + 1, generator)
            spans.append((max(start - _REACH, 0), min(start + p + _REACH, length // s)))
            starts.append(start - spans[-1][0])
        (top, bottom), (left, right) = spans
        around = self.pictures.part(index, s * top, s * left, s * (bottom - top), s * (right - left))
        levels = torch.from_numpy(np.ascontiguousarray(around).copy()).permute(2, 0, 1)
        low = resize_8bit(levels, scale=1 / s) if s > 1 else levels
        low = low[:, starts[0] : starts[0] + p, starts[1] : starts[1] + p]
        high = levels[:, s * starts[0] : s * (starts[0] + p), s * starts[1] : s * (starts[1] + p)]
        return low.float() / 255, high.float() / 255

    def _block(self, index: int, generator: torch.Generator) -> Tensor:
        """A random square of the side that the lowering wants, mirrored on where the picture ends."""
        shrink = self.shrinks[integer(len(self.shrinks), generator)]
        side, entry = self.lowering.side, self.pictures.entries[index]
        wanted = round(side / shrink)
        height, width = min(wanted, entry.height), min(wanted, entry.width)
        top, left = integer(entry.height - height + 1, generator), integer(entry.width - width + 1, generator)
        pixels = self.pictures.part(index, top, left, height, width)
        if shrink != 1:
            smaller = (max(1, round(width * shrink)), max(1, round(height * shrink)))
            pixels = np.asarray(Image.fromarray(pixels).resize(smaller, Image.Resampling.LANCZOS))
        return as_tensor(mirrored_to(pixels, side, side)[:side, :side])

    def validation(self) -> Iterator[Batch]:
        """Held-out pictures, low resolution made from recorded chance: the same at every call."""
        pictures = self.pictures if self.others is None else self.others
        for number in self.kept if self.others is None else range(len(pictures)):
            try:
                pixels = middle(pictures.whole(number), self.lowering.scale, self.validation_side)
            except UndecodableError:
                continue
            generator = chance(self.seed + _VALIDATION, number)
            high = as_tensor(pixels)
            if self.exact:
                levels = torch.from_numpy(np.ascontiguousarray(pixels).copy()).permute(2, 0, 1)
                s = self.lowering.scale
                low = (resize_8bit(levels, scale=1 / s) if s > 1 else levels).float() / 255
            else:
                low = self.lowering.low(high, generator)
            yield self._finished(low[None], high[None])
