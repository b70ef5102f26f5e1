"""The most similar 3x3 patch of a reference for every patch of a query, and the transfer of what lies there.

The texture search of TTSR (Yang et al., CVPR 2020, eq. 1 to 4) without its matrix of all pairs: the correlation of two
3x3 patches is the sum of nine correlations of single positions, so each pair of positions is multiplied only once and
the search runs over blocks of query and reference. Nothing is unfolded.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["search_patches", "transfer_patches"]

_OFFSETS = [(down, right) for down in range(3) for right in range(3)]


def _patch_lengths(features: Tensor) -> Tensor:
    """Euclidean length of every 3x3 patch over all channels, zero padding: (C, H, W) to (H, W)."""
    # channels last: sums along contiguous memory are pairwise, so their rounding stays small
    squares = features.permute(1, 2, 0).contiguous().square().sum(dim=2)
    padded = F.pad(squares, (1, 1, 1, 1))
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    return (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]).sqrt().clamp_min(1e-12)


def _blocks(height: int, width: int, side: int) -> list[tuple[slice, slice]]:
    rows = [slice(top, min(top + side, height)) for top in range(0, height, side)]
    columns = [slice(left, min(left + side, width)) for left in range(0, width, side)]
    return [(row, column) for row in rows for column in columns]


def _with_ring(padded: Tensor, block: tuple[slice, slice]) -> Tensor:
    """A block and the positions around it: (C, h + 2, w + 2), from features that are padded by one."""
    return padded[:, block[0].start : block[0].stop + 2, block[1].start : block[1].stop + 2]


def _correlate(query: Tensor, key: Tensor) -> Tensor:
    """Inner products of all 3x3 patches: (C, h + 2, w + 2), (C, v + 2, u + 2) to (h * w, v, u)."""
    single = query.flatten(1).T @ key.flatten(1)
    single = single.view(*query.shape[1:], *key.shape[1:])
    height, width, rows, columns = (side - 2 for side in single.shape)
    # positions of equal offset in both patches lie on a diagonal: first summed along the rows, then down the columns
    across = single[:, :width, :, :columns] + single[:, 1 : width + 1, :, 1 : columns + 1]
    across += single[:, 2:, :, 2:]
    both = across[:height, :, :rows] + across[1 : height + 1, :, 1 : rows + 1]
    both += across[2:, :, 2:]
    return both.view(height * width, rows, columns)


def _best_index(query: Tensor, key: Tensor, chunk: int) -> Tensor:
    """For every position of the query (C, h, w) the position of the key (C, v, u) with the highest cosine, (h * w)."""
    height, width = query.shape[1:]
    rows, columns = key.shape[1:]
    inverse = 1 / _patch_lengths(key)  # the query's own length does not change which is best
    query, key = F.pad(query, (1, 1, 1, 1)), F.pad(key, (1, 1, 1, 1))
    side = max(1, math.isqrt(math.isqrt(chunk)) - 2)  # both blocks are square, which wastes least on the rings
    best = query.new_full((height, width), -math.inf)
    index = torch.zeros((height, width), dtype=torch.long, device=query.device)
    key_blocks = [(block, _with_ring(key, block).contiguous()) for block in _blocks(rows, columns, side)]
    for place in _blocks(height, width, side):
        part = _with_ring(query, place).contiguous()
        shape = best[place].shape
        for block, values in key_blocks:
            cosine = _correlate(part, values).mul_(inverse[block])
            value, where = (found.view(shape) for found in cosine.flatten(1).max(dim=1))
            across = block[1].stop - block[1].start
            where = (where // across + block[0].start) * columns + where % across + block[1].start
            # the first of equals, as if all positions had been compared at once
            better = (value > best[place]) | ((value == best[place]) & (where < index[place]))
            best[place] = torch.where(better, value, best[place])
            index[place] = torch.where(better, where, index[place])
    return index.flatten()


def _cosine_at(query: Tensor, key: Tensor, index: Tensor) -> Tensor:
    """Cosine between each query patch and the key patch that ``index`` names, differentiable: (h, w)."""
    height, width = query.shape[1:]
    lengths = _patch_lengths(query) * _patch_lengths(key).flatten()[index].view(height, width)
    columns = key.shape[2]
    query = F.pad(query, (1, 1, 1, 1)).permute(1, 2, 0).contiguous()
    key = F.pad(key, (1, 1, 1, 1)).permute(1, 2, 0).flatten(0, 1)
    corner = torch.div(index, columns, rounding_mode="floor") * (columns + 2) + index % columns
    total = torch.zeros_like(lengths)
    for down, right in _OFFSETS:
        there = key.index_select(0, corner + down * (columns + 2) + right).view(height, width, -1)
        total = total + (query[down : down + height, right : right + width] * there).sum(dim=2)
    return total / lengths


def search_patches(query: Tensor, key: Tensor, *, chunk: int = 2**22) -> tuple[Tensor, Tensor]:
    """For every 3x3 patch of ``query`` the most similar one of ``key``.

    Args:
        query: (N, C, h, w); zero padding around it, stride 1.
        key: (N, C, h', w'), any size.
        chunk: how many pairs of positions are compared at once. It bounds the memory (about 12 bytes a pair) and does
            not change the result.

    Returns:
        The cosine of the best pair, (N, 1, h, w), differentiable in both features, and its position in ``key`` as
        row * w' + column, (N, h * w); the first of equals.
    """
    query, key = query.float(), key.float()  # half precision would turn near-ties around
    with torch.no_grad():
        index = torch.stack([_best_index(*pair, chunk) for pair in zip(query, key, strict=True)])
    score = torch.stack([_cosine_at(*each) for each in zip(query, key, index, strict=True)])
    return score[:, None], index


def transfer_patches(values: Tensor, index: Tensor, size: tuple[int, int], grid: tuple[int, int], step: int) -> Tensor:
    """Put together what lies at the found positions, at a finer level: overlapping patches are summed, divided by 9.

    A patch is 3 x 3 cells of ``step`` x ``step`` pixels. The sum is divided by 9 at the borders too, where fewer
    patches overlap, as the published networks were trained.

    Args:
        values: (N, C, H, W), the reference's features at ``step`` times the search's resolution; H and W may exceed
            ``step`` times ``grid`` by less than ``step``.
        index: (N, h * w) of ``search_patches``.
        size: (h, w) of the query.
        grid: (h', w') of the key.
        step: 1, 2, 4: pixels per position.

    Returns:
        (N, C, h * step, w * step).
    """
    count, channels = values.shape[:2]
    (height, width), (rows, columns) = size, grid
    below, beside = (rows + 1) * step - values.shape[2], (columns + 1) * step - values.shape[3]
    padded = F.pad(values, (step, beside, step, below))
    cells = padded.view(count, channels, rows + 2, step, columns + 2, step)
    cells = cells.permute(0, 2, 4, 1, 3, 5).reshape(count, (rows + 2) * (columns + 2), -1)  # n, cell, c s s
    corner = torch.div(index, columns, rounding_mode="floor") * (columns + 2) + index % columns
    result = []
    for sample, first in zip(cells, corner, strict=True):
        total = sample.new_zeros(height + 2, width + 2, sample.shape[1])
        for down, right in _OFFSETS:
            there = sample.index_select(0, first + down * (columns + 2) + right)
            total[down : down + height, right : right + width] += there.view(height, width, -1)
        result.append(total[1:-1, 1:-1])
    found = torch.stack(result).view(count, height, width, channels, step, step) / 9
    return found.permute(0, 3, 1, 4, 2, 5).reshape(count, channels, height * step, width * step)
