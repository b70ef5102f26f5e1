"""mGANprior's tasks: what the estimate and the target both go through before they are compared.

Gu et al., "Image Processing Using Multi-Code GAN Prior", CVPR 2020, as published. All pictures here are RGB in the
generator's own range [-1, 1], (N, 3, H, W), unless stated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from finesight.models.quality.vgg import Vgg

__all__ = [
    "colourised",
    "edit_path",
    "enlarge",
    "frames",
    "levels",
    "luma",
    "masked",
    "objective",
    "paste",
    "perceptual_difference",
    "shrink",
    "signed",
    "unit",
]

Mode = Literal["nearest", "bilinear", "bicubic"]


def signed(picture: Tensor) -> Tensor:
    """[0, 1] to [-1, 1]."""
    return picture * 2 - 1


def unit(picture: Tensor) -> Tensor:
    """[-1, 1] to [0, 1], not clamped."""
    return picture / 2 + 0.5


def luma(picture: Tensor, *, channels: int = 1) -> Tensor:
    """0.299 R + 0.587 G + 0.114 B, repeated to ``channels``: colourisation compares this."""
    weights = torch.tensor((0.299, 0.587, 0.114), device=picture.device, dtype=picture.dtype)
    return (picture * weights.view(1, 3, 1, 1)).sum(dim=1, keepdim=True).expand(-1, channels, -1, -1)


def _resized(picture: Tensor, factor: float, mode: Mode) -> Tensor:
    aligned = None if mode == "nearest" else False
    return F.interpolate(picture, scale_factor=factor, mode=mode, align_corners=aligned)


def shrink(picture: Tensor, factor: int, *, mode: Mode = "bilinear") -> Tensor:
    """Smaller by ``factor`` without antialiasing: super-resolution compares this (bilinear reads 2 x 2 of a block)."""
    return _resized(picture, 1 / factor, mode)


def enlarge(picture: Tensor, factor: int, *, mode: Mode = "nearest") -> Tensor:
    """Larger by ``factor``, to look at beside the result."""
    return _resized(picture, float(factor), mode)


def masked(picture: Tensor, mask: Tensor) -> Tensor:
    """0 (which is mid-grey) where ``mask`` is 1, the hole: inpainting compares this."""
    return picture * (1 - mask)


def paste(inside: Tensor, outside: Tensor, mask: Tensor) -> Tensor:
    """``inside`` where ``mask`` is 1, ``outside`` elsewhere."""
    return outside * (1 - mask) + inside * mask


def frames(pictures: Tensor) -> Tensor:
    """8-bit levels (N, H, W, 3) for a film of the optimisation: (x + 1) * 127.5, rounded half up."""
    return ((pictures + 1) * 127.5 + 0.5).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


def levels(picture: Tensor) -> Tensor:
    """8-bit levels (H, W, 3) of one picture (1, 3, H, W) in [0, 1]: times 255, cut off, not rounded."""
    return (picture[0].clamp(0, 1) * 255).to(torch.uint8).permute(1, 2, 0)


def colourised(truth: Tensor, estimate: Tensor) -> Tensor:
    """The luma of ``truth`` (1, 3, H, W) in [0, 1] with the chroma of ``estimate`` in [-1, 1]: levels (H, W, 3).

    Through 8-bit YCbCr of JPEG's range, as Pillow converts.
    """
    bright, _, _ = _picture(levels(truth)).convert("YCbCr").split()
    _, blue, red = _picture(levels(unit(estimate))).convert("YCbCr").split()
    merged = Image.merge("YCbCr", (bright, blue, red)).convert("RGB")
    return torch.from_numpy(np.array(merged))


def _picture(values: Tensor) -> Image.Image:
    return Image.fromarray(values.cpu().numpy())


def perceptual_difference(
    estimate: Tensor,
    target: Tensor,
    vgg: Vgg,
    *,
    side: int = 256,
    criterion: Literal["l1", "mse"] = "l1",
) -> Tensor:
    """Mean difference of VGG-16 features at ``side`` pixels (nearest neighbour), times 0.001 as published.

    Args:
        vgg: ``Vgg(16, layers=("relu3_3",))`` in the published setting; all its layers are compared and summed.
    """
    first, second = (vgg(F.interpolate(unit(p), size=(side, side), mode="nearest")) for p in (estimate, target))
    differences = [first[name] - second[name] for name in first]
    means = [(each.abs() if criterion == "l1" else each.square()).mean() for each in differences]
    return 0.001 * torch.stack(means).sum()


def objective(
    estimate: Tensor,
    target: Tensor,
    *,
    task: Callable[[Tensor], Tensor] | None = None,
    l1: float = 0.0,
    l2: float = 1.0,
    perceptual: Callable[[Tensor, Tensor], Tensor] | None = None,
    perceptual_weight: float = 1.0,
) -> Tensor:
    """What the inversion minimises: weighted mean square, mean absolute and perceptual differences after ``task``.

    Args:
        task: ``masked``, ``shrink`` or ``luma`` with their settings bound; ``None`` reconstructs.
        perceptual: ``perceptual_difference`` with its network bound.
    """
    if task is not None:
        estimate, target = task(estimate), task(target)
    loss = l2 * (estimate - target).square().mean()
    if l1:
        loss = loss + l1 * (estimate - target).abs().mean()
    if perceptual is not None:
        loss = loss + perceptual_weight * perceptual(estimate, target)
    return loss


def edit_path(codes: Tensor, direction: Tensor, *, first: float = -4.2, last: float = 4.2, count: int = 240) -> Tensor:
    """All codes moved along a semantic direction in ``count`` equal steps, both ends included.

    Args:
        codes: (1, K, latent) of an inversion.
        direction: (1, latent), of unit length.

    Returns:
        (count, K, latent).
    """
    steps = torch.linspace(first, last, count, dtype=torch.float64).to(codes)
    return codes + steps[:, None, None] * direction[None]
