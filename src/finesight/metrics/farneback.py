"""Dense optical flow by polynomial expansion (Farnebäck, 2003), digit by digit as OpenCV computes it; for tOF."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.errors import InputError, SettingError

__all__ = ["farneback_flow", "grey_8bit"]

LEVELS, WINDOW, ITERATIONS = 3, 15, 3
RADIUS, SIGMA = 5, 1.2
BORDER = (0.14, 0.14, 0.4472, 0.4472, 0.4472)  # trust in the outermost pixels


def grey_8bit(image: Tensor) -> Tensor:
    """RGB in [0, 1] of 8-bit levels, (N, 3, H, W), to grey levels (N, H, W) float64 by OpenCV's fixed-point weights."""
    if image.ndim != 4 or image.shape[1] != 3:
        raise SettingError(f"grey levels are made of RGB pictures (N, 3, H, W), got {tuple(image.shape)}")
    red, green, blue = (image * 255).round().long().unbind(1)
    return ((9798 * red + 19235 * green + 3735 * blue + 16384) >> 15).double()


def farneback_flow(first: Tensor, second: Tensor) -> Tensor:
    """Where each pixel of ``first`` lies in ``second``: levels (N, H, W) 0..255 to (N, 2, H, W), x then y, in pixels.

    The settings are TecoGAN's: pyramid of halves down to 32 pixels (at most 3 below full size), window 15, 3
    iterations, neighbourhood 5, sigma 1.2. Computed in float64.

    Raises:
        InputError: sizes differ, or a side has less than 16 pixels.
    """
    if first.shape != second.shape or first.ndim != 3:
        raise InputError(
            f"optical flow needs frames (N, H, W) of one size, got {tuple(first.shape)}, {tuple(second.shape)}"
        )
    height, width = first.shape[-2:]
    if min(height, width) < 16:
        raise InputError(f"optical flow needs frames of at least 16x16 pixels, got {width}x{height}")
    coarsest = 0
    while coarsest < LEVELS and min(height, width) * 0.5 ** (coarsest + 1) >= 32:
        coarsest += 1
    flow: Tensor | None = None
    for level in range(coarsest, -1, -1):
        scale = 0.5**level
        size = (round(height * scale), round(width * scale))
        expansions = [_expansion(_level(image.double(), level, size)) for image in (first, second)]
        if flow is None:
            flow = first.new_zeros(len(first), 2, *size, dtype=torch.float64)
        else:
            flow = 2 * F.interpolate(flow, size, mode="bilinear", align_corners=False)
        for _ in range(ITERATIONS):
            flow = _updated(expansions[0], expansions[1], flow)
    assert flow is not None
    return flow


def _level(image: Tensor, level: int, size: tuple[int, int]) -> Tensor:
    """The full-size picture blurred for its pyramid level and resized to it."""
    if level == 0:
        taps = image.new_tensor([0.25, 0.5, 0.25])
    else:
        sigma = (2**level - 1) / 2
        count = max(3, round(5 * sigma) | 1)
        places = torch.arange(count, dtype=image.dtype, device=image.device) - (count - 1) / 2
        taps = (-places.square() / (2 * sigma**2)).exp()
        taps = taps / taps.sum()
    edge = len(taps) // 2
    blurred = _lines(image, taps, (edge, edge), "reflect")
    if size == tuple(image.shape[-2:]):
        return blurred
    return F.interpolate(blurred[:, None], size, mode="bilinear", align_corners=False)[:, 0]


def _lines(image: Tensor, taps: Tensor, edges: tuple[int, int], mode: str, down: Tensor | None = None) -> Tensor:
    """Rows correlated with ``taps`` and columns with ``down`` (or the same), borders extended."""
    before, after = edges
    padded = F.pad(image[:, None], (before, after, before, after), mode=mode)
    rows = F.conv2d(padded, taps[None, None, None, :])
    return F.conv2d(rows, (taps if down is None else down)[None, None, :, None])[:, 0]


