"""HGGT's repelling loss: away from what people found worse than the original (Chen et al., CVPR 2023, eq. 3 to 6)."""

from __future__ import annotations

import torch
from torch import Tensor

from finesight.losses.artifact_map import local_variance

__all__ = ["refined_map", "rejection_loss", "rejection_map"]


def rejection_map(
    original: Tensor, version: Tensor, share: Tensor | float, *, window: int = 3, power: float = 0.75
) -> Tensor:
    """Where an enhanced version differs irregularly from the original: (votes / 3) variance^(3/4).

    Args:
        original, version: ``(N, C, H, W)``.
        share: of the people who agreed on the version's label, one number or ``(N,)``: 2/3 or 1.
        window: side of the neighbourhood of the variance, odd.
        power: of the variance.

    Returns:
        ``(N, 1, H, W)``.
    """
    residual = (original - version).abs().sum(1, keepdim=True)
    amount = torch.as_tensor(share, dtype=residual.dtype, device=residual.device).reshape(-1, 1, 1, 1)
    return amount * local_variance(residual, window) ** power


def refined_map(negative: Tensor, positive: Tensor) -> Tensor:
    """The negative version's map, zero where a positive version differs as much: there the change is wanted."""
    return torch.where(positive >= negative, torch.zeros_like(negative), negative)


def rejection_loss(restored: Tensor, negative: Tensor, weight_map: Tensor, *, weight: float = 300.0) -> Tensor:
    """-300 times the mean distance to the negative version where the map is; unbounded below.

    Args:
        restored, negative: ``(N, C, H, W)``.
        weight_map: ``(N, 1, H, W)``, from ``rejection_map`` or ``refined_map``; taken as a constant.
        weight: see above.
    """
    held = weight_map.detach()
    return -weight * (held * restored - held * negative).abs().mean()
