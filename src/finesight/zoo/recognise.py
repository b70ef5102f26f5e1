"""Which network a bare file belongs to: architecture and sizes, read off the names and shapes of its tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["ASK", "RECOGNISERS", "Shapes"]

Shapes = Mapping[str, tuple[int, ...]]
Recogniser = Callable[[Shapes], dict[str, Any] | None]


class Ask:
    """Stands for an argument that the tensors cannot tell, with the values that it may have."""

    def __init__(self, *choices: Any) -> None:
        self.choices = choices


ASK = Ask


def _count(shapes: Shapes, prefix: str) -> int:
    """How many consecutive numbers follow ``prefix`` in the names."""
    numbers = {name.removeprefix(prefix).partition(".")[0] for name in shapes if name.startswith(prefix)}
    count = 0
    while str(count) in numbers:
        count += 1
    return count


def collapsible(shapes: Shapes) -> dict[str, Any] | None:
    """Our own network: the learned enlargement has three filters of 5x5 for each output phase."""
    if not {"head.weight", "tail.weight", "enlarge.weight", "body.0.expand"} <= shapes.keys():
        return None
    return {
        "width": shapes["head.weight"][0],
        "depth": _count(shapes, "body."),
        "expansion": shapes["body.0.expand"][0],
        "scale": round((shapes["tail.weight"][0] / 3) ** 0.5),
    }


RECOGNISERS: dict[str, Recogniser] = {
    "collapsible": collapsible,
}
"""From an architecture to the function that reads its arguments off the shapes, or answers ``None``."""
