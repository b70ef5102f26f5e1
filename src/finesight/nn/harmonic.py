"""Harmonic fill: a hole takes the values of a membrane stretched over it (the discrete Laplace equation).

The baseline of inpainting by diffusion: no edge is continued and no texture made, but nothing is invented either.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["harmonic_fill"]


def harmonic_fill(image: Tensor, mask: Tensor, *, sweeps: int = 8, levels: int = 9) -> Tensor:
    """Fill the hole with the solution of the Laplace equation whose border values are the known pixels around it.

    A cascade over halved sizes: known pixels are averaged on the way down; on the way up each size starts from the
    one below and its hole is relaxed by ``sweeps`` sweeps of Chebyshev's semi-iteration of Jacobi's method. The
    picture's border reflects. 8 sweeps are close to the solution, 64 are it for practical purposes.

    Args:
        image: ``(N, C, H, W)``; what stands inside the hole is not looked at.
        mask: ``(N, 1, H, W)``, above 0 = hole.
        sweeps: at every size.
        levels: halvings, at most; holes wider than about ``2 ** levels`` pixels converge slowly.

    Returns:
        ``(N, C, H, W)``; known pixels bit for bit as they were. Where nothing is known: 0.
    """
    hole = mask > 0
    pyramid = [(torch.where(hole, torch.zeros_like(image), image), (~hole).to(image.dtype))]
    while len(pyramid) <= levels and max(pyramid[-1][0].shape[-2:]) > 1:
        values, known = pyramid[-1]
        share = F.avg_pool2d(known, 2, ceil_mode=True)
        total = F.avg_pool2d(values * known, 2, ceil_mode=True)
        pyramid.append((total / share.clamp(min=1e-6), (share > 0).to(image.dtype)))
    values, known = pyramid.pop()
    mean = (values * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True).clamp(min=1)
    filled = torch.where(known > 0, values, mean)
    while pyramid:
        values, known = pyramid.pop()
        size = values.shape[-2:]
        enlarged = F.interpolate(filled, scale_factor=2.0, mode="bilinear")[..., : size[0], : size[1]]
        filled = _relaxed(torch.where(known > 0, values, enlarged), known > 0, sweeps)
    return torch.where(hole, filled, image)


def _relaxed(filled: Tensor, known: Tensor, sweeps: int) -> Tensor:
    """Unknown pixels drawn towards the mean of their four neighbours, with weights that damp the middle frequencies.

    Known ones stay. Over-relaxation follows Chebyshev's polynomial for Jacobi eigenvalues up to ``1 - 4 / sweeps**2``:
    slower ones are left to the smaller sizes.
    """
    radius = max(1 - 4.0 / max(sweeps, 3) ** 2, 0.5)
    weight, before = 1.0, filled
    for sweep in range(sweeps):
        padded = F.pad(filled, (1, 1, 1, 1), mode="replicate")
        mean = padded[..., :-2, 1:-1] + padded[..., 2:, 1:-1] + padded[..., 1:-1, :-2] + padded[..., 1:-1, 2:]
        weight = 1.0 if sweep == 0 else 1 / (1 - radius**2 / (2 if sweep == 1 else 4 / weight))
        moved = before + weight * (mean / 4 - before)
        before, filled = filled, torch.where(known, filled, moved)
    return filled
