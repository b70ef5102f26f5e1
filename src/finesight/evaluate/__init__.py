"""Scores: protocols, metrics by name, tables. Importing it loads no torch; names are imported when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finesight.evaluate.explaining import explain as explain
    from finesight.evaluate.matching import Pair as Pair
    from finesight.evaluate.matching import match as match
    from finesight.evaluate.named import METRICS as METRICS
    from finesight.evaluate.named import load_metric as load_metric
    from finesight.evaluate.protocols import PROTOCOLS as PROTOCOLS
    from finesight.evaluate.protocols import Protocol as Protocol
    from finesight.evaluate.protocols import protocol as protocol
    from finesight.evaluate.scoring import score as score
    from finesight.evaluate.scoring import score_pairs as score_pairs
    from finesight.evaluate.tables import Comparison as Comparison
    from finesight.evaluate.tables import Table as Table

_HOMES = {
    "METRICS": "named",
    "PROTOCOLS": "protocols",
    "Comparison": "tables",
    "Pair": "matching",
    "Protocol": "protocols",
    "Table": "tables",
    "explain": "explaining",
    "load_metric": "named",
    "match": "matching",
    "protocol": "protocols",
    "score": "scoring",
    "score_pairs": "scoring",
}

__all__ = [
    "METRICS", "PROTOCOLS", "Comparison", "Pair", "Protocol", "Table", "explain", "load_metric", "match", "protocol",
    "score", "score_pairs",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'finesight.evaluate' has no attribute '{name}'")
    return getattr(importlib.import_module(f"finesight.evaluate.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
