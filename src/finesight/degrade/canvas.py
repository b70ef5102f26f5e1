"""Pictures of several sizes as one batch: each lies in the upper left corner of a canvas as large as the largest.

What a degradation does to one picture is done here to all of them with a few large operations, which is what a GPU
wants. Every function takes and gives the sizes of the pictures; what lies outside a picture is never looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from finesight.degrade.filtering import correlated

__all__ = ["Canvas", "Target", "filtered", "inside", "resampled"]

Size = tuple[int, int]
Mode = Literal["area", "bilinear", "bicubic"]


@dataclass(frozen=True, slots=True)
class Canvas:
    """``pixels`` ``(N, C, H, W)`` and the height and width of each of the N pictures."""

    pixels: Tensor
    sizes: tuple[Size, ...]

    @classmethod
    def of(cls, images: Tensor) -> Canvas:
        """Pictures that fill it."""
        return cls(images, ((images.shape[-2], images.shape[-1]),) * len(images))

    def replaced(self, pixels: Tensor) -> Canvas:
        """Other pixels in the same places."""
        return Canvas(pixels, self.sizes)


@dataclass(frozen=True, slots=True)
class Target:
    """Where one picture is resized to: its new size, the mode, and how many old pixels a new one is apart."""

    size: Size
    mode: Mode
    step: tuple[float, float]


def inside(canvas: Canvas) -> Tensor:
    """True where a pixel belongs to its picture, ``(N, 1, H, W)``."""
    height, width = canvas.pixels.shape[-2:]
    limits = torch.tensor(canvas.sizes, device=canvas.pixels.device)
    rows = torch.arange(height, device=limits.device)[None, :, None] < limits[:, 0, None, None]
    columns = torch.arange(width, device=limits.device)[None, None, :] < limits[:, 1, None, None]
    return (rows & columns)[:, None]


def _border(lengths: Tensor, reflects: Tensor, total: int, radius: int) -> Tensor:
    """Which pixel lies at -radius ... total + radius - 1 of each axis, ``(N, total + 2 radius)``."""
    place = torch.arange(-radius, total + radius, device=lengths.device)[None, :].expand(len(lengths), -1)
    last = lengths[:, None] - 1
    mirrored = torch.where(place > last, 2 * last - place, place.abs())
    mirrored = torch.minimum(mirrored, last).clamp(min=0)
    repeated = torch.minimum(place, last).clamp(min=0)
    return torch.where(reflects[:, None], mirrored, repeated)


def filtered(canvas: Canvas, kernels: Sequence[Tensor]) -> Canvas:
    """``filter_one`` of every picture with its own kernel.

    Args:
        canvas: the pictures.
        kernels: for each its own ``(k, k)`` with odd k, of one or of several sizes.
    """
    pixels, channels = canvas.pixels, canvas.pixels.shape[1]
    height, width = pixels.shape[-2:]
    radii = [len(kernel) // 2 for kernel in kernels]
    radius = max(radii)
    same = torch.zeros(len(kernels), 2 * radius + 1, 2 * radius + 1, dtype=torch.float64)
    for number, (own, kernel) in enumerate(zip(radii, kernels, strict=True)):
        part = slice(radius - own, radius + own + 1)
        same[number, part, part] = kernel
    limits = torch.tensor(canvas.sizes, device=pixels.device)
    reflects = torch.tensor([min(s) > r for s, r in zip(canvas.sizes, radii, strict=True)], device=pixels.device)
    rows = _border(limits[:, 0], reflects, height, radius)[:, None, :, None].expand(-1, channels, -1, width)
    columns = _border(limits[:, 1], reflects, width, radius)[:, None, None, :].expand(-1, channels, rows.shape[2], -1)
    return canvas.replaced(correlated(pixels.gather(2, rows).gather(3, columns), same.to(pixels)))


def _places(step: Tensor, out: int) -> Tensor:
    """Centres of the new pixels among the old ones, ``(N, out)``."""
    return (torch.arange(out, device=step.device, dtype=step.dtype)[None, :] + 0.5) * step[:, None] - 0.5


def _bilinear(step: Tensor, old: Tensor, out: int) -> tuple[Tensor, Tensor]:
    place = _places(step, out).clamp(min=0)
    low = torch.minimum(place.floor().long(), old[:, None] - 1)
    high = torch.minimum(low + 1, old[:, None] - 1)
    part = place - low
    return torch.stack([low, high], -1), torch.stack([1 - part, part], -1)


def _bicubic(step: Tensor, old: Tensor, out: int) -> tuple[Tensor, Tensor]:
    place = _places(step, out)
    low, a = place.floor(), -0.75
    part = place - low

    def near(x: Tensor) -> Tensor:
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def far(x: Tensor) -> Tensor:
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

    taps = low.long()[..., None] + torch.arange(-1, 3, device=step.device)
    taps = torch.minimum(taps.clamp(min=0), old[:, None, None] - 1)
    return taps, torch.stack([far(part + 1), near(part), near(1 - part), far(2 - part)], -1)


def _area(new: Tensor, old: Tensor, out: int, length: int) -> Tensor:
    """Means of whole pixels as of adaptive pooling, as a matrix ``(N, out, length)``."""
    number = torch.arange(out, device=new.device)[None, :]
    start = number * old[:, None] // new[:, None]
    end = -((-(number + 1) * old[:, None]) // new[:, None])
    place = torch.arange(length, device=new.device)
    within = (place >= start[..., None]) & (place < end[..., None])
    return within / (end - start)[..., None]


def _matrices(targets: Sequence[Target], olds: Sequence[int], axis: int, length: int, like: Tensor) -> Tensor:
    """What resizes one axis of each picture: ``(N, longest new, length)``."""
    out = max(target.size[axis] for target in targets)
    matrices = torch.zeros(len(targets), out, length, device=like.device, dtype=like.dtype)
    for mode in ("area", "bilinear", "bicubic"):
        chosen = [number for number, target in enumerate(targets) if target.mode == mode]
        if not chosen:
            continue
        where = torch.tensor(chosen, device=like.device)
        old = torch.tensor([olds[number] for number in chosen], device=like.device)
        if mode == "area":
            new = torch.tensor([targets[number].size[axis] for number in chosen], device=like.device)
            matrices[where] = _area(new, old, out, length).to(like)
            continue
        step = torch.tensor([targets[number].step[axis] for number in chosen], device=like.device, dtype=like.dtype)
        taps, weights = (_bilinear if mode == "bilinear" else _bicubic)(step, old, out)
        empty = torch.zeros(len(chosen), out, length, device=like.device, dtype=like.dtype)
        matrices[where] = empty.scatter_add_(2, taps, weights)
    return matrices


def resampled(canvas: Canvas, targets: Sequence[Target]) -> Canvas:
    """``F.interpolate`` without antialiasing of every picture to its own target."""
    pixels = canvas.pixels
    height, width = pixels.shape[-2:]
    down = _matrices(targets, [size[0] for size in canvas.sizes], 0, height, pixels)[:, None]
    across = _matrices(targets, [size[1] for size in canvas.sizes], 1, width, pixels)[:, None]
    return Canvas(down @ pixels @ across.transpose(-1, -2), tuple(target.size for target in targets))
