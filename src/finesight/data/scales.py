"""Training and testing at any scale: how LIIF's low-resolution pictures and its queries are made."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from finesight.data.augment import Turns, draw_turn, turned
from finesight.data.batch import Batch, chance
from finesight.data.folder import middle
from finesight.data.lowering import as_tensor
from finesight.data.picks import attempt, integer, picks, split_off
from finesight.data.pictures import Pictures, UndecodableError
from finesight.errors import InputError, SettingError

__all__ = ["Queries", "ScaleSource", "drawn_queries", "fixed_scale_pair"]

Pixels = NDArray[np.uint8]


def fixed_scale_pair(pixels: Pixels, scale: float) -> tuple[Pixels, Pixels]:
    """A test pair at one scale, whole or not: low resolution by Pillow's bicubic, and the truth cut to fit.

    Args:
        pixels: uint8 ``(H, W, 3)``.
        scale: at least 1.

    Returns:
        low: ``(floor(H / scale), floor(W / scale), 3)``.
        truth: the top left ``round(low sides * scale)`` pixels.

    Raises:
        SettingError: nothing is left of the picture.
    """
    low = tuple(math.floor(side / scale + 1e-9) for side in pixels.shape[:2])
    if min(low) < 1 or scale < 1:
        raise SettingError(f"scale {scale:g}: a picture of {pixels.shape[1]}x{pixels.shape[0]} has nothing left")
    truth = pixels[: round(low[0] * scale), : round(low[1] * scale)]
    small = Image.fromarray(np.ascontiguousarray(truth)).resize((low[1], low[0]), Image.Resampling.BICUBIC)
    return np.asarray(small), truth


@dataclass(frozen=True, slots=True)
class Queries:
    """Pixels of a truth drawn without repetition.

    Args:
        coordinates: ``(q, 2)`` rows first, the centres of pixels in [-1, 1].
        cell: ``(q, 2)``, the size of a pixel of the truth, 2 / side.
        colours: ``(q, 3)`` in [0, 1].
    """

    coordinates: Tensor
    cell: Tensor
    colours: Tensor


def drawn_queries(truth: Tensor, count: int, generator: torch.Generator) -> Queries:
    """``count`` pixels of ``truth`` ``(3, H, W)`` with where they lie.

    Raises:
        SettingError: there are fewer.
    """
    height, width = truth.shape[-2:]
    if not 1 <= count <= height * width:
        raise SettingError(f"queries: expected 1 to {height * width} of a {width}x{height} picture, got {count}")
    chosen = torch.randperm(height * width, generator=generator)[:count]
    rows, columns = chosen // width, chosen % width
    coordinates = torch.stack([(2 * rows + 1) / height - 1, (2 * columns + 1) / width - 1], -1)
    cell = torch.tensor([2 / height, 2 / width]).expand(count, 2)
    return Queries(coordinates, cell.clone(), truth.flatten(1)[:, chosen].T.contiguous())


class ScaleSource:
    """Patches at random scales for networks that answer queries (LIIF, section "Training" of its published recipe).

    Every sample has its own scale s, uniform in ``scales``: a square of ``round(patch * s)`` pixels, shrunk to the
    patch by Pillow's bicubic on 8 bits, and ``queries`` of its pixels drawn without repetition.

    Args:
        pictures: to train from, no side below ``patch``; where a square of the largest scale does not fit, the range
            of scales ends sooner.
        patch: side of the low patch.
        scales: lowest and highest scale, the latter not included.
        queries: of each sample, at most ``patch * patch``; as many as that where none are given.
        turns: of the pairs.
        reuse, held_out, seed: see ``finesight.data.folder.FolderSource``.
        validation: pictures to validate with, instead of held-out ones.
        validation_scales: each picture is shrunk by all of these.
        validation_side: of pictures to validate with the middle of at most this side is used; ``None``: the whole.
    """

    def __init__(
        self,
        pictures: Pictures,
        *,
        patch: int = 48,
        scales: tuple[float, float] = (1.0, 4.0),
        queries: int | None = None,
        turns: Turns = "all",
        reuse: int = 1,
        held_out: int = 40,
        validation: Pictures | None = None,
        validation_scales: Sequence[float] = (2.0, 3.0, 4.0),
        validation_side: int | None = 256,
        seed: int = 0,
    ) -> None:
        if not 1 <= scales[0] <= scales[1]:
            raise SettingError(f"scales: expected 1 <= lowest <= highest, got {scales[0]:g} and {scales[1]:g}")
        self.queries = patch * patch if queries is None else queries
        if not 1 <= self.queries <= patch * patch:
            raise SettingError(f"queries: expected 1 to {patch * patch} for patches of {patch}, got {queries}")
        self.pictures, self.patch, self.scales, self.turns, self.reuse = pictures, patch, scales, turns, reuse
        self.others, self.validation_scales, self.side = validation, tuple(validation_scales), validation_side
        self.seed = seed
        self.chosen, self.kept = split_off(len(pictures), 0 if validation is not None else held_out)
        if not self.chosen:
            raise InputError(f"{pictures.files.place} has only pictures to hold out; training needs at least 2")

    def batch(self, step: int, size: int) -> Batch:
        """See ``finesight.data.batch.Source``: inputs are patches, coordinates and cells, the target ``(N, q, 3)``."""
        generator = chance(self.seed, step)
        samples = [
            attempt(len(self.chosen), n, lambda number: self._sample(self.chosen[number], generator))
            for n in picks(self.seed, step, size, len(self.chosen), reuse=self.reuse)
        ]
        low = torch.stack([sample[0] for sample in samples])
        coordinates, cell, colours = (
            torch.stack([getattr(sample[1], name) for sample in samples]) for name in ("coordinates", "cell", "colours")
        )
        return Batch((low, coordinates, cell), colours)

    def _sample(self, index: int, generator: torch.Generator) -> tuple[Tensor, Queries]:
        turn, entry = draw_turn(self.turns, generator), self.pictures.entries[index]
        highest = min(self.scales[1], min(entry.height, entry.width) / self.patch)
        lowest = min(self.scales[0], highest)
        scale = lowest + (highest - lowest) * float(torch.rand((), generator=generator, dtype=torch.float64))
        side = min(round(self.patch * scale), entry.height, entry.width)
        top, left = integer(entry.height - side + 1, generator), integer(entry.width - side + 1, generator)
        truth = np.ascontiguousarray(self.pictures.part(index, top, left, side, side))
        low = np.asarray(Image.fromarray(truth).resize((self.patch, self.patch), Image.Resampling.BICUBIC))
        return turned(as_tensor(low), turn), drawn_queries(turned(as_tensor(truth), turn), self.queries, generator)

    def validation(self) -> Iterator[Batch]:
        """Held-out pictures at every scale of the validation; the target is the whole picture ``(1, 3, H, W)``."""
        pictures = self.pictures if self.others is None else self.others
        for number in self.kept if self.others is None else range(len(pictures)):
            try:
                pixels = middle(pictures.whole(number), 1, self.side)
            except UndecodableError:
                continue
            for scale in self.validation_scales:
                low, truth = fixed_scale_pair(pixels, scale)
                yield Batch((as_tensor(low)[None],), as_tensor(truth)[None])
