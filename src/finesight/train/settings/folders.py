"""Data as it lies in folders: pictures alone, pairs, pictures with references, faces, and any scale."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveInt

from finesight.errors import SettingError
from finesight.train.settings.degradations import DegradationSettings, how
from finesight.train.settings.strict import DataKind, Strict

if TYPE_CHECKING:
    from finesight.data.batch import Source
    from finesight.data.folder import Changes
    from finesight.data.pictures import Pictures
    from finesight.nn.traits import Traits

__all__ = ["FaceSettings", "FolderSettings", "PairedSettings", "ReferenceSettings", "ScaleSettings"]

Turns = Literal["none", "mirror", "all"]
Folders = str | tuple[str, ...]
_HELD_OUT_SIDE = 256
_SIDE = "of pictures to validate with, at most so much of the middle; none: 256 of held-out ones, others whole"


def _paths(folders: Folders) -> list[Path]:
    return [Path(one) for one in ((folders,) if isinstance(folders, str) else folders)]


def _takes(traits: Traits, kind: str, wanted: str, ports: tuple[str, ...] = ("image",)) -> None:
    """Refuse a network with other inputs."""
    own = tuple(port.name for port in traits.inputs)
    if own != ports or traits.kind != "image":
        raise SettingError(
            f"data.kind {kind} feeds {wanted}; this network is of kind {traits.kind} and takes {', '.join(own)}. "
            "Choose another architecture, or another kind of data."
        )


class ChangeSettings(Strict):
    """Changes to training pairs."""

    turns: Turns = Field("all", description="all eight turns and mirrorings, mirror (left and right), or none")
    mixup: float = Field(0.0, ge=0, le=1, description="probability of blending the pairs of a batch")
    cutblur: float = Field(0.0, ge=0, le=1, description="probability of CutBlur; for networks that keep the size")

    def changes(self) -> Changes:
        """What the sources take."""
        from finesight.data.folder import Changes

        return Changes(self.turns, self.mixup, self.cutblur)


class FolderSettings(DataKind):
    """Pictures as they are; low quality is made on the way."""

    kind: Literal["folder"] = "folder"
    folder: Folders = Field(description="a folder, or several; BasicSR's databases where they end in .lmdb")
    patch: PositiveInt = Field(32, description="side of a low-resolution patch, pixels")
    degradation: DegradationSettings = "bicubic"
    block: PositiveInt | None = Field(None, description="side of what is degraded before the patch is cut out of it")
    sharpen: bool = Field(False, description="unsharp masking of the truth; `plain` is the truth without it")
    changes: ChangeSettings = ChangeSettings()
    shrinks: tuple[float, ...] = Field((1.0,), min_length=1, description="factors by which pictures are shrunk first")
    reuse: PositiveInt = Field(1, description="so many steps in a row use the same pictures, at other places")
    held_out: int = Field(40, ge=0, description="every so many pictures one is kept for validation; 0 keeps none")
    validation: str | None = Field(None, description="folder of pictures to validate with, instead")
    validation_side: PositiveInt | None = Field(None, description=_SIDE)

    def source(self, traits: Traits, *, seed: int) -> Source:
        from finesight.data.folder import FolderSource
        from finesight.data.lowering import Lowering
        from finesight.data.pictures import open_pictures

        _takes(traits, "folder", "a picture")
        if any(not 0 < factor <= 1 for factor in self.shrinks):
            raise SettingError(f"data.shrinks: expected factors above 0 up to 1, got {list(self.shrinks)}")
        scale = traits.scale or 1
        least = self.patch * scale
        return FolderSource(
            open_pictures(_paths(self.folder), least=(least, least)),
            Lowering(how(self.degradation), scale, self.patch, self.block, self.sharpen),
            changes=self.changes.changes(),
            shrinks=self.shrinks,
            reuse=self.reuse,
            held_out=self.held_out,
            validation=None if self.validation is None else open_pictures(_paths(self.validation)),
            validation_side=self.validation_side or (_HELD_OUT_SIDE if self.validation is None else None),
            seed=seed,
        )


class PairedSettings(DataKind):
    """Two folders with pictures of low quality and their truth, matched by name."""

    kind: Literal["paired"] = "paired"
    low: Folders = Field(description="folder of low quality")
    high: Folders = Field(description="folder of the truth; names may differ by x4, _x4, _LR, _HR, _low, _gt")
    patch: PositiveInt | None = Field(32, description="side of a low-resolution patch; none: whole pictures")
    changes: ChangeSettings = ChangeSettings()
    reuse: PositiveInt = Field(1, description="so many steps in a row use the same pictures, at other places")
    held_out: int = Field(40, ge=0, description="every so many pairs one is kept for validation; 0 keeps none")

    def source(self, traits: Traits, *, seed: int) -> Source:
        from finesight.data.paired import PairedSource
        from finesight.data.pictures import open_pictures

        _takes(traits, "paired", "a picture")
        return PairedSource(
            open_pictures(_paths(self.low)),
            open_pictures(_paths(self.high)),
            scale=traits.scale or 1,
            patch=self.patch,
            changes=self.changes.changes(),
            reuse=self.reuse,
            held_out=self.held_out,
            seed=seed,
        )


class ReferenceSettings(DataKind):
    """CUFED's layout: pictures and references of equal names, all pictures of one size."""

    kind: Literal["reference"] = "reference"
    inputs: str = Field(description="folder of pictures, CUFED/train/input")
    references: str = Field(description="folder of references, CUFED/train/ref")
    turns: Turns = "all"
    held_out: int = Field(0, ge=0, description="every so many pairs one is kept for validation; 0 keeps none")
    validation_inputs: str | None = Field(None, description="folder to validate with, CUFED/valid/input_format")
    validation_references: str | None = Field(None, description="CUFED/valid/ref1_format")

    def source(self, traits: Traits, *, seed: int) -> Source:
        from finesight.data.pictures import open_pictures
        from finesight.data.reference import ReferenceSource

        _takes(traits, "reference", "a picture and a reference", ("image", "reference"))
        if (self.validation_inputs is None) != (self.validation_references is None):
            raise SettingError("data.validation_inputs and data.validation_references belong together: give both")
        validation: tuple[Pictures, Pictures] | None = None
        if self.validation_inputs is not None and self.validation_references is not None:
            validation = (
                open_pictures(_paths(self.validation_inputs)),
                open_pictures(_paths(self.validation_references)),
            )
        return ReferenceSource(
            open_pictures(_paths(self.inputs)),
            open_pictures(_paths(self.references)),
            scale=traits.scale or 1,
            turns=self.turns,
            held_out=self.held_out,
            validation=validation,
            seed=seed,
        )


