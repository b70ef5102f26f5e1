"""Backward warping by optical flow, in every form that published video networks use."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.errors import SettingError

__all__ = ["WarpPadding", "flow_warp"]

WarpPadding = Literal["zeros", "border", "reflection"]


def flow_warp(
    x: Tensor,
    flow: Tensor,
    *,
    padding: WarpPadding = "zeros",
    interpolation: Literal["bilinear", "nearest"] = "bilinear",
    align_corners: bool = True,
) -> Tensor:
    """Look up ``x`` where ``flow`` points: ``answer(p) = x(p + flow(p))``.

    SPyNet warps with ``border`` (with ``zeros`` inside TOFlow super-resolution), every network warps its features and
    frames with ``zeros``.

    Args:
        x: ``N C H W``, any values.
        flow: ``N 2 H W`` in pixels of ``x``; channel 0 points right, channel 1 down.
        padding: what lies outside ``x``.
        interpolation: between the four neighbours, or the nearest one.
        align_corners: ``False`` keeps the published normalisation by (size - 1) and is therefore *not* a plain shift;
            no published network uses it.

    Returns:
        ``N C H W`` of the type of ``x``; positions are computed in float32 (float64 for float64) whatever that type.

    Raises:
        SettingError: sizes of ``x`` and ``flow`` differ.
    """
    if flow.shape[0] != x.shape[0] or flow.shape[1] != 2 or flow.shape[-2:] != x.shape[-2:]:
        raise SettingError(
            f"flow_warp needs a flow of shape {(x.shape[0], 2, *x.shape[-2:])}, got {tuple(flow.shape)}."
        )
    height, width = x.shape[-2:]
    exact = torch.promote_types(torch.promote_types(x.dtype, flow.dtype), torch.float32)
    flow = flow.to(exact)
    columns = torch.arange(width, dtype=exact, device=x.device)
    rows = torch.arange(height, dtype=exact, device=x.device).unsqueeze(-1)
    grid = torch.stack(
        (
            (flow[:, 0] + columns) * (2 / max(width - 1, 1)) - 1,
            (flow[:, 1] + rows) * (2 / max(height - 1, 1)) - 1,
        ),
        dim=-1,
    )  # n h w (x, y) in -1..1
    answer = F.grid_sample(x.to(exact), grid, mode=interpolation, padding_mode=padding, align_corners=align_corners)
    return answer.to(x.dtype)
