"""Trimaps: where a picture is background, unknown and foreground, as classes 0, 1 and 2."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = [
    "BACKGROUND",
    "FOREGROUND",
    "UNKNOWN",
    "distances_to",
    "encoded",
    "impose",
    "one_hot",
    "transformed",
    "two_channels",
]

BACKGROUND, UNKNOWN, FOREGROUND = 0, 1, 2

_UNKNOWN_LEVEL = 128 / 255
_FAR = 30_000  # pixels; its square fits into 32 bits
_CLICK, _SHARES = 320, (0.02, 0.08, 0.16)  # of the transformed trimap, pixels and shares of them


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


def two_channels(trimap: Tensor) -> Tensor:
    """1 on known background, 1 on known foreground: ``(N, 1, H, W)`` classes to ``(N, 2, H, W)``."""
    shares = one_hot(trimap)
    return torch.cat((shares[:, :1], shares[:, 2:]), dim=1)


def transformed(trimap: Tensor) -> Tensor:
    """How near known background and known foreground are, at three widths each (FBA matting).

    ``exp(-D^2 / (2 (f * 320)^2))`` for ``f`` of 0.02, 0.08 and 0.16, with ``D`` the distance in pixels; zeros where
    nothing of that class is known.

    Args:
        trimap: classes ``(N, 1, H, W)``.

    Returns:
        ``(N, 6, H, W)``: background at the three widths, then foreground.
    """
    found = []
    for each in two_channels(trimap).flatten(0, 1):  # h w, of background and foreground in turn
        square = distances_to(each > 0).square()
        found += [torch.exp(-square / (2 * (share * _CLICK) ** 2)) for share in _SHARES]
    return torch.stack(found).view(len(trimap), 6, *trimap.shape[-2:]).to(trimap.dtype)


def distances_to(marked: Tensor, *, most: float = math.inf) -> Tensor:
    """Exact Euclidean distance of every pixel to the nearest marked one (in two passes, columns then rows).

    Args:
        marked: bool ``(H, W)``.
        most: distances beyond this are not looked for and come out as infinity, which is quicker.

    Returns:
        float64 ``(H, W)`` in pixels; infinity everywhere where nothing is marked.
    """
    height, width = marked.shape
    rows = torch.arange(height, device=marked.device, dtype=torch.int32)[:, None].expand(height, width)
    above = torch.where(marked, rows, -_FAR).cummax(0).values
    below = torch.where(marked, rows, 2 * _FAR).flip(0).cummin(0).values.flip(0)
    square = torch.minimum(rows - above, below - rows).clamp_(max=_FAR).square()  # along its own column
    best = square.clone()
    for shift in range(1, width):
        if shift > most or shift * shift >= int(best.max()):
            break
        near = square + shift * shift
        torch.minimum(best[:, shift:], near[:, :-shift], out=best[:, shift:])
        torch.minimum(best[:, :-shift], near[:, shift:], out=best[:, :-shift])
    found = best.double().sqrt_()
    return found.masked_fill_(found > min(most, _FAR - 1), math.inf)
