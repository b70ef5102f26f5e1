"""Named weights: the catalog, safe reading of published checkpoints, and the download cache.

Importing this module loads no torch; each name is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finesight.zoo.cards import card as card
    from finesight.zoo.cards import catalog as catalog
    from finesight.zoo.loading import load as load
    from finesight.zoo.model import Card as Card
    from finesight.zoo.model import Model as Model
    from finesight.zoo.model import Score as Score
    from finesight.zoo.saving import save as save

_PUBLIC = {
    "Card": "finesight.zoo.model",
    "Model": "finesight.zoo.model",
    "Score": "finesight.zoo.model",
    "card": "finesight.zoo.cards",
    "catalog": "finesight.zoo.cards",
    "load": "finesight.zoo.loading",
    "save": "finesight.zoo.saving",
}

__all__ = ["Card", "Model", "Score", "card", "catalog", "load", "save"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'finesight.zoo' has no attribute '{name}'")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
