"""Trimaps: where a picture is background, unknown and foreground, as classes 0, 1 and 2."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["BACKGROUND", "FOREGROUND", "UNKNOWN", "encoded", "impose", "one_hot"]

BACKGROUND, UNKNOWN, FOREGROUND = 0, 1, 2

_UNKNOWN_LEVEL = 128 / 255


def one_hot(trimap: Tensor) -> Tensor:
    """How much each pixel belongs to the classes background, unknown, foreground: ``(N, 1, H, W)`` to ``(N, 3, H, W)``.

    Classes give zeros and ones; a value between two classes is shared between them.
    """
    return torch.cat([(1 - (trimap - each).abs()).clamp(min=0) for each in (BACKGROUND, UNKNOWN, FOREGROUND)], dim=1)


def encoded(trimap: Tensor) -> Tensor:
    """Classes to the levels of an 8-bit trimap over 255: 0, 128 / 255, 1. Shapes stay.

    >>> encoded(torch.tensor([[[[0.0, 1.0, 2.0]]]])).tolist()
    [[[[0.0, 0.501960813999176, 1.0]]]]
    """
    shares = one_hot(trimap)
    return _UNKNOWN_LEVEL * shares[:, 1:2] + shares[:, 2:]


def impose(alpha: Tensor, trimap: Tensor) -> Tensor:
    """Alpha within 0 and 1, and 0 on background, 1 on foreground. Both are ``(N, 1, H, W)``."""
    known = torch.where(trimap == FOREGROUND, torch.ones_like(alpha), alpha.clamp(0, 1))
    return torch.where(trimap == BACKGROUND, torch.zeros_like(alpha), known)
