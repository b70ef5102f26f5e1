"""Losses between features of a fixed network: perceptual (Johnson et al., ECCV 2016) and style (Gatys et al., 2016)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from finesight.errors import SettingError

__all__ = ["ESRGAN_LAYERS", "REAL_ESRGAN_LAYERS", "gram", "perceptual", "style"]

ESRGAN_LAYERS = {"conv5_4": 1.0}
"""VGG-19 layer of SRGAN and ESRGAN: the last convolution before its ReLU."""

REAL_ESRGAN_LAYERS = {"conv1_2": 0.1, "conv2_2": 0.1, "conv3_4": 1.0, "conv4_4": 1.0, "conv5_4": 1.0}
"""VGG-19 layers of Real-ESRGAN and HGGT with their weights."""

Criterion = Literal["l1", "mse", "frobenius"]
Features = Mapping[str, Tensor]


def _distance(restored: Tensor, truth: Tensor, criterion: Criterion) -> Tensor:
    difference = restored - truth.detach()
    if criterion == "l1":
        return difference.abs().mean()
    if criterion == "mse":
        return difference.square().mean()
    if criterion == "frobenius":
        norm: Tensor = torch.linalg.vector_norm(difference)
        return norm
    raise SettingError(f"criterion: expected l1, mse or frobenius, got {criterion}")


def gram(features: Tensor) -> Tensor:
    """``(N, C, H, W)`` to the correlations of its channels, ``(N, C, C)``, divided by C H W."""
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / (flat.shape[1] * flat.shape[2])


def perceptual(
    restored: Features, truth: Features, layers: Mapping[str, float], *, criterion: Criterion = "l1"
) -> Tensor:
    """Weighted sum over layers of the distance between features.

    Args:
        restored, truth: what ``Vgg`` gives for both pictures; ``truth`` is taken as a constant.
        layers: weight of each layer by name, such as ``REAL_ESRGAN_LAYERS``.
    """
    terms = [weight * _distance(restored[name], truth[name], criterion) for name, weight in layers.items()]
    return torch.stack(terms).sum()


def style(restored: Features, truth: Features, layers: Mapping[str, float], *, criterion: Criterion = "l1") -> Tensor:
    """The same distance between Gram matrices."""
    terms = [weight * _distance(gram(restored[name]), gram(truth[name]), criterion) for name, weight in layers.items()]
    return torch.stack(terms).sum()
