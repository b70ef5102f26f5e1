"""Contextual attention the published way: patches written out as the filters of convolutions (DeepFill, mmediting)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["published_contextual_attention"]


def published_contextual_attention(features: Tensor, context: Tensor, mask: Tensor, *, scale: float = 10.0) -> Tensor:
    """The steps of the published code, one after the other, sample by sample.

    Args:
        features, context: ``(N, C, H, W)``, sides even.
        mask: ``(N, 1, H, W)``, 1 = hole.
    """
    channels, height, width = context.shape[1:]
    raw = F.unfold(context, 4, stride=2, padding=1)  # N, C * 16, L
    count = raw.shape[-1]
    raw = raw.transpose(1, 2).reshape(len(context), count, channels, 4, 4)
    small_context = F.interpolate(context, scale_factor=0.5, mode="nearest")
    small = F.interpolate(features, scale_factor=0.5, mode="nearest")
    patches = F.unfold(small_context, 3, padding=1).transpose(1, 2).reshape(len(context), count, channels, 3, 3)
    patches = patches / patches.square().sum((2, 3, 4), keepdim=True).sqrt().clamp(min=1e-4)
    touched = F.unfold(F.interpolate(mask, scale_factor=0.5, mode="nearest"), 3, padding=1).amax(1)  # N, L
    rows, columns = height // 2, width // 2
    diagonal = torch.eye(3)[None, None]
    answers = []
    for n in range(len(features)):
        score = F.conv2d(small[n : n + 1], patches[n], padding=1)  # 1, L, rows, columns
        score = score.permute(0, 2, 3, 1).reshape(1, 1, rows * columns, count)
        score = F.conv2d(score, diagonal, padding=1)
        score = score.view(1, rows, columns, rows, columns).permute(0, 2, 1, 4, 3)
        score = F.conv2d(score.reshape(1, 1, rows * columns, count), diagonal, padding=1)
        score = score.view(1, columns, rows, columns, rows).permute(0, 4, 3, 2, 1)
        score = score.reshape(1, count, rows, columns)
        score = score.masked_fill(touched[n][None, :, None, None] > 0, -torch.inf)
        weights = (score * scale).softmax(1)
        pasted = F.conv_transpose2d(weights, raw[n], stride=2, padding=1)
        answers.append(pasted / F.conv_transpose2d(torch.ones_like(weights[:, :1]), torch.ones(1, 1, 4, 4), None, 2, 1))
    return torch.cat(answers)
