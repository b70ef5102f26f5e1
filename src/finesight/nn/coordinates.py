"""Continuous positions in a picture, as networks of any scale ask for them."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["cell_of", "pixel_centres"]


def pixel_centres(
    size: tuple[int, int], *, dtype: torch.dtype = torch.float32, device: torch.device | str | None = None
) -> Tensor:
    """Where the centres of a picture's pixels lie, ``(H * W, 2)``: ``[y, x]``, row by row, [-1, 1] being the picture.

    The centre of pixel ``i`` of ``n`` is ``-1 + (2 i + 1) / n``.

    >>> pixel_centres((1, 2)).tolist()
    [[0.0, -0.5], [0.0, 0.5]]
    """
    rows, columns = ((2 * torch.arange(n, dtype=torch.float64, device=device) + 1) / n - 1 for n in size)
    grid = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack(grid, dim=-1).reshape(-1, 2).to(dtype)


def cell_of(
    size: tuple[int, int], *, dtype: torch.dtype = torch.float32, device: torch.device | str | None = None
) -> Tensor:
    """The size of one pixel of a picture of ``size`` ``(H, W)`` in these units: ``(2 / H, 2 / W)``, shape ``(2,)``."""
    return torch.tensor([2 / size[0], 2 / size[1]], dtype=dtype, device=device)
