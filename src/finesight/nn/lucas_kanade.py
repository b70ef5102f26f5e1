"""Optical flow without parameters: Lucas and Kanade (1981), iterated from coarse to fine (Bouguet 2000), everywhere."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.errors import SettingError
from finesight.nn.flow_warp import flow_warp

__all__ = ["lucas_kanade"]

_GREY = (0.299, 0.587, 0.114)
_SMALLEST = 8  # pixels of the short side below which no coarser level is made


def lucas_kanade(
    first: Tensor,
    second: Tensor,
    *,
    levels: int = 5,
    iterations: int = 4,
    window: int = 9,
    smoothing: int = 9,
    damping: float = 2e-4,
) -> Tensor:
    """For each pixel of ``first``, where to look in ``second``: ``first(p) = second(p + flow(p))``.

    Args:
        first, second: RGB in [0, 1], ``N 3 H W``, of any size.
        levels: of the pyramid, each half the size of the one before; fewer where pictures are small.
        iterations: on each level.
        window: side of the square that moves as one, pixels of the level (odd).
        smoothing: side of the square over which the flow is averaged after each iteration (odd), without which places
            that have no match drift ever further.
        damping: mean square gradient, per pixel, under which a place counts as flat and keeps the motion it has.

    Returns:
        ``N 2 H W`` in pixels, right and down; float32 (or float64), and without gradient.

    Raises:
        SettingError: the pictures differ in size, or a square has an even side.
    """
    if first.shape != second.shape or first.ndim != 4 or first.shape[1] != 3 or not window * smoothing % 2:
        raise SettingError(
            f"lucas_kanade needs two pictures (N, 3, H, W) of one size and odd squares, got {tuple(first.shape)}, "
            f"{tuple(second.shape)}, {window} and {smoothing}."
        )
    exact = torch.promote_types(first.dtype, torch.float32)
    grey = first.new_tensor(_GREY, dtype=exact).view(1, 3, 1, 1)
    pyramid = [((first.detach().to(exact) * grey).sum(1, True), (second.detach().to(exact) * grey).sum(1, True))]
    while len(pyramid) < levels and min(pyramid[-1][0].shape[-2:]) >= 2 * _SMALLEST:
        one, other = (F.avg_pool2d(picture, 2, ceil_mode=True) for picture in pyramid[-1])
        pyramid.append((one, other))
    flow: Tensor | None = None
    for one, other in reversed(pyramid):
        flow = one.new_zeros(one.shape[0], 2, *one.shape[-2:]) if flow is None else _doubled(flow, one)
        flow = _refined(one, other, flow, iterations, (window, smoothing), damping)
    assert flow is not None
    return flow


def _doubled(flow: Tensor, picture: Tensor) -> Tensor:
    """The flow of the coarser level on the size of ``picture``: a pixel there is two here."""
    height, width = picture.shape[-2:]
    larger = F.interpolate(flow, scale_factor=2, mode="bilinear", align_corners=False)
    return 2 * larger[..., :height, :width]


def _mean(values: Tensor, window: int) -> Tensor:
    """Of the square around each pixel; beyond the border there is nothing, and it does not count."""
    return F.avg_pool2d(values, window, 1, window // 2, count_include_pad=False)


def _refined(
    first: Tensor, second: Tensor, flow: Tensor, iterations: int, squares: tuple[int, int], damping: float
) -> Tensor:
    window, smoothing = squares
    padded = F.pad(first, (1, 1, 1, 1), mode="replicate")
    right = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    down = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    xx, yy, xy = _mean(torch.cat((right * right, down * down, right * down), dim=1), window).split(1, dim=1)
    xx, yy = xx + damping, yy + damping
    determinant = xx * yy - xy * xy
    for _ in range(iterations):
        change = flow_warp(second, flow, padding="border") - first
        x, y = _mean(torch.cat((right * change, down * change), dim=1), window).split(1, dim=1)
        step = torch.cat((yy * x - xy * y, xx * y - xy * x), dim=1) / determinant
        flow = _mean(flow - step.clamp(-1, 1), smoothing)
    return flow
