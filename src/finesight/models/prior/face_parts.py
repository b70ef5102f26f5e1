"""Facial landmarks as heat maps: the targets DIC learns from, the five parts that steer it, and positions again."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.errors import InputError

__all__ = ["five_parts", "landmark_heatmaps", "landmark_positions"]

_FLOOR = 0.05

# left eye, right eye, nose, mouth, silhouette: ranges of landmarks (first, last + 1) by their number
_PARTS: dict[int, tuple[tuple[tuple[int, int], ...], ...]] = {
    68: (((36, 42),), ((42, 48),), ((27, 36),), ((48, 68),), ((0, 27),)),
    194: (
        ((134, 153), (174, 193)),
        ((114, 133), (154, 173)),
        ((41, 57),),
        ((58, 113),),
        ((0, 40),),
    ),
    5: tuple(((part, part + 1),) for part in range(5)),
}


def five_parts(heatmaps: Tensor, *, detach: bool = False) -> Tensor:
    """Landmark heat maps to those of left eye, right eye, nose, mouth and silhouette.

    Every map is divided by its maximum, at least 0.05, then the maps of a part are summed.

    Args:
        heatmaps: (N, K, H, W) with K = 68, 194 (Helen) or 5 landmarks.
        detach: no gradient to the maps (the published setting lets it flow, also through the maximum).

    Returns:
        (N, 5, H, W).

    Raises:
        InputError: another number of landmarks.
    """
    number = heatmaps.shape[1]
    if number not in _PARTS:
        raise InputError(f"Face parts are known for 5, 68 and 194 landmarks, not for {number}.")
    if detach:
        heatmaps = heatmaps.detach()
    heatmaps = heatmaps / heatmaps.flatten(2).amax(dim=2).clamp_min(_FLOOR)[..., None, None]
    parts = [
        torch.cat([heatmaps[:, first:last] for first, last in ranges], dim=1).sum(dim=1) for ranges in _PARTS[number]
    ]
    return torch.stack(parts, dim=1)


def landmark_heatmaps(
    landmarks: Tensor, *, size: Sequence[int] = (256, 256), heatmap: Sequence[int] = (32, 32), sigma: float = 1.0
) -> Tensor:
    """Target heat maps: a Gaussian around every landmark, of peak 1 on whole positions only.

    Args:
        landmarks: (..., K, 2) as x, y in a picture of ``size``.
        size, heatmap: (width, height) of the picture and of the maps. Positions scale by their ratio, without a
            half-pixel shift.
        sigma: deviation in pixels of the maps.

    Returns:
        (..., K, height, width) float64.
    """
    positions = landmarks.double() * torch.tensor(
        [heatmap[0] / size[0], heatmap[1] / size[1]], dtype=torch.float64, device=landmarks.device
    )
    rows = torch.arange(heatmap[1], dtype=torch.float64, device=landmarks.device)
    columns = torch.arange(heatmap[0], dtype=torch.float64, device=landmarks.device)
    across = (columns - positions[..., 0:1]).square()[..., None, :]
    down = (rows - positions[..., 1:2]).square()[..., :, None]
    return torch.exp(-(across + down) / (2 * sigma**2))


def landmark_positions(heatmaps: Tensor, *, size: Sequence[int] = (128, 128)) -> Tensor:
    """Where the maps are highest, as x, y in a picture of ``size`` (width, height): (N, K, H, W) to (N, K, 2).

    The inverse of ``landmark_heatmaps``: a parabola through the logarithm of the maximum and its two neighbours on
    each axis gives the fraction of a pixel, exactly for a Gaussian.
    """
    height, width = heatmaps.shape[2:]
    logs = F.pad(heatmaps.clamp_min(1e-6).log(), (1, 1, 1, 1), mode="replicate").flatten(2)
    index = heatmaps.flatten(2).argmax(dim=2)
    row, column = torch.div(index, width, rounding_mode="floor"), index % width
    centre = (row + 1) * (width + 2) + column + 1

    def fraction(step: int) -> Tensor:
        before, here, after = (logs.gather(2, (centre + o)[..., None])[..., 0] for o in (-step, 0, step))
        bend = (2 * here - before - after).clamp_min(1e-6)
        return ((after - before) / (2 * bend)).clamp(-0.5, 0.5)

    x = (column + fraction(1)) * (size[0] / width)
    y = (row + fraction(width + 2)) * (size[1] / height)
    return torch.stack((x, y), dim=2)
