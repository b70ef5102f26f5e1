"""Losses of face super-resolution: landmarks as heat maps, identity as features (DIC, Ma et al., CVPR 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from finesight.errors import SettingError
from finesight.losses import pixel

__all__ = ["identity", "landmarks"]


def landmarks(found: Sequence[Tensor], truth: Tensor, *, criterion: Literal["mse", "l1"] = "mse") -> Tensor:
    """Distance between heat maps, summed over the steps of a network that refines them.

    Args:
        found: ``(N, landmarks, h, w)`` of each step.
        truth: the same of the true face.
        criterion: the paper's mean squared error (published weight 0.1), or the L1 of weight 1 that mmediting 0.16.1
            computes in its place.

    Raises:
        SettingError: another criterion, or no step.
    """
    if criterion not in ("mse", "l1") or not found:
        raise SettingError(
            f"landmarks: expected mse or l1 and at least one step, got {criterion} and {len(found)} steps"
        )
    loss = pixel.mse if criterion == "mse" else pixel.l1
    return torch.stack([loss(one, truth) for one in found]).sum()


def identity(restored: Tensor, truth: Tensor) -> Tensor:
    """L1 between the features that a fixed network has of two faces; ``truth`` is taken as a constant."""
    return (restored - truth.detach()).abs().mean()
