"""Filters that a network makes for every pixel, as in DUF (Jo et al., "Deep Video Super-Resolution Network Using
Dynamic Upsampling Filters", CVPR 2018)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from finesight.errors import SettingError

__all__ = ["dynamic_filter"]


def dynamic_filter(image: Tensor, filters: Tensor, *, kernel: tuple[int, int] = (5, 5)) -> Tensor:
    """Filter each pixel's neighbourhood by the filters of that pixel, the same for every colour.

    Args:
        image: ``N C H W``; beyond its borders lie zeros.
        filters: ``N (kh*kw) (r*r) H W``, taps in row-major order. (DUF makes them sum to 1 over the taps beforehand.)
        kernel: ``(kh, kw)``, both odd.

    Returns:
        ``N (C*r*r) H W``, colour first: ``torch.nn.functional.pixel_shuffle`` by r makes it the picture ``N C rH rW``.

    Raises:
        SettingError: shapes do not belong together.
    """
    taps = kernel[0] * kernel[1]
    if (
        kernel[0] % 2 == 0
        or kernel[1] % 2 == 0
        or filters.ndim != 5
        or filters.shape[:2] != (image.shape[0], taps)
        or filters.shape[-2:] != image.shape[-2:]
    ):
        raise SettingError(
            f"A dynamic filter of size {kernel} on {tuple(image.shape)} needs filters of shape "
            f"{(image.shape[0], taps, 'r*r', *image.shape[-2:])} and odd sizes, got {tuple(filters.shape)}."
        )
    height, width = image.shape[-2:]
    padded = F.pad(image, (kernel[1] // 2, kernel[1] // 2, kernel[0] // 2, kernel[0] // 2))
    answer = image.new_zeros(image.shape[0], image.shape[1], *filters.shape[2:])
    for tap in range(taps):  # one tap at a time: the unfolded picture would be kh*kw times as large
        down, right = divmod(tap, kernel[1])
        shifted = padded[..., down : down + height, right : right + width]
        answer = torch.addcmul(answer, shifted.unsqueeze(2), filters[:, tap].unsqueeze(1))
    return answer.flatten(1, 2)
