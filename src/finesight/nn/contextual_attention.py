"""Contextual attention: a hole is filled from patches of its surroundings (Yu et al., CVPR 2018, arXiv 1801.07892).

Every step of the published definition (correlation of 3x3 patches, two fusions, pasting of 4x4 patches) is a sum over
pairs of positions that are shifted together. So patches are never written out: one product of single pixels, then
shifted sums of it, gives the same numbers from an eighth of the multiplications, for a few query rows at a time.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from finesight.errors import InputError

__all__ = ["ContextualAttention", "along_columns", "along_rows", "together"]

_SMALLEST_NORM = 1e-4


def along_rows(pairs: Tensor) -> Tensor:
    """Sum over shifts -1, 0, 1 of query row and context row together; ``(r + 2, W, h, w)`` to ``(r, W, h, w)``."""
    total = pairs[1:-1].clone()
    total[:, :, 1:] += pairs[:-2, :, :-1]
    total[:, :, :-1] += pairs[2:, :, 1:]
    return total


def along_columns(pairs: Tensor) -> Tensor:
    """The same of query column and context column; the shape stays."""
    total = pairs.clone()
    total[:, 1:, :, 1:] += pairs[:, :-1, :, :-1]
    total[:, :-1, :, :-1] += pairs[:, 1:, :, 1:]
    return total


def _fused_row_major(pairs: Tensor) -> Tensor:
    """Sum over shifts -1, 0, 1 of both flat indices, rows one after another; ``(r + 2, W, h, w)`` to ``(r, W, h, w)``.

    It runs over the ends of rows, as published.
    """
    width = pairs.shape[1]
    flat = pairs.flatten(2).flatten(0, 1)  # (r + 2) W, h w
    total = flat[width:-width].clone()
    total[:, 1:] += flat[width - 1 : -width - 1, :-1]
    total[:, :-1] += flat[width + 1 : len(flat) - width + 1, 1:]
    return total.view(len(pairs) - 2, *pairs.shape[1:])


def _fused_column_major(pairs: Tensor) -> Tensor:
    """The same with columns one after another; query rows before the first and after the last are part of ``pairs``."""
    total = pairs[1:-1].clone()
    before, after = pairs[:-2], pairs[2:]
    total[:, :, 1:] += before[:, :, :-1]
    total[:, :, 0, 1:] += before[:, :, -1, :-1]
    total[:, :, :-1] += after[:, :, 1:]
    total[:, :, -1, :-1] += after[:, :, 0, 1:]
    return total


def _shifted(pairs: Tensor, by: int) -> Tensor:
    """Query columns moved by one: what column-major order has before a first row (1) and after a last one (-1)."""
    empty = torch.zeros_like(pairs[:, :1])
    return torch.cat((empty, pairs[:, :-1]) if by > 0 else (pairs[:, 1:], empty), dim=1)


class _Sample:
    """Similarities between one picture's positions (at half size), a few query rows at a time."""

    def __init__(self, query: Tensor, context: Tensor, *, fuse: bool) -> None:
        self.height, self.width = query.shape[-2:]
        self.context_size = context.shape[-2:]
        self.fuse = fuse
        self.query = F.pad(query, (0, 0, 1, 1)).permute(1, 2, 0)  # rows + 2, columns, channels
        self.context = context.flatten(1)
        squares = F.pad(context.square().sum(0)[None, None], (1, 1, 1, 1))
        norm = F.conv2d(squares, squares.new_ones(1, 1, 3, 3))[0, 0].sqrt()
        self.scale = 1 / norm.clamp(min=_SMALLEST_NORM)
        self.last, self.first = None, None
        if fuse:
            self.last = _shifted(self.row_fused(self.height - 1, self.height), 1)
            self.first = _shifted(self.row_fused(0, 1), -1)

    def correlated(self, start: int, stop: int) -> Tensor:
        """Query rows ``start .. stop`` against every context patch: ``(rows, W, h, w)``; zero outside the picture."""
        inside = max(start, 0), min(stop, self.height)
        rows = self.query[inside[0] : inside[1] + 2]
        pairs = (rows.flatten(0, 1) @ self.context).view(len(rows), self.width, *self.context_size)
        pairs = along_columns(along_rows(pairs)) * self.scale
        below, above = inside[0] - start, stop - inside[1]
        return F.pad(pairs, (0, 0, 0, 0, 0, 0, below, above)) if below or above else pairs

    def row_fused(self, start: int, stop: int) -> Tensor:
        """The first fusion."""
        return _fused_row_major(self.correlated(start - 1, stop + 1))

    def similarities(self, start: int, stop: int) -> Tensor:
        """Both fusions, if there are any: ``(rows, W, h, w)``."""
        if not self.fuse or self.last is None or self.first is None:
            return self.correlated(start, stop)
        parts = [self.row_fused(max(start - 1, 0), min(stop + 1, self.height))]
        if start == 0:
            parts.insert(0, self.last)
        if stop == self.height:
            parts.append(self.first)
        return _fused_column_major(torch.cat(parts) if len(parts) > 1 else parts[0])


