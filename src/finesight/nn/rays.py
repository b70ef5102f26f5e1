"""What a hole's pixel sees when it looks along straight lines: the nearest known pixel on each, and how far it is."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["AXES", "RAYS", "ray_distances", "ray_values"]

AXES: tuple[tuple[int, int], ...] = ((0, 1), (1, 2), (1, 1), (2, 1), (1, 0), (2, -1), (1, -1), (1, -2))
"""Steps (rows, columns) along eight lines, every 22.5 to 26.6 degrees."""

RAYS: tuple[tuple[int, int], ...] = (*AXES, *((-down, -right) for down, right in AXES))
"""Both ends of each axis; ray ``i + 8`` is opposite to ray ``i``."""


def ray_distances(mask: Tensor, *, reach: int = 7) -> Tensor:
    """Steps along each ray to the nearest known pixel, by doubling.

    Args:
        mask: ``(N, 1, H, W)``, above 0 = hole.
        reach: rays see ``2 ** reach - 1`` steps far.

    Returns:
        ``(N, 16, H, W)`` float32: 0 at known pixels, ``2 ** reach`` where nothing known is seen.
    """
    far = float(2**reach)
    start = torch.where(mask > 0, far, 0.0).to(torch.float32)
    found = []
    for down, right in RAYS:
        distance = start
        for level in range(reach):
            seen = _moved(distance, down * 2**level, right * 2**level, far)
            distance = torch.where(distance < far, distance, (seen + 2**level).clamp(max=far))
        found.append(distance)
    return torch.cat(found, dim=1)


def _moved(picture: Tensor, down: int, right: int, outside: float) -> Tensor:
    """``picture[y + down, x + right]``, ``outside`` beyond the border."""
    height, width = picture.shape[-2:]
    if abs(down) >= height or abs(right) >= width:
        return torch.full_like(picture, outside)
    inner = picture[..., max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)]
    return F.pad(inner, (max(-right, 0), max(right, 0), max(-down, 0), max(down, 0)), value=outside)


def ray_values(image: Tensor, distances: Tensor, fallback: Tensor, *, reach: int = 7) -> Tensor:
    """The picture at the end of each ray.

    Args:
        image: ``(N, C, H, W)``.
        distances: ``(N, 16, H, W)`` of ``ray_distances``.
        fallback: ``(N, C, H, W)``, taken where a ray sees nothing.

    Returns:
        ``(N, 16, C, H, W)``.
    """
    height, width = image.shape[-2:]
    flat = image.flatten(2)
    here = torch.arange(height * width, device=image.device).view(height, width)
    seen = distances < 2**reach
    values = []
    for ray, (down, right) in enumerate(RAYS):
        steps = torch.where(seen[:, ray], distances[:, ray], torch.zeros_like(distances[:, ray])).long()
        place = (here + steps * (down * width + right)).flatten(1)[:, None].expand(-1, image.shape[1], -1)
        found = flat.gather(2, place).view_as(image)
        values.append(torch.where(seen[:, ray : ray + 1], found, fallback))
    return torch.stack(values, dim=1)
