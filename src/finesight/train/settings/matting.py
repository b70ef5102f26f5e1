"""Data of matting: drawn alphas over photographs, and Composition-1k."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveInt

from finesight.errors import SettingError
from finesight.train.settings.strict import DataKind

if TYPE_CHECKING:
    from finesight.data.batch import Source
    from finesight.nn.traits import Traits

__all__ = ["CompositionSettings", "MattingSettings"]


def check_task(traits: Traits, kind: str) -> None:
    """Whether the network takes a picture and a trimap.

    Raises:
        SettingError: it does not.
    """
    names = tuple(port.name for port in traits.inputs)
    if names != ("image", "trimap"):
        raise SettingError(
            f"data.kind {kind} feeds a picture and a trimap; this network takes {', '.join(names)}. "
            "Choose a matting network, such as trimap-unet."
        )


class MattingSettings(DataKind):
    """The crops of a pack, composed by alphas that the code draws."""

    kind: Literal["matting"] = "matting"
    pack: str = Field(description="file made by `finesight data pack`; a relative path is looked up from where you are")
    patch: PositiveInt = Field(192, description="side of a sample, pixels")
    widest: PositiveInt = Field(24, description="how far the unknown region may reach beyond what is not quite known")
    noise: float = Field(4.0, ge=0, le=64, description="largest standard deviation of noise, grey levels of 255")
    alphas: PositiveInt = Field(600, description="how many alphas are drawn at the start")
    held_out: int = Field(7, ge=2, description="every so many photographs one is kept for validation")

    def source(self, traits: Traits, *, seed: int) -> Source:
        from finesight.data.matting_source import DrawnMattes

        check_task(traits, self.kind)
        return DrawnMattes(
            Path(self.pack).expanduser(),
            patch=self.patch,
            widest=self.widest,
            noise=self.noise,
            alphas=self.alphas,
            held_out=self.held_out,
            seed=seed,
        )


class CompositionSettings(DataKind):
    """Composition-1k, or data of its layout (docs/matting.md), by a published pipeline."""

    kind: Literal["composition"] = "composition"
    root: str = Field("data/adobe_composition-1k", description="folder that the lists' paths are relative to")
    training: str = Field("training_list.json", description="list of compositions below root")
    validation: str | None = Field("test_list.json", description="list with trimaps below root; null: none")
    pipeline: Literal["dim", "indexnet", "gca"] = Field("dim", description="whose augmentations")
    backgrounds: str | None = Field(None, description="folder of pictures that gca composes with; null: the list's")
    patch: PositiveInt | None = Field(None, description="side of a sample, pixels; null: 320 as published, of gca 512")
    held_out: PositiveInt = Field(20, description="at most so many samples of the validation list")

    def source(self, traits: Traits, *, seed: int) -> Source:
        from finesight.data.matting_compositions import Compositions

        check_task(traits, self.kind)
        return Compositions(
            Path(self.root).expanduser(),
            training=self.training,
            validation=self.validation,
            pipeline=self.pipeline,
            backgrounds=None if self.backgrounds is None else Path(self.backgrounds).expanduser(),
            patch=self.patch,
            held_out=self.held_out,
            seed=seed,
        )
