"""Named weights: the catalog, safe reading of published checkpoints, and the download cache.

Importing this module loads no torch; each name is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finesight.zoo.cache import cache_folder as cache_folder
    from finesight.zoo.cards import card as card
    from finesight.zoo.cards import catalog as catalog
    from finesight.zoo.converting import blend as blend
    from finesight.zoo.converting import convert as convert
    from finesight.zoo.converting import denoising as denoising
    from finesight.zoo.files import Checked as Checked
    from finesight.zoo.files import bundle as bundle
    from finesight.zoo.files import check as check
    from finesight.zoo.files import get as get
    from finesight.zoo.files import import_file as import_file
    from finesight.zoo.files import path as path
    from finesight.zoo.loading import load as load
    from finesight.zoo.model import Card as Card
    from finesight.zoo.model import Model as Model
    from finesight.zoo.model import Score as Score
    from finesight.zoo.saving import save as save

_PUBLIC = {
    "Checked": "finesight.zoo.files",
    "bundle": "finesight.zoo.files",
    "check": "finesight.zoo.files",
    "get": "finesight.zoo.files",
    "import_file": "finesight.zoo.files",
    "path": "finesight.zoo.files",
    "convert": "finesight.zoo.converting",
    "blend": "finesight.zoo.converting",
    "denoising": "finesight.zoo.converting",
    "cache_folder": "finesight.zoo.cache",
    "Card": "finesight.zoo.model",
    "Model": "finesight.zoo.model",
    "Score": "finesight.zoo.model",
    "card": "finesight.zoo.cards",
    "catalog": "finesight.zoo.cards",
    "load": "finesight.zoo.loading",
    "save": "finesight.zoo.saving",
}

__all__ = [
    "Card", "Checked", "Model", "Score", "blend", "bundle", "cache_folder", "card", "catalog", "check", "convert",
    "denoising", "get", "import_file", "load", "path", "save",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'finesight.zoo' has no attribute '{name}'")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
