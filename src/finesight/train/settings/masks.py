"""Holes that a recipe may ask for; see ``finesight.data.masks`` for what each draws."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PositiveInt

from finesight.train.settings.strict import Strict

if TYPE_CHECKING:
    from finesight.data.masks import MaskGenerator

__all__ = ["MaskSettings"]


class BoxMasks(Strict):
    """One rectangle of random place and size."""

    kind: Literal["box"] = "box"
    height: PositiveInt = Field(128, description="of the largest box, pixels")
    width: PositiveInt = 128
    margin: int = Field(20, ge=0, description="to the border of the picture, pixels")
    delta: int = Field(40, ge=0, description="most that a side shrinks, times two")

    def generator(self) -> MaskGenerator:
        from finesight.data.masks import Box

        return Box(**self.model_dump(exclude={"kind"}))


class IrregularMasks(Strict):
    """Thick polylines; the defaults are the published settings for 256x256."""

    kind: Literal["irregular"] = "irregular"
    lines: tuple[int, int] = (4, 10)
    angles: PositiveInt = 6
    segments: tuple[int, int] = (1, 6)
    length: tuple[int, int] = (20, 128)
    brush: tuple[int, int] = (10, 45)
    area: tuple[float, float] = (0.15, 0.65)

    def generator(self) -> MaskGenerator:
        from finesight.data.masks import Irregular

        return Irregular(**self.model_dump(exclude={"kind"}))


class StrokeMasks(Strict):
    """Rounded strokes as of a hand."""

    kind: Literal["strokes"] = "strokes"
    loops: tuple[int, int] = (1, 4)
    vertices: tuple[int, int] = (4, 12)
    mean_angle: float = 2 * math.pi / 5
    angle_range: float = 2 * math.pi / 15
    brush: tuple[int, int] = (12, 40)
    area: tuple[float, float] = (0.0, 1.0)

    def generator(self) -> MaskGenerator:
        from finesight.data.masks import BrushStrokes

        return BrushStrokes(**self.model_dump(exclude={"kind"}))


class FileMasks(Strict):
    """Masks from files, such as the irregular set of PConv's authors."""

    kind: Literal["files"] = "files"
    folder: str = Field(description="folder, or list with a path a line; any value above 0 is hole")
    rotation: float = Field(0.0, ge=0, le=180, description="turned by up to so many degrees; outside is known")

    def generator(self) -> MaskGenerator:
        from finesight.data.mask_files import MaskFiles

        return MaskFiles(Path(self.folder).expanduser(), rotation=self.rotation)


MaskSettings = Annotated[BoxMasks | IrregularMasks | StrokeMasks | FileMasks, Field(discriminator="kind")]
"""One member for each kind."""
