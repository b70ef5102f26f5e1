"""Continuous positions in a picture, as networks of any scale ask for them."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["axis_centres", "cell_of", "pixel_centres"]


def axis_centres(
    length: int, *, dtype: torch.dtype = torch.float32, device: torch.device | str | None = None
) -> Tensor:
    """The centres of ``length`` pixels that fill [-1, 1], ``(length,)``: pixel ``i`` at ``-1 + (2 i + 1) / length``.

    In the order of operations of LIIF's published code: where two centres coincide, its weights are rounding noise.
    """
    return -1 + 1 / length + (2 / length) * torch.arange(length, dtype=dtype, device=device)


def pixel_centres(
    size: tuple[int, int], *, dtype: torch.dtype = torch.float32, device: torch.device | str | None = None
) -> Tensor:
    """Where the centres of a picture's pixels lie, ``(H * W, 2)``: ``[y, x]``, row by row, [-1, 1] being the picture.

    >>> pixel_centres((1, 2)).tolist()
    [[0.0, -0.5], [0.0, 0.5]]
    """
    rows, columns = (axis_centres(length, dtype=dtype, device=device) for length in size)
    grid = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack(grid, dim=-1).reshape(-1, 2)


def cell_of(
    size: tuple[int, int], *, dtype: torch.dtype = torch.float32, device: torch.device | str | None = None
) -> Tensor:
    """The size of one pixel of a picture of ``size`` ``(H, W)`` in these units: ``(2 / H, 2 / W)``, shape ``(2,)``."""
    return torch.tensor([2 / size[0], 2 / size[1]], dtype=dtype, device=device)
