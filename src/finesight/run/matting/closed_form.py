"""Closed-form matting (Levin, Lischinski and Weiss, TPAMI 2008): the alpha that colour lines of small windows suggest.

No learned parameter: the baseline that learned matting is measured against. The matting Laplacian is never made; its
product with an alpha is a few means over windows (He, Sun and Tang, "Fast matting using large kernel matting
Laplacian matrices", CVPR 2010, equation 8).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.errors import InputError
from finesight.nn.trimap import FOREGROUND, UNKNOWN

__all__ = ["closed_form_alpha"]

_WINDOW = 9  # pixels of a 3x3 window


def _means(image: Tensor) -> Tensor:
    """Means over the 3x3 windows that lie inside: ``(C, H, W)`` to ``(C, H - 2, W - 2)``."""
    return F.avg_pool2d(image[None], 3, 1)[0]


def _sums_back(windows: Tensor) -> Tensor:
    """For every pixel the sum over the windows that hold it: ``(C, H - 2, W - 2)`` to ``(C, H, W)``."""
    return _means(F.pad(windows, (2, 2, 2, 2))) * _WINDOW


class _Laplacian:
    """The matting Laplacian of one picture ``(3, H, W)`` float64."""

    def __init__(self, image: Tensor, epsilon: float) -> None:
        self.image, self.mean = image, _means(image)
        products = _means((image[:, None] * image[None]).flatten(0, 1)).unflatten(0, (3, 3))
        covariance = (products - self.mean[:, None] * self.mean[None]).permute(2, 3, 0, 1)
        covariance = covariance + epsilon / _WINDOW * torch.eye(3, dtype=image.dtype)
        self.inverse = torch.linalg.inv(covariance).permute(2, 3, 0, 1).contiguous()  # 3 3 h-2 w-2
        self.count = _sums_back(torch.ones_like(self.mean[:1]))[0]
        self.diagonal = self._diagonal()

    def __call__(self, alpha: Tensor) -> Tensor:
        """The product with ``(H, W)``."""
        means = _means(torch.cat((self.image * alpha, alpha[None])))
        slope = (self.inverse * (means[:3] - self.mean * means[3])[None]).sum(1)
        offset = means[3] - (slope * self.mean).sum(0)
        back = _sums_back(torch.cat((slope, offset[None])))
        return self.count * alpha - (back[:3] * self.image).sum(0) - back[3]

    def _diagonal(self) -> Tensor:
        """Of each pixel: its windows less its own share in them, ``(1 + (I - m)^T S^-1 (I - m)) / 9``."""
        height, width = self.count.shape
        share = torch.zeros_like(self.count)
        for row in range(3):
            for column in range(3):
                part = (slice(row, height - 2 + row), slice(column, width - 2 + column))
                apart = self.image[:, part[0], part[1]] - self.mean
                own = (apart[:, None] * self.inverse * apart[None]).sum((0, 1))
                share[part] += (1 + own) / _WINDOW
        return self.count - share


def closed_form_alpha(
    image: Tensor, trimap: Tensor, *, epsilon: float = 1e-7, most_steps: int = 4000, tolerance: float = 1e-6
) -> Tensor:
    """Alpha of one picture, with known pixels held exactly.

    Conjugate gradients with Jacobi's preconditioner on the unknown pixels, in float64; memory grows with the picture
    (about 400 bytes a pixel), there are no tiles.

    Args:
        image: RGB in [0, 1], ``(1, 3, H, W)``, at least 3 pixels a side.
        trimap: classes 0, 1, 2, ``(1, 1, H, W)``.
        epsilon: of the published code; larger ones give smoother alphas.
        most_steps, tolerance: end of the iteration, by the residual over that of the start.

    Returns:
        ``(1, 1, H, W)`` float32 in [0, 1].

    Raises:
        InputError: sizes do not fit.
    """
    if image.shape[-2:] != trimap.shape[-2:] or len(image) != 1 or min(image.shape[-2:]) < 3:
        raise InputError(
            f"closed-form matting takes one picture of at least 3x3 pixels and a trimap of its size, got "
            f"{tuple(image.shape)} and {tuple(trimap.shape)}."
        )
    laplacian = _Laplacian(image[0].double(), epsilon)
    known = (trimap[0, 0] == FOREGROUND).double()
    unknown = (trimap[0, 0] == UNKNOWN).double()
    if not unknown.any():
        return known[None, None].float()
    alpha = _solve(laplacian, known, unknown, most_steps, tolerance)
    return alpha.clamp(0, 1)[None, None].float()


def _solve(laplacian: _Laplacian, known: Tensor, unknown: Tensor, most_steps: int, tolerance: float) -> Tensor:
    """``known`` outside ``unknown``; inside it the minimum of alpha^T L alpha."""
    scale = unknown / laplacian.diagonal.clamp(min=1e-9)
    alpha = known + 0.5 * unknown
    residual = -laplacian(alpha) * unknown
    direction = scaled = scale * residual
    energy = start = float((residual * scaled).sum())
    for _ in range(most_steps):
        if energy <= tolerance**2 * start or energy == 0:
            break
        product = laplacian(direction) * unknown
        step = energy / float((direction * product).sum())
        alpha = alpha + step * direction
        residual = residual - step * product
        scaled = scale * residual
        before, energy = energy, float((residual * scaled).sum())
        direction = scaled + energy / before * direction
    return alpha