class FaceSettings(DataKind):
    """Aligned faces with landmarks, for the network ``dic``."""

    kind: Literal["faces"] = "faces"
    folder: Folders = Field(description="folder of faces, such as CelebA-HQ's")
    landmarks: str = Field(description=".json, or mmediting's train_info_list_256.npy")
    size: PositiveInt = Field(256, description="side of the pictures in which the landmarks are given")
    mirror: bool = Field(False, description="mirror half of the faces and their landmarks; not published")
    held_out: int = Field(40, ge=0, description="every so many faces one is kept for validation; 0 keeps none")
    validation: str | None = Field(None, description="folder of faces to validate with, instead")

    def source(self, traits: Traits, *, seed: int) -> Source:
        from finesight.data.faces import FaceSource, read_landmarks
        from finesight.data.pictures import open_pictures

        _takes(traits, "faces", "a face of 16x16")
        if traits.scale != 8:
            raise SettingError(f"data.kind faces is for networks of scale 8, such as dic; this one has {traits.scale}.")
        return FaceSource(
            open_pictures(_paths(self.folder)),
            read_landmarks(Path(self.landmarks).expanduser()),
            size=self.size,
            mirror=self.mirror,
            held_out=self.held_out,
            validation=None if self.validation is None else open_pictures(_paths(self.validation)),
            seed=seed,
        )


class ScaleSettings(DataKind):
    """Pictures at any scale, for networks that answer queries (LIIF)."""

    kind: Literal["scales"] = "scales"
    folder: Folders = Field(description="a folder of pictures, or several")
    patch: PositiveInt = Field(48, description="side of a low-resolution patch, pixels")
    scales: tuple[float, float] = Field((1.0, 4.0), description="lowest and highest")
    queries: PositiveInt | None = Field(None, description="pixels asked for in a sample; none: patch times patch")
    turns: Turns = "all"
    reuse: PositiveInt = Field(1, description="so many steps in a row use the same pictures, at other places")
    held_out: int = Field(40, ge=0, description="every so many pictures one is kept for validation; 0 keeps none")
    validation: str | None = Field(None, description="folder of pictures to validate with, instead")
    validation_scales: tuple[float, ...] = (2.0, 3.0, 4.0)
    validation_side: PositiveInt | None = Field(None, description=_SIDE)

    def source(self, traits: Traits, *, seed: int) -> Source:
        from finesight.data.pictures import open_pictures
        from finesight.data.scales import ScaleSource

        if traits.kind != "query":
            raise SettingError(
                f"data.kind scales is for networks that answer queries, such as liif; this one is of kind "
                f"{traits.kind}. Choose kind: folder."
            )
        return ScaleSource(
            open_pictures(_paths(self.folder), least=(self.patch, self.patch)),
            patch=self.patch,
            scales=self.scales,
            queries=self.queries,
            turns=self.turns,
            reuse=self.reuse,
            held_out=self.held_out,
            validation=None if self.validation is None else open_pictures(_paths(self.validation)),
            validation_scales=self.validation_scales,
            validation_side=self.validation_side or (_HELD_OUT_SIDE if self.validation is None else None),
            seed=seed,
        )
