"""The fusion of "F, B, Alpha Matting" (Forte and Pitie, arXiv 2003.07711): what the picture says of the estimates."""

from __future__ import annotations

from torch import Tensor

__all__ = ["fuse_estimates"]

_WEIGHT = 0.1


def fuse_estimates(
    alpha: Tensor, image: Tensor, foreground: Tensor, background: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Alpha, foreground and background brought nearer to ``image = alpha F + (1 - alpha) B``, in the published order.

    Args:
        alpha: ``(N, 1, H, W)`` in [0, 1].
        image, foreground, background: RGB in [0, 1], ``(N, 3, H, W)``.

    Returns:
        The three, of the same shapes, in [0, 1].
    """
    square, both = alpha.square(), alpha * (1 - alpha)
    foreground = alpha * image + (1 - square) * foreground - both * background
    background = (1 - alpha) * image + (2 * alpha - square) * background - both * foreground
    foreground, background = foreground.clamp(0, 1), background.clamp(0, 1)
    apart = foreground - background
    agreement = ((image - background) * apart).sum(1, keepdim=True)
    fused = (_WEIGHT * alpha + agreement) / (apart.square().sum(1, keepdim=True) + _WEIGHT)
    return fused.clamp(0, 1), foreground, background
