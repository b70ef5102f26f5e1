"""Guided contextual attention: features of alpha flow between places that look alike (Li and Lu, AAAI 2020).

arXiv 2001.04069. The same primitive as contextual attention: shifted sums of one product of single pixels instead of
patches, a few query rows at a time. What differs: pixels beyond the border are mirrored ones, likeness is that of the
picture, known and unknown places weigh differently, and nothing unknown copies itself.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from finesight.errors import InputError
from finesight.nn.contextual_attention import along_columns, along_rows, together

__all__ = ["GuidedContextualAttention"]

_SMALLEST_NORM = 1e-4
_PENALTY = -1e4


def _mirrored(picture: Tensor) -> Tensor:
    """``(C, H, W)`` with one more pixel on every side."""
    return F.pad(picture[None], (1, 1, 1, 1), mode="reflect")[0]


class _Likeness:
    """Similarities between the positions of one picture's guidance ``(C, h, w)``, a few query rows at a time."""

    def __init__(self, guidance: Tensor, unknown: Tensor | None) -> None:
        self.height, self.width = guidance.shape[-2:]
        padded = _mirrored(guidance)
        self.query = padded.permute(1, 2, 0)  # h + 2, w + 2, C
        self.context = padded.flatten(1)
        window = guidance.new_ones(1, 1, 3, 3)
        norm = F.conv2d(padded.square().sum(0)[None, None], window)[0, 0].sqrt()
        self.scale = 1 / norm.clamp(min=_SMALLEST_NORM)
        self.share = torch.ones_like(self.scale)  # of each window that is unknown
        if unknown is not None:
            self.share = F.conv2d(_mirrored(unknown)[None], window)[0, 0] / 9
            mean = unknown.mean()
            odds = (mean / (1 - mean)).sqrt()
            weights = odds.clamp(0.1, 10), (1 / odds).clamp(0.1, 10)
            self.scale = self.scale * torch.where(self.share > 0, *weights)

    def rows(self, start: int, stop: int) -> Tensor:
        """Query rows ``start .. stop`` against every position: ``(rows, w, h, w)``."""
        query = self.query[start : stop + 2]
        pairs = (query.flatten(0, 1) @ self.context).view(len(query), self.width + 2, self.height + 2, self.width + 2)
        pairs = along_rows(pairs)[:, :, 1:-1]
        pairs = along_columns(pairs)[:, 1:-1, :, 1:-1] * self.scale
        flat = pairs.flatten(2).flatten(0, 1)
        itself = torch.arange(start * self.width, stop * self.width, device=flat.device)
        penalty = _PENALTY * self.share.flatten()[itself]
        return flat.scatter_add(1, itself[:, None], penalty[:, None]).view_as(pairs)


def _mirrored_together(weights: Tensor, axis: int, phase: int) -> Tensor:
    """As in contextual attention, and the mirrored pixels of a patch beyond the border count as the ones inside."""
    cells = together(weights, axis, phase)
    other = axis + 2
    end = weights.shape[other] - 1 if phase == 0 else 0
    length = weights.shape[axis]
    if axis == 0:  # a row of cells more
        place, source = cells.narrow(0, 1 if phase == 0 else 0, length), weights
    else:
        place = cells.narrow(1, 1 if phase == 0 else 0, length - 1)
        source = weights.narrow(1, 0 if phase == 0 else 1, length - 1)
    edge = place.select(other, end)
    edge += source.select(other, end)
    return cells


