"""Pictures (and clips) in and out of files with depth, alpha, profiles and metadata; importing it is light."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .alpha import bleed
    from .atomic import atomically
    from .colour import to_srgb
    from .formats import FORMATS, WRITABLE, check_size, format_of_suffix
    from .inspection import FileInfo, inspect
    from .names import Item, Job, expand_inputs, plan_outputs
    from .picture import Picture, from_array, to_array
    from .pil import from_pil, to_pil
    from .reading import read
    from .writing import write

__all__ = [
    "FORMATS",
    "WRITABLE",
    "FileInfo",
    "Item",
    "Job",
    "Picture",
    "atomically",
    "bleed",
    "check_size",
    "expand_inputs",
    "format_of_suffix",
    "from_array",
    "from_pil",
    "inspect",
    "plan_outputs",
    "read",
    "to_array",
    "to_pil",
    "to_srgb",
    "write",
]

_HOMES = {
    "FORMATS": "formats",
    "FileInfo": "inspection",
    "Item": "names",
    "Job": "names",
    "Picture": "picture",
    "WRITABLE": "formats",
    "atomically": "atomic",
    "bleed": "alpha",
    "check_size": "formats",
    "expand_inputs": "names",
    "format_of_suffix": "formats",
    "from_array": "picture",
    "from_pil": "pil",
    "inspect": "inspection",
    "plan_outputs": "names",
    "read": "reading",
    "to_array": "picture",
    "to_pil": "pil",
    "to_srgb": "colour",
    "write": "writing",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
