"""SRCNN: "Image Super-Resolution Using Deep Convolutional Networks" (Dong et al., TPAMI 2015, arXiv 1501.00092)."""

from __future__ import annotations

from fractions import Fraction

import torch.nn.functional as F
from torch import Tensor, nn

from finesight.nn.reach import Reach, halo
from finesight.nn.traits import Port, Traits

__all__ = ["Srcnn"]


class Srcnn(nn.Module):
    """Bicubic enlargement, then three convolutions. The defaults are the published 9-1-5 network.

    ``forward`` takes RGB in [0, 1], ``(N, C, H, W)``, any size, and gives ``(N, C', scale H, scale W)``, not clamped.
    The enlargement is torch's: coefficient -0.75, not antialiased.

    Args:
        scale: enlargement.
        channels: of the picture, the two hidden layers and the answer.
        kernels: sizes of the three kernels, odd.
    """

    def __init__(
        self,
        *,
        scale: int = 4,
        channels: tuple[int, int, int, int] = (3, 64, 32, 3),
        kernels: tuple[int, int, int] = (9, 1, 5),
    ) -> None:
        super().__init__()
        self.scale = scale
        self.conv1 = nn.Conv2d(channels[0], channels[1], kernels[0], padding=kernels[0] // 2)
        self.conv2 = nn.Conv2d(channels[1], channels[2], kernels[1], padding=kernels[1] // 2)
        self.conv3 = nn.Conv2d(channels[2], channels[3], kernels[2], padding=kernels[2] // 2)

        def backwards(reach: Reach) -> Reach:
            for kernel in kernels:
                reach = reach.conv(kernel)
            return reach.bicubic(scale)

        self.traits = Traits(
            task="super-resolution",
            scale=scale,
            halo=halo(backwards, scale=scale),
            inputs=(Port("image", channels=channels[0]),),
            outputs=(Port("image", ratio=Fraction(scale), channels=channels[3]),),
        )

    def forward(self, image: Tensor) -> Tensor:
        enlarged = F.interpolate(image, scale_factor=float(self.scale), mode="bicubic", align_corners=False)
        answer: Tensor = self.conv3(F.relu_(self.conv2(F.relu_(self.conv1(enlarged)))))
        return answer
