"""Batches of (low, high) resolution patches from a pack, each a function of the seed and the step alone.

Because no state is carried from step to step, a resumed run sees exactly what an uninterrupted one would have seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from finesight.data.batch import Batch, chance
from finesight.data.lowering import How, Lowering
from finesight.data.pack import read_pack
from finesight.degrade.resize import resize_8bit
from finesight.errors import InputError, SettingError

__all__ = ["CropPairs"]


class CropPairs:
    """Random patch pairs out of the crops of one pack.

    Args:
        crops: a pack made by ``finesight data pack``, or the crops themselves, uint8 RGB ``(side, side, 3)``.
        scale: high over low resolution.
        patch: side of a low-resolution patch in pixels.
        degradation: ``None`` for MATLAB-style bicubic on 8-bit pictures, otherwise ranges or a name.
        block, sharpen: see ``finesight.data.lowering.Lowering``; ``others["plain"]`` is the truth before sharpening.
        held_out: every so many crops one is kept for validation.
        seed: decides every batch.
    """

    def __init__(
        self,
        crops: Path | Sequence[np.ndarray],
        *,
        scale: int,
        patch: int,
        degradation: How | None = None,
        block: int | None = None,
        sharpen: bool = False,
        held_out: int = 40,
        seed: int = 0,
    ) -> None:
        name = str(crops) if isinstance(crops, Path) else "The data"
        crops = read_pack(crops) if isinstance(crops, Path) else crops
        if not crops:
            raise InputError(f"{name} holds no crops. Make a pack with: finesight data pack")
        side = crops[0].shape[0] // scale * scale
        self.lowering = None if degradation is None else Lowering(degradation, scale, patch, block, sharpen)
        need = patch * scale if self.lowering is None else self.lowering.side
        if need > side:
            raise SettingError(f"patch {patch} needs crops of {need} pixels, {name} has {side}")
        high = torch.from_numpy(np.stack([crop[:side, :side] for crop in crops])).permute(0, 3, 1, 2).contiguous()
        chosen = torch.arange(len(high)) % held_out == held_out - 1
        self.scale, self.patch, self.seed = scale, patch, seed
        self.high, self.held_out = high[~chosen], high[chosen]
        if not len(self.high):
            raise InputError(f"{name} holds only {len(crops)} crops; training needs at least 2")
        self.low = None
        if self.lowering is None:
            self.low = torch.cat([resize_8bit(part, scale=1 / scale) for part in self.high.split(64)])

    def batch(self, step: int, size: int) -> Batch:
        """Low and high patches of one step, float in [0, 1]: ``(size, 3, patch, patch)`` and ``scale`` times that."""
        generator = chance(self.seed, step)
        pairs = [self._pair(generator) for _ in range(size)]
        low, high = (torch.stack([pair[i] for pair in pairs]) for i in (0, 1))
        return self._finished(low, high)

    def _finished(self, low: Tensor, high: Tensor) -> Batch:
        if self.lowering is None or not self.lowering.sharpen:
            return Batch((low,), high)
        return Batch((low,), self.lowering.target(high), others={"plain": high})

    def _pair(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        def draw(bound: int) -> int:
            return int(torch.randint(bound, (), generator=generator))

        index, turn, s = draw(len(self.high)), draw(8), self.scale
        side = self.high.shape[-1] // s
        if self.low is not None:
            top, left = draw(side - self.patch + 1), draw(side - self.patch + 1)
            low = self.low[index, :, top : top + self.patch, left : left + self.patch].float() / 255
            high = self._high(index, top, left, self.patch)
            return _turned(low, turn), _turned(high, turn)
        assert self.lowering is not None
        large = self.lowering.side // s
        top, left = draw(side - large + 1), draw(side - large + 1)
        return self.lowering.pair(_turned(self._high(index, top, left, large), turn), generator)

    def _high(self, index: int, top: int, left: int, size: int) -> Tensor:
        s = self.scale
        return self.high[index, :, s * top : s * (top + size), s * left : s * (left + size)].float() / 255

    def validation(self) -> Iterator[Batch]:
        """The held-out crops whole, one by one."""
        low, high = self.validation_pairs()
        for index in range(len(high)):
            yield self._finished(low[index : index + 1], high[index : index + 1])

    def validation_pairs(self) -> tuple[Tensor, Tensor]:
        """The held-out crops whole: low and high resolution, float in [0, 1]; the same at every call."""
        high = self.held_out.float() / 255
        if self.lowering is None:
            return resize_8bit(self.held_out, scale=1 / self.scale).float() / 255, high
        generator = torch.Generator().manual_seed(self.seed)
        low = [self.lowering.low(one, generator) for one in high]
        return torch.stack(low) if low else high, high


def _turned(image: Tensor, turn: int) -> Tensor:
    """One of the eight turns and mirrorings of a square."""
    image = image.rot90(turn % 4, (-2, -1))
    return image.flip(-1) if turn >= 4 else image
