"""Deformable convolution strip by strip: what is looked up, how it is joined, and the gradient of both."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["BorderRule", "Geometry", "Learning", "convolve"]

BorderRule = Literal["zeros", "legacy"]

# Output pixels a strip: the samples of 1,024 pixels, 64 channels and 9 taps stay in a CPU's cache; a GPU needs larger
# strips to be busy.
CPU_CHUNK = 1024
GPU_CHUNK = 65536

# Samples of so many bytes are remembered for the gradient; more are looked up a second time.
KEPT = 2**27


@dataclass(frozen=True, slots=True)
class Geometry:
    """The settings of ``finesight.nn.deformable.deformable_convolution``."""

    stride: int
    padding: int
    dilation: int
    groups: int
    border: BorderRule
    chunk: int | None


@dataclass(frozen=True, slots=True)
class Strip:
    """One strip of rows of the answer.

    Args:
        rows: which.
        grid: where its samples lie, ``N*G K*rows columns 2`` as ``grid_sample`` wants it.
        weights: of the samples, ``N G 1 K rows columns``.
        inside: 1 where they count by the legacy rule, ``N G K rows columns``.
    """

    rows: slice
    grid: Tensor
    weights: Tensor | None
    inside: Tensor | None


class Plan:
    """Everything about one call that its strips share."""

    def __init__(self, x: Tensor, offset: Tensor, weight: Tensor, mask: Tensor | None, geometry: Geometry) -> None:
        self.taps = weight.shape[-2] * weight.shape[-1]
        self.groups = offset.shape[1] // (2 * self.taps)  # deformable groups
        self.batch, self.size, self.geometry = x.shape[0], (x.shape[-2], x.shape[-1]), geometry
        self.rows, self.columns = offset.shape[-2:]
        self.source = x.reshape(self.batch * self.groups, -1, *self.size)  # n*g c/g h w
        self.offset = offset.reshape(self.batch, self.groups, self.taps, 2, self.rows, self.columns)
        self.mask = None if mask is None else mask.reshape(self.batch, self.groups, self.taps, self.rows, self.columns)
        self.down, self.right = _base_positions(weight, self.rows, self.columns, geometry, offset.dtype)
        self.outside = "border" if geometry.border == "legacy" else "zeros"

    def strips(self) -> Iterator[Strip]:
        """From the top."""
        for rows in self._slices():
            moved = self.offset[:, :, :, :, rows]
            weights = None if self.mask is None else self.mask[:, :, :, rows]
            down, inside = self.down[:, rows], None
            if self.geometry.border == "legacy":
                inside = _inside(moved[:, :, :, 0] + down, moved[:, :, :, 1] + self.right, self.size)
                weights = inside if weights is None else weights * inside
            grid = self._grid(moved[:, :, :, 1], moved[:, :, :, 0], down)
            grid = grid.view(self.batch * self.groups, -1, self.columns, 2)
            yield Strip(rows, grid, None if weights is None else weights.unsqueeze(2), inside)

    def _grid(self, moved_right: Tensor, moved_down: Tensor, down: Tensor) -> Tensor:
        """(x, y) where -1..1 spans the picture, outer edge to outer edge: ``N G K rows columns 2``."""
        height, width = self.size
        across, along = (self.right + 0.5) * (2 / width) - 1, (down + 0.5) * (2 / height) - 1
        if torch.is_grad_enabled() or torch.compiler.is_compiling():
            x = torch.add(across, moved_right, alpha=2 / width)
            return torch.stack((x, torch.add(along, moved_down, alpha=2 / height)), dim=-1)
        grid = moved_right.new_empty(*moved_right.shape, 2)  # written in place: ten times as fast
        torch.add(across, moved_right, alpha=2 / width, out=grid[..., 0])
        torch.add(along, moved_down, alpha=2 / height, out=grid[..., 1])
        return grid

    def samples(self, strip: Strip) -> Tensor:
        """What lies at the positions of a strip, not weighted: ``N G C/G K rows columns``."""
        found = F.grid_sample(self.source, strip.grid, mode="bilinear", padding_mode=self.outside, align_corners=False)
        return found.view(self.batch, self.groups, -1, self.taps, found.shape[-2] // self.taps, self.columns)

    def touched(self, strip: Strip) -> tuple[int, int]:
        """First row of the source that a strip looks at, and the row after the last; on a GPU simply all."""
        height = self.size[0]
        if strip.grid.device.type != "cpu":
            return 0, height
        first, last = ((float(y) + 1) * height / 2 - 0.5 for y in strip.grid[..., 1].aminmax())
        if not (math.isfinite(first) and math.isfinite(last)):
            return 0, height
        top = min(max(math.floor(first) - 1, 0), height - 1)  # a row more on both sides: positions are rounded
        return top, min(max(math.floor(last) + 3, top + 1), height)

    def _slices(self) -> list[slice]:
        if torch.compiler.is_compiling():
            return [slice(None)]  # a loop over strips would fix the size of an exported graph
        chunk = self.geometry.chunk
        pixels = chunk if chunk is not None else CPU_CHUNK if self.source.device.type == "cpu" else GPU_CHUNK
        step = max(1, pixels // max(1, self.columns * self.batch))
        return [slice(top, top + step) for top in range(0, self.rows, step)]


def convolve(
    x: Tensor, offset: Tensor, weight: Tensor, bias: Tensor | None, mask: Tensor | None, geometry: Geometry
) -> Tensor:
    """The convolution; see ``finesight.nn.deformable.deformable_convolution``. ``x``, ``offset``, ``mask`` are float32
    or float64."""
    plan = Plan(x, offset, weight, mask, geometry)
    strips = []
    for strip in plan.strips():
        samples = plan.samples(strip)
        if strip.weights is not None:
            samples = samples * strip.weights if torch.is_grad_enabled() else samples.mul_(strip.weights)
        strips.append(_joined(plan, samples, weight, bias))
    return strips[0] if len(strips) == 1 else torch.cat(strips, dim=2)


def _joined(plan: Plan, samples: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Weighted samples ``N G C/G K rows columns`` -> ``N O rows columns``."""
    rows = samples.shape[-2]
    kernel = weight.flatten(2).unsqueeze(-1)  # o c/groups k 1
    flat = samples.reshape(plan.batch, -1, plan.taps, rows * plan.columns).to(weight.dtype)
    if weight.dtype in (torch.bfloat16, torch.float16) and plan.geometry.groups == 1:
        # In half precision twice as fast as a convolution.
        product = torch.matmul(kernel.flatten(1), flat.flatten(1, 2))
        product = product if bias is None else product + bias.view(-1, 1)
        return product.view(plan.batch, -1, rows, plan.columns)
    return F.conv2d(flat, kernel, bias, groups=plan.geometry.groups).view(plan.batch, -1, rows, plan.columns)


