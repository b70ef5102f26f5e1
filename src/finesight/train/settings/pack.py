"""Data that training can carry with it: packed crops, and pictures that the code draws."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveInt

from finesight.train.settings.degradations import DegradationSettings, how
from finesight.train.settings.strict import DataKind

if TYPE_CHECKING:
    from finesight.data.batch import Source
    from finesight.nn.traits import Traits

__all__ = ["DrawnSettings", "PackSettings"]


class PackSettings(DataKind):
    """Crops in one file, kept whole in memory."""

    kind: Literal["pack"] = "pack"
    pack: str = Field(description="file made by `finesight data pack`; a relative path is looked up from where you are")
    patch: PositiveInt = Field(32, description="side of a low-resolution patch, pixels")
    degradation: DegradationSettings = "bicubic"
    block: PositiveInt | None = Field(None, description="side of what is degraded before the patch is cut out of it")
    sharpen: bool = Field(False, description="unsharp masking of the truth; `plain` is the truth without it")
    held_out: int = Field(40, ge=2, description="every so many crops one is kept for validation")

    def source(self, traits: Traits, *, seed: int) -> Source:
        from finesight.data.crops import CropPairs

        return CropPairs(
            Path(self.pack).expanduser(),
            scale=traits.scale or 1,
            patch=self.patch,
            degradation=None if self.degradation == "bicubic" else how(self.degradation),
            block=self.block,
            sharpen=self.sharpen,
            held_out=self.held_out,
            seed=seed,
        )


class DrawnSettings(DataKind):
    """Pictures that the code draws (text, lines, shapes, waves): needs no data at all."""

    kind: Literal["drawn"] = "drawn"
    pictures: int = Field(200, ge=2, description="how many are drawn")
    side: int = Field(192, ge=16, description="their width and height, pixels")
    patch: PositiveInt = Field(32, description="side of a low-resolution patch, pixels")
    degradation: DegradationSettings = "bicubic"
    block: PositiveInt | None = Field(None, description="side of what is degraded before the patch is cut out of it")
    sharpen: bool = Field(False, description="unsharp masking of the truth; `plain` is the truth without it")
    held_out: int = Field(40, ge=2, description="every so many pictures one is kept for validation")

    def source(self, traits: Traits, *, seed: int) -> Source:
        import numpy as np

        from finesight.data.crops import CropPairs
        from finesight.data.drawn import drawn_picture

        random = np.random.default_rng(seed)
        return CropPairs(
            [drawn_picture(random, self.side) for _ in range(self.pictures)],
            scale=traits.scale or 1,
            patch=self.patch,
            degradation=None if self.degradation == "bicubic" else how(self.degradation),
            block=self.block,
            sharpen=self.sharpen,
            held_out=self.held_out,
            seed=seed,
        )
