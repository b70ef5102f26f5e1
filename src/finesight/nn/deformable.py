"""Deformable convolution, version 1 (plain) and 2 (modulated), in plain PyTorch.

Zhu et al., "Deformable ConvNets v2" (CVPR 2019). All taps of all groups of a strip of rows are looked up by one batched
call, and one ordinary convolution of size (taps x 1) joins them: exportable, differentiable, in bounded memory.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import SettingError

__all__ = ["BorderRule", "DeformablePack", "ModulatedDeformablePack", "deformable_convolution"]

BorderRule = Literal["zeros", "legacy"]

# Output pixels a strip: the samples of 2,048 pixels, 64 channels and 9 taps stay in a CPU's second-level cache; a GPU
# needs larger strips to be busy.
CPU_CHUNK = 2048
GPU_CHUNK = 65536


def deformable_convolution(
    x: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    mask: Tensor | None = None,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
    border: BorderRule = "zeros",
    chunk: int | None = None,
) -> Tensor:
    """Convolve ``x`` at positions that ``offset`` moves, each sample weighted by ``mask``.

    Tap (i, j) of output (r, c) reads ``x`` bilinearly at ``(r*stride - padding + i*dilation + dy,
    c*stride - padding + j*dilation + dx)``. Consecutive blocks of input channels ("deformable groups", as many as
    ``offset`` has channels for) have their own offsets.

    Args:
        x: ``N C H W``.
        offset: ``N (G*K*2) H' W'`` in pixels: group, then tap in row-major order, then **(dy, dx)**.
        weight: ``O C/groups kh kw`` with ``K = kh*kw``.
        bias: ``O``.
        mask: ``N (G*K) H' W'`` (version 2); ``None`` is version 1.
        stride, padding, dilation, groups: as in ``torch.nn.functional.conv2d``.
        border: ``zeros``: each of the four neighbours outside the picture counts as 0. ``legacy``, of the first CUDA
            kernels: a sample counts only where 0 <= y < H and 0 <= x < W, and does not fade beyond the last pixel.
        chunk: output pixels computed at a time, which bounds memory; ``None`` suits the device.

    Returns:
        ``N O H' W'`` of the type of ``x``; positions are computed in float32 (or float64) whatever that type.

    Raises:
        SettingError: shapes do not belong together.
    """
    taps = weight.shape[-2] * weight.shape[-1]
    deform_groups = offset.shape[1] // (2 * taps)
    _check(x, offset, weight, mask, deform_groups, stride, padding, dilation, groups)
    rows, columns = offset.shape[-2:]
    exact = torch.promote_types(torch.promote_types(x.dtype, offset.dtype), torch.float32)
    source = x.to(exact).reshape(-1, x.shape[1] // deform_groups, *x.shape[-2:])  # n*g c/g h w
    offset = offset.reshape(x.shape[0], deform_groups, taps, 2, rows, columns)
    mask = None if mask is None else mask.to(exact).reshape(x.shape[0], deform_groups, taps, rows, columns)
    down, right = _base_positions(weight, rows, columns, stride, padding, dilation, exact)
    size = (x.shape[-2], x.shape[-1])
    kernel = weight.flatten(2).unsqueeze(-1)  # o c/groups k 1

    strips = []
    for strip in _strips(x, rows, columns, chunk):
        moved = offset[:, :, :, :, strip].to(exact)
        weights = None if mask is None else mask[:, :, :, strip]
        if border == "legacy":
            inside = _inside(moved[:, :, :, 0] + down[:, strip], moved[:, :, :, 1] + right, size)
            weights = inside if weights is None else weights * inside
        grid = torch.stack(
            (
                torch.add((right + 0.5) * (2 / size[1]) - 1, moved[:, :, :, 1], alpha=2 / size[1]),
                torch.add((down[:, strip] + 0.5) * (2 / size[0]) - 1, moved[:, :, :, 0], alpha=2 / size[0]),
            ),
            dim=-1,
        )  # n g k rows columns (x, y) where -1..1 spans the picture, outer edge to outer edge
        samples = _sample(source, grid, weights, "border" if border == "legacy" else "zeros")
        joined = F.conv2d(samples.to(x.dtype), kernel.to(x.dtype), bias, groups=groups)
        strips.append(joined.view(x.shape[0], -1, moved.shape[-2], columns))
    return strips[0] if len(strips) == 1 else torch.cat(strips, dim=2)


def _check(
    x: Tensor,
    offset: Tensor,
    weight: Tensor,
    mask: Tensor | None,
    deform_groups: int,
    stride: int,
    padding: int,
    dilation: int,
    groups: int,
) -> None:
    taps = weight.shape[-2] * weight.shape[-1]
    size = tuple(
        (side + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
        for side, kernel in zip(x.shape[-2:], weight.shape[-2:], strict=True)
    )
    if weight.shape[1] * groups != x.shape[1]:
        raise SettingError(
            f"A deformable convolution of {x.shape[1]} channels in {groups} groups needs weights for "
            f"{x.shape[1] / groups:g} channels, got {weight.shape[1]}."
        )
    if deform_groups < 1 or x.shape[1] % deform_groups:
        raise SettingError(
            f"A deformable convolution of {taps} taps and {x.shape[1]} channels cannot use "
            f"{offset.shape[1]} channels of offsets."
        )
    wanted = (x.shape[0], 2 * taps * deform_groups, *size)
    if tuple(offset.shape) != wanted:
        raise SettingError(f"Expected deformable offsets of shape {wanted}, got {tuple(offset.shape)}.")
    wanted = (x.shape[0], taps * deform_groups, *size)
    if mask is not None and tuple(mask.shape) != wanted:
        raise SettingError(f"Expected a deformable mask of shape {wanted}, got {tuple(mask.shape)}.")


def _strips(x: Tensor, rows: int, columns: int, chunk: int | None) -> list[slice]:
    if torch.compiler.is_compiling():
        return [slice(None)]  # a loop over strips would fix the size of an exported graph
    pixels = chunk if chunk is not None else CPU_CHUNK if x.device.type == "cpu" else GPU_CHUNK
    step = max(1, pixels // max(1, columns * x.shape[0]))
    return [slice(top, top + step) for top in range(0, rows, step)]


def _base_positions(
    weight: Tensor, rows: int, columns: int, stride: int, padding: int, dilation: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Where each tap looks before it is moved: ``(K, rows, 1)`` down and ``(K, 1, columns)`` right, in pixels."""
    height, width = weight.shape[-2:]
    down = torch.arange(rows, dtype=dtype, device=weight.device) * stride - padding
    right = torch.arange(columns, dtype=dtype, device=weight.device) * stride - padding
    tap_down = (torch.arange(height, dtype=dtype, device=weight.device) * dilation).repeat_interleave(width)
    tap_right = (torch.arange(width, dtype=dtype, device=weight.device) * dilation).repeat(height)
    return down.view(1, -1, 1) + tap_down.view(-1, 1, 1), right.view(1, 1, -1) + tap_right.view(-1, 1, 1)


