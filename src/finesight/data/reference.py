"""Batches for super-resolution with a reference: a picture, its small version, and another of similar content.

The layout is CUFED's: two folders with equal file names, ``train/input`` and ``train/ref``.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from finesight.data.augment import Turns, draw_turn, turned
from finesight.data.batch import Batch, chance
from finesight.data.lowering import as_tensor
from finesight.data.paired import matched_names
from finesight.data.picks import attempt, picks, split_off
from finesight.data.pictures import Pictures, UndecodableError
from finesight.errors import InputError, SettingError

__all__ = ["ReferenceSource", "fitted", "small_of"]

Pixels = NDArray[np.uint8]


def fitted(reference: Pixels, height: int, width: int) -> Pixels:
    """A reference cut, or continued in black, at its lower and right side, to the size of the truth."""
    canvas = np.zeros((height, width, 3), np.uint8)
    part = reference[:height, :width]
    canvas[: part.shape[0], : part.shape[1]] = part
    return canvas


def small_of(pixels: Pixels, scale: int) -> Pixels:
    """Pillow's bicubic, 8-bit, to sides of ``int(side / scale + 0.5)``."""
    size = (int(pixels.shape[1] / scale + 0.5), int(pixels.shape[0] / scale + 0.5))
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).resize(size, Image.Resampling.BICUBIC))


class ReferenceSource:
    """Whole pictures of one size with a reference each.

    Args:
        inputs, references: pictures with equal names below their folders.
        scale: high over low resolution.
        turns: of the picture with its small version, and drawn apart for the reference.
        held_out: every so many pairs one is kept for validation; 0 keeps none.
        validation: inputs and references to validate with, instead.
        seed: decides every batch.

    Raises:
        InputError: the names do not match.
        SettingError: the pictures to train from have several sizes, or sides that are no multiples of the scale.
    """

    def __init__(
        self,
        inputs: Pictures,
        references: Pictures,
        *,
        scale: int = 4,
        turns: Turns = "all",
        held_out: int = 0,
        validation: tuple[Pictures, Pictures] | None = None,
        seed: int = 0,
    ) -> None:
        self.inputs, self.references, self.scale, self.turns, self.seed = inputs, references, scale, turns, seed
        pairs = matched_names(inputs, references)
        chosen, kept = split_off(len(pairs), held_out if validation is None else 0)
        self.pairs, self.kept = [pairs[number] for number in chosen], [pairs[number] for number in kept]
        self.others = validation
        self.other_pairs = [] if validation is None else matched_names(*validation)
        sizes = {(inputs.entries[one].height, inputs.entries[one].width) for one, _ in self.pairs}
        if not self.pairs:
            raise InputError(f"{inputs.files.place} has only pictures to hold out; training needs at least 2")
        if len(sizes) > 1 or any(side % scale for side in next(iter(sizes))):
            shown = ", ".join(f"{width}x{height}" for height, width in sorted(sizes)[:4])
            raise SettingError(
                f"{inputs.files.place}: pictures of one size, multiples of {scale}, are needed; found {shown}"
            )

    def batch(self, step: int, size: int) -> Batch:
        """See ``finesight.data.batch.Source``; the inputs are the small picture and the reference."""
        generator = chance(self.seed, step)
        numbers = picks(self.seed, step, size, len(self.pairs))
        samples = [attempt(len(self.pairs), n, lambda number: self._sample(number, generator)) for n in numbers]
        low, reference, high = (torch.stack([sample[part] for sample in samples]) for part in range(3))
        return Batch((low, reference), high)

    def _sample(self, number: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        one, other = draw_turn(self.turns, generator), draw_turn(self.turns, generator)
        low, reference, high = self._whole(self.inputs, self.references, self.pairs[number])
        if high.shape[-1] != high.shape[-2]:  # a quarter turn would change the size
            one, other = (turn - turn % 4 + turn % 4 // 2 * 2 for turn in (one, other))
        return turned(low, one), turned(reference, other), turned(high, one)

    def _whole(self, inputs: Pictures, references: Pictures, pair: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
        truth = inputs.whole(pair[0])
        truth = truth[: truth.shape[0] // self.scale * self.scale, : truth.shape[1] // self.scale * self.scale]
        reference = fitted(references.whole(pair[1]), *truth.shape[:2])
        return as_tensor(small_of(truth, self.scale)), as_tensor(reference), as_tensor(truth)

    def validation(self) -> Iterator[Batch]:
        """Held-out pairs, or those given for it."""
        inputs, references = self.others or (self.inputs, self.references)
        for pair in self.other_pairs if self.others else self.kept:
            try:
                low, reference, high = self._whole(inputs, references, pair)
            except UndecodableError:
                continue
            yield Batch((low[None], reference[None]), high[None])
