"""Gradient magnitude similarity deviation (Xue et al., 2014)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from finesight.metrics.inputs import check_pair, crop, double

__all__ = ["gmsd"]


def gmsd(restored: Tensor, truth: Tensor, *, border: int = 0) -> Tensor:
    """Deviation (n - 1), over channels and pixels, of the similarity of gradients at half size; lower is better.

    Args:
        restored, truth: (N, C, H, W) in [0, 1]; papers pass the grey luma rounded to 8-bit levels.
        border: pixels left out on each side.

    Returns:
        (N,) float64, 0 for identical pictures.

    Raises:
        InputError: less than 4 pixels are left on a side.
    """
    check_pair(restored, truth, what="GMSD")
    first, second = double(crop(restored, border)), double(crop(truth, border))
    check_pair(first, second, smallest=4, what="GMSD")
    gradient1, gradient2 = _squared_gradient(first), _squared_gradient(second)
    product = (gradient1 * gradient2).sqrt()
    similarity = (2 * product + 170) / (gradient1 + gradient2 + 170)
    return similarity.flatten(1).std(dim=1)


def _squared_gradient(image: Tensor) -> Tensor:
    """Squared Prewitt gradient of the picture in levels, averaged over 2x2 pixels; zeros lie outside."""
    small = F.pad(F.avg_pool2d(image, 2) * (255 / 3), (1, 1, 1, 1))
    rows = small[..., :-2, :] + small[..., 1:-1, :] + small[..., 2:, :]
    columns = small[..., :, :-2] + small[..., :, 1:-1] + small[..., :, 2:]
    across = rows[..., 2:] - rows[..., :-2]
    down = columns[..., 2:, :] - columns[..., :-2, :]
    return across.square() + down.square() + 1e-12
