"""The kinds of data that a recipe may name; ``pack`` where it names none."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Tag

from finesight.train.settings.clips import ClipSettings
from finesight.train.settings.folders import (
    FaceSettings,
    FolderSettings,
    PairedSettings,
    ReferenceSettings,
    ScaleSettings,
)
from finesight.train.settings.inpainting import InpaintingSettings
from finesight.train.settings.matting import CompositionSettings, MattingSettings
from finesight.train.settings.moving import MovingSettings
from finesight.train.settings.pack import DrawnSettings, PackSettings

__all__ = ["DataSettings"]


def _kind(value: Any) -> str:
    return str(value.get("kind", "pack") if isinstance(value, dict) else getattr(value, "kind", "pack"))


DataSettings = Annotated[
    Annotated[PackSettings, Tag("pack")]
    | Annotated[FolderSettings, Tag("folder")]
    | Annotated[PairedSettings, Tag("paired")]
    | Annotated[ReferenceSettings, Tag("reference")]
    | Annotated[FaceSettings, Tag("faces")]
    | Annotated[ScaleSettings, Tag("scales")]
    | Annotated[InpaintingSettings, Tag("inpainting")]
    | Annotated[DrawnSettings, Tag("drawn")]
    | Annotated[MattingSettings, Tag("matting")]
    | Annotated[CompositionSettings, Tag("composition")]
    | Annotated[MovingSettings, Tag("moving")]
    | Annotated[ClipSettings, Tag("clips")],
    Discriminator(_kind),
]
"""One line for each kind; see ``finesight.train.batch``."""
