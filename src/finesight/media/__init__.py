"""Pictures (and clips) in and out of files with depth, alpha, profiles and metadata; importing it is light."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .formats import FORMATS, check_size
    from .inspection import FileInfo, inspect
    from .picture import Picture, from_array, to_array
    from .pil import from_pil, to_pil
    from .reading import read
    from .writing import write

__all__ = [
    "FORMATS",
    "FileInfo",
    "Picture",
    "check_size",
    "from_array",
    "from_pil",
    "inspect",
    "read",
    "to_array",
    "to_pil",
    "write",
]

_HOMES = {
    "FORMATS": "formats",
    "FileInfo": "inspection",
    "Picture": "picture",
    "check_size": "formats",
    "from_array": "picture",
    "from_pil": "pil",
    "inspect": "inspection",
    "read": "reading",
    "to_array": "picture",
    "to_pil": "pil",
    "write": "writing",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
