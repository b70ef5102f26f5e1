"""Changes to pairs of low and high resolution that keep them pairs: turns, mirroring, mixing."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from finesight.errors import SettingError

__all__ = ["Turns", "cutblur", "draw_turn", "mixup", "turned"]

Turns = Literal["none", "mirror", "all"]


def draw_turn(turns: Turns, generator: torch.Generator) -> int:
    """One of the eight turns and mirrorings of a square: 0 for ``none``, 0 or 4 for ``mirror``, any for ``all``."""
    number = int(torch.randint(8, (), generator=generator))  # always drawn, so that the rest does not depend on it
    return {"none": 0, "mirror": number & 4, "all": number}[turns]


def turned(image: Tensor, turn: int) -> Tensor:
    """``(..., H, W)`` turned by ``turn % 4`` quarters, and mirrored from 4 on; ``turn`` from 0 to 7."""
    image = image.rot90(turn % 4, (-2, -1)) if turn % 4 else image
    return image.flip(-1) if turn >= 4 else image


def _beta(alpha: float, generator: torch.Generator) -> float:
    """A number of the distribution Beta(alpha, alpha), alpha at least 1, by rejection under its highest point."""
    while True:
        place, height = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
        if height <= (4 * place * (1 - place)) ** (alpha - 1):
            return float(place)


def mixup(
    low: Tensor, high: Tensor, generator: torch.Generator, *, probability: float = 1.0, alpha: float = 1.2
) -> tuple[Tensor, Tensor]:
    """Blend every pair with another of the batch by the same share (Zhang et al., ICLR 2018).

    Args:
        low, high: ``(N, C, h, w)`` and ``(N, C, H, W)``; unchanged.
        generator: where chance comes from.
        probability: that it is done at all.
        alpha: of the distribution Beta(alpha, alpha) of shares, at least 1 (CutBlur's authors use 1.2).
    """
    if alpha < 1:
        raise SettingError(f"mixup: alpha must be at least 1, got {alpha:g}")
    if float(torch.rand((), generator=generator)) >= probability:
        return low, high
    share = _beta(alpha, generator)
    partner = torch.randperm(len(low), generator=generator)
    return low * share + low[partner] * (1 - share), high * share + high[partner] * (1 - share)


def cutblur(
    low: Tensor, high: Tensor, generator: torch.Generator, *, probability: float = 1.0, mean: float = 0.7
) -> tuple[Tensor, Tensor]:
    """Put a box of the high resolution into the low one, or the other way round (Yoo et al., CVPR 2020).

    Args:
        low, high: ``(N, C, H, W)``, both of one size: restoration, or low resolution enlarged beforehand.
        generator: where chance comes from.
        probability: that it is done at all.
        mean: share of the side that the box has on average (standard deviation 0.01).

    Returns:
        The changed low resolution and ``high`` itself.

    Raises:
        SettingError: the sizes differ.
    """
    if low.shape != high.shape:
        raise SettingError(f"cutblur needs pairs of one size, got {tuple(low.shape)} and {tuple(high.shape)}")
    chance = torch.rand(2, generator=generator).tolist()
    spread = float(torch.randn((), generator=generator))
    places = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
    if chance[0] >= probability:
        return low, high
    share = min(max(mean + 0.01 * spread, 0.0), 1.0)
    sides = [int(side * share) for side in low.shape[-2:]]
    starts = [int(place * (whole - part + 1)) for place, whole, part in zip(places, low.shape[-2:], sides, strict=True)]
    box = (..., slice(starts[0], starts[0] + sides[0]), slice(starts[1], starts[1] + sides[1]))
    inside, outside = (high, low) if chance[1] < 0.5 else (low, high)
    mixed = outside.clone()
    mixed[box] = inside[box]
    return mixed, high
