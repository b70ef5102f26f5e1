"""Reading sizes off the names and shapes of tensors: what the functions that recognise architectures share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Any

__all__ = ["Arguments", "Ask", "Recogniser", "Shapes", "count", "has", "root", "shuffled"]

Shapes = Mapping[str, tuple[int, ...]]
Arguments = dict[str, Any]
Recogniser = Callable[[Shapes, Set[str]], Arguments | None]


@dataclass(frozen=True)
class Ask:
    """Stands for an argument that tensors cannot tell: the values that it may have."""

    choices: tuple[Any, ...]


def count(shapes: Shapes, before: str, after: str = "") -> int:
    """How many numbers 0, 1, 2 ... without a gap stand between ``before`` and ``after`` in the names.

    >>> count({"body.0.weight": (1,), "body.1.weight": (1,), "body.3.weight": (1,)}, "body.", ".weight")
    2
    """
    numbers = set()
    for name in shapes:
        if name.startswith(before):
            number, _, rest = name.removeprefix(before).partition(".")
            if not after or f".{rest}" == after:
                numbers.add(number)
    found = 0
    while str(found) in numbers:
        found += 1
    return found


def root(number: int) -> int:
    """The whole square root, at least 1: channels before a pixel shuffle to its factor."""
    return max(1, math.isqrt(number))


def has(shapes: Shapes, *names: str) -> bool:
    """Whether all these tensors are there."""
    return all(name in shapes for name in names)


def shuffled(shapes: Shapes, *names: str) -> int:
    """The scale of convolutions that stand before pixel shuffles, as far as they exist."""
    scale = 1
    for name in names:
        if name in shapes:
            scale *= root(shapes[name][0] // shapes[name][1])
    return scale
