"""What is said about a filled picture."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

__all__ = ["InpaintReport"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InpaintReport:
    """How the holes of one picture were filled.

    Args:
        model: name of the network; empty where nothing was missing.
        missing: pixels that were.
        share: of the picture.
        holes: groups of holes that lie near each other.
        halvings: how often the widest was halved before the network saw it first.
        windows: how many windows were computed.
        device: what computed.
        seconds: wall time.
        notes: everything a user should hear of.
    """

    model: str
    missing: int
    share: float
    holes: int = 0
    halvings: int = 0
    windows: int = 0
    device: str = ""
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return dataclasses.asdict(self)
