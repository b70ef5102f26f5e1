"""How much detail there is, wherever it lies: keeps a regression from answering with blur."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

__all__ = ["local_contrast", "texture"]

_FLAT = 1e-5  # squared contrast below which there is none: about 0.8 grey levels


def texture(image: Tensor, mask: Tensor | None = None, *, window: int = 8) -> tuple[Tensor, Tensor]:
    """Root mean square of the differences between neighbours, window by window.

    Args:
        image: ``(N, C, H, W)``; all channels count together.
        mask: ``(N, 1, H, W)``, which pixels count; a difference takes the mask of its lower right pixel.
        window: side; windows overlap by half.

    Returns:
        The contrast ``(N, 1, h, w)``, and the share of each window that the mask lets count, of the same shape.
    """
    across = (image[..., :, 1:] - image[..., :, :-1])[..., 1:, :]
    down = (image[..., 1:, :] - image[..., :-1, :])[..., 1:]
    energy = (across.square() + down.square()).mean(1, keepdim=True)
    counted = energy.new_ones(energy.shape) if mask is None else mask[..., 1:, 1:].to(energy.dtype)
    side = min(window, *energy.shape[-2:])
    step = max(1, side // 2)
    share = F.avg_pool2d(counted, side, step)
    total = F.avg_pool2d(energy * counted, side, step)
    return (total / share.clamp(min=1e-3) + _FLAT).sqrt(), share


def local_contrast(restored: Tensor, truth: Tensor, mask: Tensor | None = None, *, window: int = 8) -> Tensor:
    """Mean absolute difference of the two pictures' ``texture``, windows weighted by how much of them counts.

    Zero for a picture with as much detail in each window, also if it is another detail: to be added to a loss that
    compares pixels.

    Args:
        restored, truth: ``(N, C, H, W)``, sides at least 2.
        mask, window: see ``texture``.
    """
    found, share = texture(restored, mask, window=window)
    wanted, _ = texture(truth, mask, window=window)
    return ((found - wanted).abs() * share).sum() / share.sum().clamp(min=1e-6)