def _base_positions(
    weight: Tensor, rows: int, columns: int, geometry: Geometry, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Where each tap looks before it is moved: ``(K, rows, 1)`` down and ``(K, 1, columns)`` right, in pixels."""
    height, width = weight.shape[-2:]

    def count(length: int) -> Tensor:
        return torch.arange(length, dtype=dtype, device=weight.device)

    down, right = (count(length) * geometry.stride - geometry.padding for length in (rows, columns))
    tap_down = (count(height) * geometry.dilation).repeat_interleave(width)
    tap_right = (count(width) * geometry.dilation).repeat(height)
    return down.view(1, -1, 1) + tap_down.view(-1, 1, 1), right.view(1, 1, -1) + tap_right.view(-1, 1, 1)


def _inside(y: Tensor, x: Tensor, size: tuple[int, int]) -> Tensor:
    """1 where a sample at pixel position (y, x) counts by the legacy rule, else 0."""
    return ((y >= 0) & (y < size[0]) & (x >= 0) & (x < size[1])).to(y.dtype)


class Learning(torch.autograd.Function):
    """``convolve`` with a gradient that works in strips as well.

    Left to itself, each strip would leave its samples in memory, and a gradient of the whole offsets besides.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        offset: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        mask: Tensor | None,
        geometry: Geometry,
    ) -> Tensor:
        plan = Plan(x, offset, weight, mask, geometry)
        keep = x.shape[1] * plan.batch * plan.taps * plan.rows * plan.columns * x.element_size() <= KEPT
        kept: list[Tensor] = []
        answer = []
        for strip in plan.strips():
            samples = plan.samples(strip)
            if keep:
                kept.append(samples)
            if strip.weights is not None:
                samples = samples * strip.weights if keep else samples.mul_(strip.weights)
            answer.append(_joined(plan, samples, weight, bias))
        ctx.geometry, ctx.optional = geometry, (bias is not None, mask is not None)
        ctx.save_for_backward(x, offset, weight, mask, *kept)
        return torch.cat(answer, dim=2)  # never a view, which no one could then change in place

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, offset, weight, mask, *kept = ctx.saved_tensors
        plan = Plan(x, offset, weight, mask, ctx.geometry)
        found = Gradients(plan, weight, ctx.needs_input_grad)
        gradient = gradient.to(plan.source.dtype)
        for number, strip in enumerate(plan.strips()):
            samples = kept[number] if kept else plan.samples(strip)
            found.add(strip, samples, gradient[:, :, strip.rows])
        of_bias = gradient.sum((0, 2, 3)).to(weight.dtype) if ctx.optional[0] and ctx.needs_input_grad[3] else None
        return (
            None if found.source is None else found.source.view_as(x),
            None if found.offset is None else found.offset.view_as(offset),
            None if found.kernel is None else found.kernel.view_as(weight).to(weight.dtype),
            of_bias,
            None if found.mask is None or mask is None else found.mask.view_as(mask),
            None,
        )


