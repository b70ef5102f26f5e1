"""finesight: enlarge, restore, complete, cut out, interpolate and measure pictures and video.

Importing this module loads nothing heavy; each public name is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finesight.errors import Error as Error
    from finesight.media import Picture as Picture
    from finesight.media import read as read
    from finesight.media import write as write
    from finesight.run import upscale as upscale
    from finesight.run.inpainting import inpaint as inpaint
    from finesight.run.matting import matte as matte
    from finesight.zoo import Model as Model
    from finesight.zoo import load as load

__version__ = "0.1.0"

_PUBLIC = {
    "Error": "finesight.errors",
    "Model": "finesight.zoo",
    "Picture": "finesight.media",
    "inpaint": "finesight.run.inpainting",
    "load": "finesight.zoo",
    "matte": "finesight.run.matting",
    "read": "finesight.media",
    "upscale": "finesight.run",
    "write": "finesight.media",
}

__all__ = ["Error", "Model", "Picture", "__version__", "inpaint", "load", "matte", "read", "upscale", "write"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'finesight' has no attribute '{name}'")
    value = getattr(importlib.import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
