"""Dropout whose chance can be passed in."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

__all__ = ["Dropout"]


class Dropout(nn.Module):
    """Drop values while training, keep the mean: kept values are divided by ``1 - probability``. Holds no tensors.

    Args:
        probability: of dropping, in [0, 1).
        unit: ``channel`` drops whole feature maps of a picture, ``element`` single values.

    ``generator`` may be set to draw from a generator of one's own instead of torch's.
    """

    def __init__(self, probability: float, *, unit: Literal["channel", "element"] = "channel") -> None:
        super().__init__()
        if not 0 <= probability < 1:
            raise ValueError(f"the probability of dropout must be in [0, 1), not {probability}")
        self.probability = probability
        self.unit = unit
        self.generator: torch.Generator | None = None

    def forward(self, features: Tensor) -> Tensor:
        """``(N, C, H, W)`` to the same; the identity in evaluation mode."""
        if not self.training or self.probability == 0:
            return features
        shape = (*features.shape[:2], 1, 1) if self.unit == "channel" else features.shape
        kept = torch.empty(shape, dtype=features.dtype, device=features.device)
        kept.bernoulli_(1 - self.probability, generator=self.generator)
        return features * kept.div_(1 - self.probability)

    def extra_repr(self) -> str:
        return f"{self.probability}, unit={self.unit}"
