"""Which pictures a step uses, and what happens to those that cannot be decoded."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

from finesight.data.batch import chance
from finesight.data.pictures import UndecodableError
from finesight.errors import InputError

__all__ = ["attempt", "integer", "picks", "split_off"]

T = TypeVar("T")
_PICKING = 2**40  # keeps the choice of pictures apart from what is drawn within a step


def integer(bound: int, generator: torch.Generator) -> int:
    """A whole number from 0 to below ``bound``."""
    return int(torch.randint(bound, (), generator=generator))


def picks(seed: int, step: int, size: int, count: int, *, reuse: int = 1) -> list[int]:
    """The pictures of a step, by number: a function of its arguments alone.

    Args:
        count: how many pictures there are.
        reuse: so many steps in a row use the same pictures, of which a store then keeps the decoded ones.
    """
    generator = chance(seed + _PICKING, step // reuse)
    return torch.randint(count, (size,), generator=generator).tolist()


def attempt(count: int, index: int, take: Callable[[int], T]) -> T:
    """``take(index)`` of ``count``, or of the next in order where a picture cannot be decoded.

    Raises:
        InputError: more than 1 % of the pictures cannot be.
    """
    for offset in range(count):
        try:
            return take((index + offset) % count)
        except UndecodableError:
            continue
    raise InputError("No picture of the data can be decoded. Look at the warnings above.")


def split_off(count: int, held_out: int) -> tuple[list[int], list[int]]:
    """Numbers for training and for validation: every ``held_out``-th is kept; 0 keeps none."""
    kept = [number for number in range(count) if held_out and number % held_out == held_out - 1]
    return [number for number in range(count) if number not in set(kept)], kept
