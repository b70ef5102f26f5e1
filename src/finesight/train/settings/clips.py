"""Data of clips as published sets bring it, for super-resolution, restoration and interpolation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveInt, model_validator

from finesight.errors import SettingError
from finesight.train.settings.strict import DataKind, Strict

if TYPE_CHECKING:
    from finesight.data.batch import Source
    from finesight.data.clips import ClipChanges, Lower, Window
    from finesight.nn.traits import Traits

__all__ = ["ClipChangeSettings", "ClipSettings"]


class ClipChangeSettings(Strict):
    """Changes to all frames of a sample alike."""

    mirror: bool = Field(True, description="left and right, top and bottom, each half of the time")
    transpose: bool = Field(True, description="rows and columns change places half of the time")
    reverse: float = Field(0.0, ge=0, le=1, description="probability that time runs backwards")
    jitter: float = Field(0.0, ge=0, le=0.5, description="of brightness, contrast, saturation and hue (CAIN: 0.05)")

    def changes(self) -> ClipChanges:
        """What the source takes."""
        from finesight.data.clips import ClipChanges
        from finesight.data.jitter import Jitter

        amount = self.jitter
        jitter = Jitter(brightness=amount, contrast=amount, saturation=amount, hue=amount) if amount else None
        return ClipChanges(self.mirror, self.transpose, self.reverse, jitter)


class ClipSettings(DataKind):
    """Clips as folders of frames or video files."""

    kind: Literal["clips"] = "clips"
    folder: str = Field(description="where the data set was unpacked")
    layout: Literal["folders", "reds", "vimeo-septuplet", "vimeo-triplet", "udm10", "vid4", "spmcs"] = "folders"
    split: Literal["train", "test", "validation", "all", "not-reds4"] = "train"
    low: str | None = Field(None, description="folder of the published low resolution; default: made on the way")
    lower: Literal["bi", "bd", "real-basicvsr"] = Field("bi", description="how it is made otherwise")
    frames: PositiveInt | None = Field(None, description="in a row; default: what the network takes, or 15")
    inputs: tuple[int, ...] | None = Field(None, description="which of them go in; default: all")
    target: int | None = Field(None, description="which of them is wanted; default: all, or the middle of a window")
    first: int | None = Field(None, ge=0, description="where the stretch begins; default: anywhere")
    mirrored: bool = Field(False, description="the stretch forwards and then backwards")
    interval: PositiveInt = 1
    patch: PositiveInt | None = Field(64, description="side of a low-resolution patch; none: whole frames")
    enlarge: PositiveInt | None = Field(
        None, description="inputs are reduced by so much and enlarged again, for networks that keep the size (TOFlow)"
    )
    sharpen: bool = Field(False, description="unsharp masking of the truth; `plain` is the truth without it")
    changes: ClipChangeSettings = ClipChangeSettings()
    held_out: int = Field(40, ge=0, description="every so many clips one is kept for validation; 0 keeps none")
    validation: str | None = Field(None, description="folder of clips to validate with, instead; layout `folders`")
    validation_side: PositiveInt = Field(64, description="at most so much of the middle, low resolution")

    @model_validator(mode="after")
    def _fits(self) -> ClipSettings:
        if self.low is not None and self.lower != "bi":
            raise ValueError("low brings the low resolution and lower makes it: give one of them")
        return self

    def source(self, traits: Traits, *, seed: int) -> Source:
        from finesight.data.clip_files import open_clips
        from finesight.data.clips import ClipSource

        if self.enlarge is not None and (traits.scale or 1) != 1:
            raise SettingError(f"data.enlarge is for networks that keep the size; this one has scale {traits.scale}.")

        low = None if self.low is None else Path(self.low).expanduser()
        validation = None
        if self.validation is not None:
            validation = open_clips(Path(self.validation).expanduser(), layout="folders", split="all")
        return ClipSource(
            open_clips(Path(self.folder).expanduser(), layout=self.layout, split=self.split, low=low),
            self._window(traits),
            scale=self.enlarge or traits.scale or 1,
            patch=self.patch,
            lower=self._lower(traits),
            enlarged=self.enlarge is not None,
            changes=self.changes.changes(),
            sharpen=self.sharpen,
            held_out=self.held_out,
            validation=validation,
            validation_side=self.validation_side,
            seed=seed,
        )

    def _window(self, traits: Traits) -> Window:
        from finesight.data.clips import Window

        taken = traits.frames if traits.kind == "window" else None
        length, inputs, target = self.frames, self.inputs, self.target
        if traits.task == "interpolation" and inputs is None:
            count = taken or 2  # the frame half way: of 0 _ 2, or of 0 2 _ 4 6
            length, inputs = 2 * count - 1, tuple(range(0, 2 * count - 1, 2))
            target = count - 1
        elif traits.kind == "window" and target is None:
            length = length or taken or 5
            target = length // 2
        length = length or 15
        if traits.kind == "window" and taken is not None and len(inputs or range(length)) != taken:
            raise SettingError(f"The network takes {taken} frames; data.frames and data.inputs give it {length}.")
        return Window(length, inputs, target, self.first, self.mirrored, self.interval)

    def _lower(self, traits: Traits) -> Lower:
        if self.low is not None:
            return "given"
        if self.lower == "real-basicvsr":
            from finesight.degrade.video import VideoOrder

            return VideoOrder()
        return "none" if (self.enlarge or traits.scale or 1) == 1 else self.lower