def _expansion(image: Tensor) -> Tensor:
    """Quadratic fit around each pixel: (N, 5, H, W) of r_y, r_x, r_yy, r_xx, r_xy."""
    places = torch.arange(-RADIUS, RADIUS + 1, dtype=image.dtype, device=image.device)
    weight = (-places.square() / (2 * SIGMA**2)).exp()
    weight = weight / weight.sum()
    powers = [weight, weight * places, weight * places.square()]
    moments = [float((weight * places**power).sum()) for power in range(5)]
    # Gram matrix of the basis 1, x, y, x², y², xy under the separable weight
    exponents = ((0, 0), (1, 0), (0, 1), (2, 0), (0, 2), (1, 1))
    gram = image.new_tensor([[moments[a + c] * moments[b + d] for c, d in exponents] for a, b in exponents])
    inverse = torch.linalg.inv(gram)

    def correlated(x: int, y: int) -> Tensor:
        return _lines(image, powers[x], (RADIUS, RADIUS), "replicate", powers[y])

    constant = correlated(0, 0)
    r_y, r_x = inverse[1, 1] * correlated(0, 1), inverse[1, 1] * correlated(1, 0)
    r_yy = inverse[0, 3] * constant + inverse[3, 3] * correlated(0, 2)
    r_xx = inverse[0, 3] * constant + inverse[3, 3] * correlated(2, 0)
    return torch.stack([r_y, r_x, r_yy, r_xx, inverse[5, 5] * correlated(1, 1)], dim=1)


def _updated(first: Tensor, second: Tensor, flow: Tensor) -> Tensor:
    """One iteration: sample the second expansion along the flow, average the equations, solve."""
    height, width = flow.shape[-2:]
    rows = torch.arange(height, dtype=flow.dtype, device=flow.device)[:, None]
    columns = torch.arange(width, dtype=flow.dtype, device=flow.device)
    x, y = columns + flow[:, 0], rows + flow[:, 1]
    left, top = x.floor(), y.floor()
    valid = (left >= 0) & (left <= width - 2) & (top >= 0) & (top <= height - 2)
    grid = torch.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], dim=-1)
    moved = F.grid_sample(second, grid, mode="bilinear", padding_mode="border", align_corners=True)
    r_y, r_x, r_yy, r_xx, r_xy = first.unbind(1)
    m_y, m_x, m_yy, m_xx, m_xy = moved.unbind(1)
    a = torch.where(valid, (r_yy + m_yy) / 2, r_yy)
    b = torch.where(valid, (r_xx + m_xx) / 2, r_xx)
    e = torch.where(valid, (r_xy + m_xy) / 4, r_xy / 2)
    p = torch.where(valid, (r_y - m_y) / 2, r_y / 2)
    q = torch.where(valid, (r_x - m_x) / 2, r_x / 2)
    p, q = p + a * flow[:, 1] + e * flow[:, 0], q + e * flow[:, 1] + b * flow[:, 0]
    trust = _trust(height, flow)[:, None] * _trust(width, flow)
    a, b, e, p, q = (part * trust for part in (a, b, e, p, q))
    maps = torch.stack([a * a + e * e, (a + b) * e, b * b + e * e, a * p + e * q, e * p + b * q], dim=1)
    edge = WINDOW // 2
    padded = F.pad(maps, (edge, edge, edge, edge), mode="replicate")
    aa, bb, cc, pp, qq = F.avg_pool2d(padded, WINDOW, stride=1).unbind(1)
    determinant = 1 / (aa * cc - bb * bb + 1e-3)
    return torch.stack([(aa * qq - bb * pp) * determinant, (cc * pp - bb * qq) * determinant], dim=1)


def _trust(length: int, like: Tensor) -> Tensor:
    ramp = like.new_tensor(BORDER)[: math.ceil(min(length, len(BORDER)))]
    trust = like.new_ones(length)
    trust[: len(ramp)] *= ramp
    trust[length - len(ramp) :] *= ramp.flip(0)
    return trust
