"""Data for training inpainting: pictures, and the holes in them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveInt

from finesight.errors import SettingError
from finesight.train.settings.masks import IrregularMasks, MaskSettings
from finesight.train.settings.strict import DataKind, Strict

if TYPE_CHECKING:
    from finesight.data.batch import Source
    from finesight.nn.traits import Traits

__all__ = ["InpaintingSettings", "JitterSettings"]


class JitterSettings(Strict):
    """Random colours; see ``finesight.data.jitter``."""

    brightness: float = Field(0.5, ge=0, le=1)
    contrast: float = Field(0.5, ge=0, le=1)
    saturation: float = Field(0.5, ge=0, le=1)
    hue: float = Field(0.5, ge=0, le=0.5)


class InpaintingSettings(DataKind):
    """Pictures with holes drawn afresh for every sample."""

    kind: Literal["inpainting"] = "inpainting"
    pictures: str = Field(description="a pack, a folder, or a list with a path a line")
    masks: tuple[MaskSettings, ...] = Field(
        (IrregularMasks(),), min_length=1, description="kinds of holes; each sample takes one of them"
    )
    size: PositiveInt = Field(256, description="side of a sample, pixels")
    crop: PositiveInt | None = Field(None, description="side of the square that is resized to `size`; none: `size`")
    area: tuple[float, float] | None = Field(
        None, description="instead: share of the picture that a rectangle of random sides has, resized to `size`"
    )
    turns: bool = Field(False, description="one of the eight turns and mirrorings")
    flip: bool = Field(False, description="picture and mask mirrored half of the time")
    jitter: JitterSettings | None = Field(None, description="random colours")
    held_out: int = Field(40, ge=2, description="every so many pictures one is kept for validation")

    def source(self, traits: Traits, *, seed: int) -> Source:
        from finesight.data.inpainting import Cut, HoleSource, pictures_of
        from finesight.data.jitter import Jitter

        if [port.name for port in traits.inputs] != ["image", "mask"]:
            ports = ", ".join(port.name for port in traits.inputs)
            raise SettingError(
                f"data.kind inpainting feeds a picture and a mask; this network takes {ports}. "
                "Choose an inpainting architecture, or another kind of data."
            )
        cut = Cut(
            size=self.size,
            crop=self.crop,
            area=self.area,
            turns=self.turns,
            flip=self.flip,
            jitter=None if self.jitter is None else Jitter(**self.jitter.model_dump()),
        )
        return HoleSource(
            pictures_of(Path(self.pictures).expanduser()),
            [masks.generator() for masks in self.masks],
            cut,
            held_out=self.held_out,
            seed=seed,
        )
