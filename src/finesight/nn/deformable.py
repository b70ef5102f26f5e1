"""Deformable convolution, version 1 (plain) and 2 (modulated), in plain PyTorch.

Zhu et al., "Deformable ConvNets v2" (CVPR 2019). All taps of all groups of a strip of rows are looked up by one batched
call, and one ordinary convolution of size (taps x 1) joins them: exportable, differentiable, in bounded memory.
``finesight.nn.deformable_strips`` holds the work on one strip and its gradient.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from finesight.errors import SettingError
from finesight.nn.deformable_strips import BorderRule, Geometry, Learning, convolve

__all__ = ["BorderRule", "DeformablePack", "ModulatedDeformablePack", "deformable_convolution"]


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
    exact = torch.promote_types(torch.promote_types(x.dtype, offset.dtype), torch.float32)
    geometry = Geometry(stride, padding, dilation, groups, border, chunk)
    parts = (x.to(exact), offset.to(exact), weight, bias, None if mask is None else mask.to(exact))
    learning = torch.is_grad_enabled() and any(part is not None and part.requires_grad for part in parts)
    if torch.compiler.is_compiling() or not learning:
        return convolve(*parts, geometry).to(x.dtype)
    answer: Tensor = Learning.apply(*parts, geometry)
    return answer.to(x.dtype)


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
