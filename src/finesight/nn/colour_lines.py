"""Alpha spread from known pixels along lines of colours: closed-form matting, some steps at every size.

The matting Laplacian of Levin, Lischinski and Weiss (TPAMI 2008) as products with means over 3x3 windows (He, Sun and
Tang, CVPR 2010, equation 8), solved from coarse to fine. For batches, and ended early;
``finesight.run.matting.closed_form`` is the same to the end for one picture.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["spread_alpha"]

_WINDOW = 9


def _means(planes: Tensor) -> Tensor:
    """Means over the 3x3 windows that lie inside."""
    return F.avg_pool2d(planes, 3, 1)


def _back(windows: Tensor) -> Tensor:
    """For every pixel the sum over the windows that hold it."""
    return F.avg_pool2d(F.pad(windows, (2, 2, 2, 2)), 3, 1) * _WINDOW


class _Laplacian:
    """Of a batch of pictures ``(N, 3, H, W)``."""

    def __init__(self, image: Tensor, epsilon: float) -> None:
        self.image, self.mean = image, _means(image)
        red, green, blue = image.unbind(1)
        products = _means(
            torch.stack((red * red, red * green, red * blue, green * green, green * blue, blue * blue), 1)
        )
        r, g, b = self.mean.unbind(1)
        means = torch.stack((r * r, r * g, r * b, g * g, g * b, b * b), 1)
        rr, rg, rb, gg, gb, bb = (products - means).unbind(1)
        rr, gg, bb = (one + epsilon / _WINDOW for one in (rr, gg, bb))
        minors = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
        size = rr * minors[0] + rg * minors[1] + rb * minors[2]
        rest = rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg
        self.inverse = torch.stack((*minors, *rest), 1) / size[:, None]  # of the symmetric 3x3, six different entries
        self.count = _back(torch.ones_like(self.mean[:, :1]))
        self.diagonal = self._diagonal()

    def _solved(self, vector: Tensor) -> Tensor:
        """The inverse times ``(N, 3, h, w)``."""
        a, b, c, d, e, f = self.inverse.unbind(1)
        x, y, z = vector.unbind(1)
        return torch.stack((a * x + b * y + c * z, b * x + d * y + e * z, c * x + e * y + f * z), 1)

    def __call__(self, alpha: Tensor) -> Tensor:
        """The product with ``(N, 1, H, W)``."""
        means = _means(torch.cat((self.image * alpha, alpha), dim=1))
        slope = self._solved(means[:, :3] - self.mean * means[:, 3:])
        offset = means[:, 3:] - (slope * self.mean).sum(1, keepdim=True)
        back = _back(torch.cat((slope, offset), dim=1))
        return self.count * alpha - (back[:, :3] * self.image).sum(1, keepdim=True) - back[:, 3:]

    def _diagonal(self) -> Tensor:
        """Each pixel's windows less its own share in them, by expanding ``(I - m)^T S^-1 (I - m)``."""
        weighted = self._solved(self.mean)
        constant = (weighted * self.mean).sum(1, keepdim=True)
        sums = _back(torch.cat((self.inverse, weighted, constant), dim=1))
        a, b, c, d, e, f = sums[:, :6].unbind(1)
        x, y, z = self.image.unbind(1)
        square = a * x * x + d * y * y + f * z * z + 2 * (b * x * y + c * x * z + e * y * z)
        own = square[:, None] - 2 * (sums[:, 6:9] * self.image).sum(1, keepdim=True) + sums[:, 9:]
        return (self.count - (self.count + own) / _WINDOW).clamp(min=0.05)


def spread_alpha(
    image: Tensor,
    foreground: Tensor,
    unknown: Tensor,
    *,
    levels: int = 3,
    steps: int = 400,
    tolerance: float = 1e-2,
    epsilon: float = 1e-6,
) -> Tensor:
    """Alpha in [0, 1], ``(N, 1, H, W)`` of the picture's type; known pixels as they are. Computed in float64.

    Args:
        image: RGB in [0, 1], ``(N, 3, H, W)``; sides multiples of ``2 ** levels``, at least three times it.
        foreground, unknown: ``(N, 1, H, W)``, 1 where it is so.
        levels: halvings.
        steps: of conjugate gradients with Jacobi's preconditioner, at most, at every size.
        tolerance: at every size they end when the residual of all pictures is this share of the first one.
        epsilon: of the Laplacian; more is smoother.
    """
    pyramid = [(image.double(), foreground.double(), unknown.double())]
    for _ in range(levels):
        picture, front, opened = pyramid[-1]
        opened, mean = F.max_pool2d(opened, 2), F.avg_pool2d(front, 2)
        mixed = ((mean > 0) & (mean < 1)).to(opened.dtype)  # a cell on an edge between known sides
        opened = torch.maximum(opened, mixed)
        pyramid.append((F.avg_pool2d(picture, 2), mean * (1 - opened), opened))
    alpha = torch.full_like(pyramid[-1][1], 0.5)
    for picture, front, opened in reversed(pyramid):
        if alpha.shape != front.shape:
            alpha = F.interpolate(alpha, scale_factor=2.0, mode="bilinear")
        alpha = _relaxed(_Laplacian(picture, epsilon), front + opened * alpha, opened, steps, tolerance)
    return alpha.clamp(0, 1).to(image.dtype)


def _relaxed(laplacian: _Laplacian, alpha: Tensor, unknown: Tensor, steps: int, tolerance: float) -> Tensor:
    """Conjugate gradients on the unknown pixels of every picture by itself."""

    def dot(one: Tensor, other: Tensor) -> Tensor:
        return (one * other).sum((1, 2, 3), keepdim=True)

    scale = unknown / laplacian.diagonal
    residual = -laplacian(alpha) * unknown
    direction = scaled = scale * residual
    energy = first = dot(residual, scaled)
    for step in range(steps):
        if step % 8 == 0 and bool((energy <= tolerance**2 * first + 1e-18).all()):
            break
        product = laplacian(direction) * unknown
        length = energy / dot(direction, product).clamp(min=1e-30)
        alpha = alpha + length * direction
        residual = residual - length * product
        scaled = scale * residual
        before, energy = energy, dot(residual, scaled)
        direction = scaled + energy / before.clamp(min=1e-30) * direction
    return alpha
