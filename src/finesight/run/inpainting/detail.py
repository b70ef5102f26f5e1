"""Fine detail for holes that were filled at a smaller size: taken from the known places that look most alike.

The residuals between a size and the next smaller one are what enlarging cannot bring back. Each patch of the hole takes
those of its nearest known patch, compared at the smallest size, so that one search serves all sizes ("Contextual
Residual Aggregation for Ultra High-Resolution Image Inpainting", Yi et al., CVPR 2020, section 3.2, with one nearest
patch in place of an attention over all).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.run.inpainting.pyramid import Level

__all__ = ["Matches", "enlarged", "find_matches", "residuals"]

_PATCH = 8  # side at the smallest size; patches overlap by half
_STEP = _PATCH // 2
_MOST = 12_000  # known patches that are compared, evenly chosen
_CHUNK = 2_000_000  # pairs at once


@dataclass(frozen=True, slots=True)
class Matches:
    """For patches that touch the hole (rows and columns at the smallest size) the known ones they take detail from."""

    wanted: Tensor  # (n, 2)
    found: Tensor  # (n, 2)
    shape: tuple[int, int]


def enlarged(image: Tensor, size: tuple[int, int]) -> Tensor:
    """``(c, h, w)`` to twice the size, cut to ``size``."""
    doubled = F.interpolate(image[None], scale_factor=2.0, mode="bilinear", align_corners=False)[0]
    return doubled[:, : size[0], : size[1]]


def find_matches(filled: Tensor, missing: Tensor) -> Matches | None:
    """Nearest known patches in colours averaged two by two; ``None`` where no whole patch is known.

    Args:
        filled: ``(c, h, w)`` at the smallest size, its hole filled.
        missing: ``(h, w)`` boolean.
    """
    height, width = missing.shape
    if height < _PATCH or width < _PATCH:
        return None
    touched = F.max_pool2d(missing[None, None].float(), _PATCH, _STEP)[0, 0] > 0
    means = F.avg_pool2d(filled[None], 2, 2)
    columns = F.unfold(means, _PATCH // 2, stride=_STEP // 2)[0].T  # patches, c * 16
    rows_of = (height // 2 - _PATCH // 2) // (_STEP // 2) + 1
    columns_of = (width // 2 - _PATCH // 2) // (_STEP // 2) + 1
    touched = touched[:rows_of, :columns_of].flatten()
    wanted, known = touched.nonzero()[:, 0], (~touched).nonzero()[:, 0]
    if not len(known) or not len(wanted):
        return None
    known = known[:: -(-len(known) // _MOST)]
    candidates = columns[known]
    squares = candidates.square().sum(1)
    parts = columns[wanted].split(max(1, _CHUNK // len(known)))
    chosen = known[torch.cat([(squares - 2 * part @ candidates.T).argmin(1) for part in parts])]
    places = [torch.stack((one // columns_of, one % columns_of), dim=1) * _STEP for one in (wanted, chosen)]
    return Matches(places[0], places[1], (height, width))


def residuals(matches: Matches, level: Level, coarse: Tensor, scale: int) -> Tensor:
    """What is to be added inside the hole at one size, ``(c, h, w)``; zero where no patch is pasted.

    Patches fade into each other (raised cosines, which add up to one).

    Args:
        level: the picture at this size; only its known pixels are used.
        coarse: ``(c, h, w)``, the known picture of the next smaller size enlarged to this one.
        scale: this size over the smallest.
    """
    height, width = level.hole.shape
    known = torch.from_numpy(~level.hole)
    difference = (level.image - coarse) * known
    side = _PATCH * scale
    ramp = 0.5 - 0.5 * torch.cos(2 * torch.pi * (torch.arange(side) + 0.5) / side)
    window = ramp[:, None] * ramp[None, :]
    total = torch.zeros_like(level.image)
    for (top, left), (source_top, source_left) in zip(
        (matches.wanted * scale).tolist(), (matches.found * scale).tolist(), strict=True
    ):
        tall = min(side, height - max(top, source_top))
        wide = min(side, width - max(left, source_left))
        if tall <= 0 or wide <= 0:
            continue
        part = difference[:, source_top : source_top + tall, source_left : source_left + wide]
        total[:, top : top + tall, left : left + wide] += part * window[:tall, :wide]
    return total
