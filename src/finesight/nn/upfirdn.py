"""Enlarge, filter and shrink in one step, as StyleGAN2 does (Karras et al., CVPR 2020), in plain torch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Blur", "Enlarge", "blur_kernel", "upfirdn2d"]


def blur_kernel(taps: Sequence[float] = (1, 3, 3, 1), *, gain: float = 1.0) -> Tensor:
    """Outer product of ``taps`` with themselves, of sum ``gain``.

    >>> blur_kernel((1, 1), gain=4)
    tensor([[1., 1.],
            [1., 1.]])
    """
    row = torch.tensor(tuple(taps), dtype=torch.float32)
    kernel = row[:, None] * row[None, :]
    return kernel / kernel.sum() * gain


def upfirdn2d(
    image: Tensor,
    kernel: Tensor,
    *,
    up: int = 1,
    down: int = 1,
    pad: tuple[int, int] | tuple[int, int, int, int] = (0, 0),
) -> Tensor:
    """Put ``up - 1`` zeros after every sample, pad, convolve every channel with ``kernel``, keep every ``down``-th.

    Args:
        image: (N, C, H, W).
        kernel: (h, w); a true convolution, so it is applied mirrored.
        pad: zeros before and after, the same for both axes, or ``(left, right, top, bottom)``; negative values crop.

    Returns:
        (N, C, H', W') with H' = (H * up + top + bottom - h) // down + 1.
    """
    left, right, top, bottom = pad if len(pad) == 4 else (pad[0], pad[1], pad[0], pad[1])
    count, channels, height, width = image.shape
    if up > 1:
        spread = image.new_zeros(count, channels, height, up, width, up)
        spread[:, :, :, 0, :, 0] = image
        image = spread.view(count, channels, height * up, width * up)
    weight = kernel.to(image.dtype).flip(0, 1).expand(channels, 1, *kernel.shape)
    if left == right >= 0 and top == bottom >= 0:  # the convolution pads by itself, without a copy
        return F.conv2d(image, weight, stride=down, padding=(top, left), groups=channels)
    return F.conv2d(F.pad(image, (left, right, top, bottom)), weight, stride=down, groups=channels)


class Blur(nn.Module):
    """Filter with a stored kernel (buffer ``kernel``); ``forward`` keeps every ``down``-th sample.

    Args:
        taps: one row of the separable kernel.
        pad: zeros before and after, on both axes.
        gain: sum of the kernel; a filter after zero insertion by 2 needs 4.
        down: 1, or 2 to compute only every other row and column.
    """

    kernel: Tensor

    def __init__(
        self, taps: Sequence[float] = (1, 3, 3, 1), *, pad: tuple[int, int], gain: float = 1.0, down: int = 1
    ) -> None:
        super().__init__()
        self.register_buffer("kernel", blur_kernel(taps, gain=gain))
        self.pad = pad
        self.down = down

    def forward(self, image: Tensor) -> Tensor:
        return upfirdn2d(image, self.kernel, down=self.down, pad=self.pad)


class Enlarge(nn.Module):
    """Twice as large by zero insertion and a stored kernel (buffer ``kernel``), (N, C, H, W) to (N, C, 2H, 2W)."""

    kernel: Tensor

    def __init__(self, taps: Sequence[float] = (1, 3, 3, 1)) -> None:
        super().__init__()
        self.register_buffer("kernel", blur_kernel(taps, gain=4))
        excess = len(taps) - 2
        self.pad = ((excess + 1) // 2 + 1, excess // 2)

    def forward(self, image: Tensor) -> Tensor:
        return upfirdn2d(image, self.kernel, up=2, pad=self.pad)