class GuidedContextualAttention(nn.Module):
    """Add to every 4x4 patch of alpha's features a mixture of patches from places that look like it.

    Exact, in blocks of query rows: the result does not depend on ``chunk``. Always computed in float32 or wider.

    Args:
        channels: of guidance and features; even.
        chunk: pairs of positions at once, at half size (about 50 bytes each); a block is at least one row of queries.
    """

    def __init__(self, channels: int, *, chunk: int = 2**21) -> None:
        super().__init__()
        self.chunk = chunk
        self.guidance_conv = nn.Conv2d(channels, channels // 2, 1)
        out, norm = nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels)
        for conv in (self.guidance_conv, out):
            nn.init.xavier_uniform_(conv.weight)
            if conv.bias is not None:
                nn.init.zeros_(conv.bias)
        nn.init.constant_(norm.weight, 1e-3)
        self.out_conv = nn.Sequential(OrderedDict(conv=out, bn=norm))

    def forward(self, guidance: Tensor, features: Tensor, unknown: Tensor | None = None) -> Tensor:
        """Features ``(N, C, H, W)`` to new ones.

        Args:
            guidance: ``(N, C, H, W)``, features of the picture; sides even and at least 4.
            features: ``(N, C, H, W)``, features of alpha.
            unknown: ``(N, 1, H, W)``, 1 where alpha is unknown; by default everywhere, and all places weigh the same.

        Raises:
            InputError: odd or small sides, or sizes that do not fit.
        """
        _check(guidance, features, unknown)
        likeness = self.guidance_conv(guidance)[..., ::2, ::2]
        places = None if unknown is None else unknown.detach()[..., ::2, ::2]
        dtype = features.dtype
        values = features
        if dtype in (torch.float16, torch.bfloat16):
            likeness, values = likeness.float(), features.float()
        with torch.autocast(features.device.type, enabled=False):
            mixed = [
                self._one(likeness[n], values[n], None if places is None else places[n].to(likeness.dtype))
                for n in range(len(features))
            ]
        found: Tensor = self.out_conv(torch.stack(mixed).to(dtype))
        return found + features

    def _one(self, guidance: Tensor, features: Tensor, unknown: Tensor | None) -> Tensor:
        """One sample: ``(C / 2, H / 2, W / 2)`` and ``(C, H, W)`` to ``(C, H, W)``."""
        likeness = _Likeness(guidance, unknown)
        channels, height, width = features.shape
        step = max(1, self.chunk // (likeness.width * likeness.height * likeness.width))
        total = features.new_zeros(likeness.height + 2, 2, likeness.width, 2, channels)  # a cell more above and below
        again = torch.is_grad_enabled() and step < likeness.height
        for start in range(0, likeness.height, step):
            stop = min(start + step, likeness.height)
            arguments = (likeness, features, start, stop)
            even, odd = checkpoint(_block, *arguments, use_reentrant=False) if again else _block(*arguments)
            total[start + 1 : stop + 2, 0] += even
            total[start : stop + 1, 1] += odd
        return total[1:-1].reshape(height, width, channels).permute(2, 0, 1) / 4


def _block(likeness: _Likeness, features: Tensor, start: int, stop: int) -> tuple[Tensor, Tensor]:
    """Sums of the even and of the odd pixel rows of cells ``start .. stop`` and ``start - 1 .. stop - 1`` (both
    included), each ``(rows + 1, W / 2, 2, C)``."""
    pairs = likeness.rows(start, stop)
    weights = pairs.flatten(2).softmax(2).view_as(pairs)
    found = []
    for row in (0, 1):
        cells = _mirrored_together(weights, 0, row)
        phases = []
        for column in (0, 1):
            pixels = features[:, row::2, column::2].flatten(1).T  # h w, C
            mixed = _mirrored_together(cells, 1, column).flatten(2).flatten(0, 1) @ pixels
            phases.append(mixed.view(*cells.shape[:2], -1))
        found.append(torch.stack(phases, dim=2))
    return found[0], found[1]


def _check(guidance: Tensor, features: Tensor, unknown: Tensor | None) -> None:
    if guidance.shape != features.shape:
        raise InputError(
            f"guided attention: guidance {tuple(guidance.shape)} and features {tuple(features.shape)} differ in size."
        )
    if any(side % 2 or side < 4 for side in features.shape[-2:]):
        raise InputError(
            f"guided attention needs even sides of at least 4, got {tuple(features.shape[-2:])}; pad the picture."
        )
    wanted = (len(features), 1, *features.shape[-2:])
    if unknown is not None and unknown.shape != wanted:
        raise InputError(f"guided attention: the unknown region must be {wanted}, got {tuple(unknown.shape)}.")
