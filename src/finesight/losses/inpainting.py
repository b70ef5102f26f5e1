"""Losses of holes."""

from __future__ import annotations

from torch import Tensor

__all__ = ["hole_decibels"]


def hole_decibels(restored: Tensor, truth: Tensor, mask: Tensor, *, floor: float = 1e-4) -> Tensor:
    """Mean over the samples of ``10 log10`` of each hole's mean squared error: minus the mean PSNR inside the hole.

    Unlike the mean squared error itself, smooth holes count as much as rich ones.

    Args:
        restored, truth: ``(N, C, H, W)``.
        mask: ``(N, 1, H, W)``, 1 = hole.
        floor: added to every mean: below it nothing is gained any more (1e-4 is 40 dB).
    """
    squared = ((restored - truth).square() * mask).sum((1, 2, 3))
    count = mask.sum((1, 2, 3)).clamp(min=1) * restored.shape[1]
    return (squared / count + floor).log10().mean() * 10
