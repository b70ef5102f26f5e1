"""The published pool of training pairs, for those who want to train exactly as it was done.

With choices shared by a batch (factor, mode, order) all its pictures would be degraded alike; the pool mixes batches.
Parameters for each picture, as ``finesight.degrade.together`` has them, make it unnecessary. A pool remembers, so a
resumed run needs its ``state``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from finesight.errors import SettingError

__all__ = ["PairPool"]


class PairPool:
    """Stores pairs and gives back random ones.

    Args:
        size: how many pairs it holds (180 for Real-ESRGAN); a multiple of the batch.
        generator: where chance comes from.

    Raises:
        SettingError: ``size`` is below 1.
    """

    def __init__(self, size: int, generator: torch.Generator) -> None:
        if size < 1:
            raise SettingError(f"pool: expected a size of at least 1, got {size}")
        self.size, self.generator = size, generator
        self.low: Tensor | None = None
        self.high: Tensor | None = None

    def exchange(self, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        """Put a batch in and take one out; while the pool fills the batch itself comes back.

        Args:
            low, high: ``(N, C, h, w)`` and ``(N, C, H, W)``, the same sizes at every call.

        Raises:
            SettingError: the size of the pool is no multiple of N, or the sizes change.
        """
        count = len(low)
        if len(high) != count or count < 1 or self.size % count:
            raise SettingError(f"pool: its size of {self.size} must be a multiple of the batch, got {count} pairs")
        if self.low is None or self.high is None:
            self.low, self.high = low.clone(), high.clone()
            return low, high
        if self.low.shape[1:] != low.shape[1:] or self.high.shape[1:] != high.shape[1:]:
            raise SettingError(f"pool: pairs of {tuple(self.low.shape[1:])} were put in, now {tuple(low.shape[1:])}")
        if len(self.low) < self.size:
            self.low, self.high = torch.cat([self.low, low]), torch.cat([self.high, high])
            return low, high
        order = torch.randperm(self.size, generator=self.generator)
        self.low, self.high = self.low[order], self.high[order]
        taken = self.low[:count].clone(), self.high[:count].clone()
        self.low[:count], self.high[:count] = low, high
        return taken

    def state(self) -> dict[str, Tensor]:
        """Everything that ``restore`` needs."""
        kept = {"chance": self.generator.get_state()}
        if self.low is not None and self.high is not None:
            kept |= {"low": self.low.clone(), "high": self.high.clone()}
        return kept

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on where ``state`` was taken."""
        self.generator.set_state(state["chance"])
        self.low, self.high = (state[name].clone() if name in state else None for name in ("low", "high"))