class Gradients:
    """The sums that the strips add to: by the source, the offsets, the mask and the kernel, where they are wanted."""

    def __init__(self, plan: Plan, weight: Tensor, wanted: tuple[bool, ...]) -> None:
        self.plan = plan
        groups = plan.geometry.groups
        exact = weight.detach().to(plan.source.dtype)
        self.rows = exact.reshape(groups, weight.shape[0] // groups, -1)  # groups, o/groups, c/groups * k
        self.source = torch.zeros_like(plan.source) if wanted[0] else None
        self.offset = torch.empty_like(plan.offset) if wanted[1] else None
        self.kernel = torch.zeros_like(self.rows) if wanted[2] else None
        self.mask = torch.empty_like(plan.mask) if plan.mask is not None and wanted[4] else None

    def add(self, strip: Strip, samples: Tensor, gradient: Tensor) -> None:
        """One strip: its samples (not weighted), and the gradient of its answer ``N O rows columns``."""
        plan, groups = self.plan, self.rows.shape[0]
        gradient = gradient.reshape(plan.batch, groups, self.rows.shape[1], -1)  # n groups o/groups pixels
        by_sample = (self.rows.transpose(1, 2) @ gradient).view(samples.shape)  # of the weighted samples
        if self.kernel is not None:
            weighted = samples if strip.weights is None else samples * strip.weights
            flat = weighted.reshape(plan.batch, groups, -1, gradient.shape[-1])
            for one, other in zip(gradient, flat, strict=True):
                self.kernel.baddbmm_(one, other.transpose(1, 2))
        if self.mask is not None:
            by_mask = (by_sample * samples).sum(2)
            self.mask[:, :, :, strip.rows] = by_mask if strip.inside is None else by_mask * strip.inside
        if strip.weights is not None:
            by_sample *= strip.weights
        self._look_up(strip, by_sample)

    def _look_up(self, strip: Strip, by_sample: Tensor) -> None:
        """From the samples to where they come from."""
        plan = self.plan
        wanted = [self.source is not None, self.offset is not None]
        if not any(wanted):
            return
        flat = by_sample.view(*plan.source.shape[:2], *strip.grid.shape[1:3])
        top, bottom = plan.touched(strip)
        height, width = bottom - top, plan.size[1]
        grid = strip.grid
        if height < plan.size[0]:  # (x, y) within these rows; the gradient of all others is zero
            grid = grid.clone()
            grid[..., 1].mul_(plan.size[0] / height).add_((plan.size[0] - 2 * top) / height - 1)
        by_source, by_grid = torch.ops.aten.grid_sampler_2d_backward(
            flat, plan.source[:, :, top:bottom], grid, 0, 1 if plan.outside == "border" else 0, False, wanted
        )
        if self.source is not None:
            self.source[:, :, top:bottom] += by_source
        if self.offset is not None:
            by_grid = by_grid.view(plan.batch, plan.groups, plan.taps, -1, plan.columns, 2)
            torch.mul(by_grid[..., 1], 2 / height, out=self.offset[:, :, :, 0, strip.rows])
            torch.mul(by_grid[..., 0], 2 / width, out=self.offset[:, :, :, 1, strip.rows])