def _inside(y: Tensor, x: Tensor, size: tuple[int, int]) -> Tensor:
    """1 where a sample at pixel position (y, x) counts by the legacy rule, else 0."""
    return ((y >= 0) & (y < size[0]) & (x >= 0) & (x < size[1])).to(y.dtype)


def _sample(source: Tensor, grid: Tensor, weights: Tensor | None, padding: Literal["zeros", "border"]) -> Tensor:
    """Weighted samples ``N C K (rows*columns)``: ``source`` is ``N*G C/G H W``, ``grid`` ``N G K rows columns 2``."""
    batch, deform_groups, taps, rows, columns = grid.shape[:-1]
    grid = grid.view(batch * deform_groups, taps * rows, columns, 2)
    samples = F.grid_sample(source, grid, mode="bilinear", padding_mode=padding, align_corners=False)
    samples = samples.view(batch, deform_groups, -1, taps, rows, columns)
    if weights is not None:
        weights = weights.unsqueeze(2)
        samples = samples * weights if torch.is_grad_enabled() else samples.mul_(weights)
    return samples.reshape(batch, -1, taps, rows * columns)


class DeformablePack(nn.Module):
    """Version 1, 3x3, without bias, that makes its own offsets: from its input, or from a second feature.

    Tensor names: ``weight``, ``conv_offset.weight``, ``conv_offset.bias``. Offsets start at zero.
    """

    def __init__(self, channels: int, width: int, *, deform_groups: int = 8, border: BorderRule = "zeros") -> None:
        super().__init__()
        self.border: BorderRule = border
        self.weight = nn.Parameter(torch.empty(width, channels, 3, 3))
        self.conv_offset = nn.Conv2d(channels, deform_groups * 2 * 9, 3, padding=1)
        nn.init.kaiming_uniform_(self.weight, nonlinearity="relu")
        nn.init.zeros_(self.conv_offset.weight)
        _zero_bias(self.conv_offset)

    def forward(self, x: Tensor, feature: Tensor | None = None) -> Tensor:
        """``N C H W`` -> ``N width H W``; offsets come from ``feature`` where it is given, else from ``x``."""
        offset = self.conv_offset(x if feature is None else feature)
        return deformable_convolution(x, offset, self.weight, padding=1, border=self.border)


class ModulatedDeformablePack(nn.Module):
    """Version 2, 3x3, whose offsets and masks come from a second feature by one convolution.

    Tensor names: ``weight``, ``bias``, ``conv_offset.weight``, ``conv_offset.bias``. Offsets start at 0, masks at 0.5.
    """

    def __init__(self, channels: int, width: int, *, deform_groups: int = 8) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width, channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(width))
        self.conv_offset = nn.Conv2d(width, deform_groups * 3 * 9, 3, padding=1)
        bound = 1 / math.sqrt(channels * 9)
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.zeros_(self.conv_offset.weight)
        _zero_bias(self.conv_offset)

    def forward(self, x: Tensor, feature: Tensor) -> Tensor:
        """``N C H W`` and the feature ``N width H W`` that decides where to look -> ``N width H W``."""
        first, second, mask = self.conv_offset(feature).chunk(3, dim=1)
        offset = torch.cat((first, second), dim=1)
        return deformable_convolution(x, offset, self.weight, self.bias, mask=torch.sigmoid(mask), padding=1)


def _zero_bias(convolution: nn.Conv2d) -> None:
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
