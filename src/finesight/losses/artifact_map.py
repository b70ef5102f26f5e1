"""LDL's map of artefacts: where the newest network strays and its average does not (Liang et al., CVPR 2022)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["artifact_loss", "artifact_map", "local_variance"]


def local_variance(residual: Tensor, window: int) -> Tensor:
    """Unbiased variance in a window around each pixel, the border reflected; ``(N, 1, H, W)``."""
    patches = F.unfold(F.pad(residual, (window // 2,) * 4, mode="reflect"), window)
    variance: Tensor = torch.var(patches, dim=1, unbiased=True)
    return variance.reshape(len(residual), 1, *residual.shape[-2:])


def artifact_map(truth: Tensor, restored: Tensor, average: Tensor, *, window: int = 7) -> Tensor:
    """Where ``restored`` strays from ``truth`` irregularly and more than ``average`` does.

    Args:
        truth, restored: ``(N, C, H, W)``, the restored one from the network in training.
        average: the same picture from the moving average of the weights.
        window: side of the neighbourhood in which the residual's variance is taken, odd.

    Returns:
        ``(N, 1, H, W)``: local variance times the fifth root of the whole picture's, zero where the average is worse.
    """
    residual = (truth - restored).abs().sum(1, keepdim=True)
    steady = (truth - average).abs().sum(1, keepdim=True)
    overall = residual.var((1, 2, 3), unbiased=True, keepdim=True) ** 0.2
    local = local_variance(residual, window)
    return torch.where(residual < steady, torch.zeros_like(local), overall * local)


def artifact_loss(truth: Tensor, restored: Tensor, average: Tensor, *, window: int = 7, detach: bool = True) -> Tensor:
    """L1 between both pictures weighed by the map.

    Args:
        detach: take the map as a constant, as the paper describes; the published code lets gradients through it.
    """
    weight = artifact_map(truth, restored, average, window=window)
    if detach:
        weight = weight.detach()
    return (weight * restored - weight * truth).abs().mean()