def together(weights: Tensor, axis: int, phase: int) -> Tensor:
    """Weights of pixel cells from weights of patches, along one axis of query and context.

    The even pixels of cell ``y`` lie in the patches ``y - 1`` and ``y``, the odd ones in ``y`` and ``y + 1``. Along the
    rows (axis 0) the answer has one row more: the first is cell -1 of odd pixels, the last is cell ``r`` of even ones.
    """
    other = axis + 2
    length = weights.shape[other]
    if axis == 0:
        row = torch.zeros_like(weights[:1])
        here = torch.cat((weights, row) if phase == 0 else (row, weights))
        there = weights
        place = here.narrow(0, 1 if phase == 0 else 0, len(weights))
    else:
        here = weights.clone()
        there = weights.narrow(1, 0, weights.shape[1] - 1) if phase == 0 else weights.narrow(1, 1, weights.shape[1] - 1)
        place = here.narrow(1, 1 if phase == 0 else 0, weights.shape[1] - 1)
    kept = place.narrow(other, 1 if phase == 0 else 0, length - 1)
    kept += there.narrow(other, 0 if phase == 0 else 1, length - 1)
    return here


class ContextualAttention(nn.Module):
    """Replace every 4x4 patch of the features by a mixture of the context's patches that resemble it.

    Exact, in blocks of query rows: the result does not depend on ``chunk``. A published file's ``fuse_kernel`` is the
    identity and carries nothing. Always computed in float32 or wider.

    Args:
        softmax_scale: similarities are multiplied by this before the softmax.
        fuse: add the similarities of diagonal neighbours, row by row, then column by column (the paper's attention
            propagation; published kernel size 3; ``False`` is its kernel size 1).
        chunk: pairs of query and context positions at once, at half size: about 50 bytes each. A block is at least one
            row of queries, and up to six around it come along, so that beyond ``chunk`` pairs in a row (features of
            256 x 256) memory grows with the third power of the side, not the fourth.
    """

    ignored = (r"fuse_kernel$",)

    def __init__(self, *, softmax_scale: float = 10.0, fuse: bool = True, chunk: int = 2**21) -> None:
        super().__init__()
        self.softmax_scale = softmax_scale
        self.fuse = fuse
        self.chunk = chunk

    def forward(self, features: Tensor, context: Tensor, mask: Tensor | None = None) -> Tensor:
        """Every position of ``features``, also the known ones, put together from ``context``.

        Args:
            features: ``(N, C, H, W)``, sides even.
            context: ``(N, C, H', W')``, sides even.
            mask: ``(N, 1, H', W')``, 1 = hole of the context: patches that touch it are not used. Where that leaves
                none, all are.

        Returns:
            ``(N, C, H, W)``.

        Raises:
            InputError: odd sides, or sizes that do not fit.
        """
        return self._each(features, context, mask, None)

    def scores(self, features: Tensor, context: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The same, and how much each patch was used: ``(N, H' / 2, W' / 2, H / 2, W / 2)``, which is large."""
        kept: list[Tensor] = []
        answer = self._each(features, context, mask, kept)
        return answer, torch.stack(kept).permute(0, 3, 4, 1, 2)

    def _each(self, features: Tensor, context: Tensor, mask: Tensor | None, kept: list[Tensor] | None) -> Tensor:
        _check(features, context, mask)
        dtype = features.dtype
        if dtype in (torch.float16, torch.bfloat16):
            features, context = features.float(), context.float()
        barred = None if mask is None else _barred(mask[..., ::2, ::2])
        with torch.autocast(features.device.type, enabled=False):
            answers = [
                self._one(features[n], context[n], None if barred is None else barred[n], kept)
                for n in range(len(features))
            ]
        return torch.stack(answers).to(dtype)

    def _one(self, features: Tensor, context: Tensor, barred: Tensor | None, kept: list[Tensor] | None) -> Tensor:
        """One sample: ``(C, H, W)`` and ``(C, H', W')`` to ``(C, H, W)``."""
        sample = _Sample(features[:, ::2, ::2], context[:, ::2, ::2], fuse=self.fuse)
        channels, height, width = features.shape
        step = max(1, self.chunk // (sample.width * sample.context.shape[1]))
        total = features.new_zeros(sample.height + 2, 2, sample.width, 2, channels)  # a cell more above and below
        blocks = []
        again = torch.is_grad_enabled() and step < sample.height
        for start in range(0, sample.height, step):
            stop = min(start + step, sample.height)
            arguments = (sample, context, barred, start, stop)
            even, odd, weights = (
                checkpoint(self._block, *arguments, use_reentrant=False) if again else self._block(*arguments)
            )
            total[start + 1 : stop + 2, 0] += even
            total[start : stop + 1, 1] += odd
            if kept is not None:
                blocks.append(weights)
        if kept is not None:
            kept.append(torch.cat(blocks))
        picture = total[1:-1].reshape(height, width, channels).permute(2, 0, 1)
        return picture / (_overlap(height, features)[:, None] * _overlap(width, features))

    def _block(
        self, sample: _Sample, context: Tensor, barred: Tensor | None, start: int, stop: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Sums of the even and of the odd pixel rows of cells ``start .. stop`` and ``start - 1 .. stop - 1`` (both
        included), each ``(rows + 1, W / 2, 2, C)``, and the weights of the patches, ``(rows, W / 2, h, w)``."""
        pairs = sample.similarities(start, stop) * self.softmax_scale
        if barred is not None:
            pairs.masked_fill_(barred, -torch.inf)
        weights = pairs.flatten(2).softmax(2).view_as(pairs)
        found = []
        for row in (0, 1):
            cells = together(weights, 0, row)
            phases = []
            for column in (0, 1):
                pixels = context[:, row::2, column::2].flatten(1).T  # h w, C
                mixed = together(cells, 1, column).flatten(2).flatten(0, 1) @ pixels
                phases.append(mixed.view(*cells.shape[:2], -1))
            found.append(torch.stack(phases, dim=2))
        return found[0], found[1], weights


def _check(features: Tensor, context: Tensor, mask: Tensor | None) -> None:
    if any(side % 2 for picture in (features, context) for side in picture.shape[-2:]):
        shapes = f"{tuple(features.shape[-2:])} and {tuple(context.shape[-2:])}"
        raise InputError(f"contextual attention needs even sides, got {shapes}; pad the picture.")
    if features.shape[:2] != context.shape[:2]:
        raise InputError(
            f"contextual attention: features {tuple(features.shape)} and context {tuple(context.shape)} differ in "
            "samples or channels."
        )
    wanted = (len(context), 1, *context.shape[-2:])
    if mask is not None and mask.shape != wanted:
        raise InputError(f"contextual attention: the mask must be {wanted}, got {tuple(mask.shape)}.")


def _barred(mask: Tensor) -> Tensor:
    """Where a 3x3 window touches the hole, ``(N, h, w)``; nowhere in a sample that would have nothing left."""
    touched = F.max_pool2d((mask > 0).float(), 3, 1, 1)[:, 0] > 0
    return touched & ~touched.flatten(1).all(1)[:, None, None]


def _overlap(length: int, like: Tensor) -> Tensor:
    """How many patches cover each pixel of one axis: 1 at both ends, 2 between."""
    count = like.new_full((length,), 2.0)
    count[0] = count[-1] = 1
    return count
