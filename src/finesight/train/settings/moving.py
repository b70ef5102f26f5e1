"""Data of clips that move: crops of photographs under a moving camera, and a film."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from finesight.errors import SettingError
from finesight.train.settings.strict import DataKind

if TYPE_CHECKING:
    from finesight.data.batch import Source
    from finesight.nn.traits import Traits

__all__ = ["MovingSettings"]


class MovingSettings(DataKind):
    """Clips made of the crops of a pack, and cut out of a film."""

    kind: Literal["moving"] = "moving"
    pack: str = Field(description="file made by `finesight data pack`; a relative path is looked up from where you are")
    film: str | None = Field(None, description="a clip of which the places that move are used as well")
    film_share: float = Field(0.25, ge=0, le=1, description="how many of the samples are from the film")
    frames: PositiveInt = Field(5, description="of a clip; for interpolation always 3")
    patch: PositiveInt = Field(128, description="side of the target, pixels")
    speed: float = Field(8.0, gt=0, description="fastest motion, pixels of the target a frame")
    zoom: tuple[PositiveFloat, PositiveFloat] = Field(
        (0.3, 1.25), description="pixels of a crop for one of the target, least and most: small ones make clips soft"
    )
    held_out: int = Field(40, ge=2, description="every so many crops one is kept for validation")

    def source(self, traits: Traits, *, seed: int) -> Source:
        from finesight.data.moving import MovingCrops, filmed

        middle = traits.task == "interpolation" and traits.frames == 2
        if not middle and traits.kind != "recurrent":
            raise SettingError(
                f"data.kind moving feeds interpolation between two frames and recurrent networks of clips; this is a "
                f"network of kind {traits.kind} for {traits.task}. Choose another data.kind, such as clips."
            )
        return MovingCrops(
            Path(self.pack).expanduser(),
            wanted="middle" if middle else "enlarged",
            frames=3 if middle else self.frames,
            patch=self.patch,
            scale=traits.scale or 1,
            speed=self.speed,
            zoom=self.zoom,
            film=filmed(Path(self.film).expanduser()) if self.film else (),
            film_share=self.film_share,
            held_out=self.held_out,
            seed=seed,
        )
