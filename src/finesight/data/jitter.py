"""Random colours for training: brightness, contrast, saturation and hue, in a random order."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Jitter", "jittered", "shifted_hue"]

_LUMA = (0.2989, 0.587, 0.114)


@dataclass(frozen=True, kw_only=True)
class Jitter:
    """By how much colours change. Factors are drawn from ``1 - x`` to ``1 + x``, the hue's turn from ``-x`` to ``x``.

    Args:
        brightness: times everything.
        contrast: times the distance to the picture's mean luma.
        saturation: times the distance to each pixel's luma.
        hue: turns of the circle of hues.
    """

    brightness: float = 0.5
    contrast: float = 0.5
    saturation: float = 0.5
    hue: float = 0.5


def jittered(image: Tensor, jitter: Jitter, generator: torch.Generator) -> Tensor:
    """``(3, H, W)`` RGB in [0, 1] with other colours, clamped to [0, 1] after each change."""
    order = torch.randperm(4, generator=generator).tolist()
    drawn = (torch.rand(4, generator=generator) * 2 - 1).tolist()
    for change in order:
        if change == 0:
            image = image * (1 + jitter.brightness * drawn[0])
        elif change == 1:
            mean = _luma(image).mean()
            image = mean + (image - mean) * (1 + jitter.contrast * drawn[1])
        elif change == 2:
            grey = _luma(image)
            image = grey + (image - grey) * (1 + jitter.saturation * drawn[2])
        else:
            image = shifted_hue(image, jitter.hue * drawn[3])
        image = image.clamp(0, 1)
    return image


def _luma(image: Tensor) -> Tensor:
    return (image * image.new_tensor(_LUMA)[:, None, None]).sum(0, keepdim=True)


def shifted_hue(image: Tensor, turn: float) -> Tensor:
    """``(3, H, W)`` RGB in [0, 1] with the hue of HSV turned by ``turn`` of the circle; grey stays grey.

    >>> red = torch.tensor([1.0, 0, 0])[:, None, None]
    >>> shifted_hue(red, 1 / 3).flatten().round().tolist()
    [0.0, 1.0, 0.0]
    """
    most, least = image.amax(0), image.amin(0)
    spread = most - least
    safe = spread.clamp(min=1e-12)
    red, green, blue = image
    hue = torch.where(
        most == red,
        (green - blue) / safe,
        torch.where(most == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    hue = hue + 6 * turn
    channels = [((hue + offset) % 6) for offset in (5.0, 3.0, 1.0)]  # f(n) of the HSV formula, n = 5, 3, 1
    return torch.stack([most - spread * torch.minimum(k, 4 - k).clamp(0, 1) for k in channels])
