"""SRVGGNetCompact: Real-ESRGAN's light networks (realesr-animevideov3, realesr-general-x4v3; v0.2.5 and v0.3.0)."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from finesight.nn.traits import Port, Traits

__all__ = ["SrvggCompact"]


class SrvggCompact(nn.Module):
    """A plain stack at low resolution, pixel shuffle, plus the input enlarged by nearest neighbour.

    ``forward`` takes RGB in [0, 1], ``(N, C, H, W)``, any size, and gives ``(N, C, scale H, scale W)``, not clamped.
    The defaults are realesr-animevideov3; realesr-general-x4v3 has ``convolutions=32``, and every strength ``d`` of its
    denoising is the tensors ``d * general + (1 - d) * wdn``.

    Args:
        scale: enlargement.
        width: channels.
        convolutions: hidden layers after the first.
        activation: after every layer but the last; ``prelu`` has a learned slope per channel, ``leakyrelu`` slope 0.1.
        channels: of the picture.
    """

    def __init__(
        self,
        *,
        scale: int = 4,
        width: int = 64,
        convolutions: int = 16,
        activation: Literal["prelu", "relu", "leakyrelu"] = "prelu",
        channels: int = 3,
    ) -> None:
        super().__init__()
        self.scale = scale
        layers: list[nn.Module] = []
        for layer in range(convolutions + 1):
            layers += [
                nn.Conv2d(channels if layer == 0 else width, width, 3, padding=1),
                _activation(activation, width),
            ]
        self.body = nn.Sequential(*layers, nn.Conv2d(width, channels * scale * scale, 3, padding=1))
        self.traits = Traits(
            task="super-resolution",
            scale=scale,
            halo=convolutions + 2,
            inputs=(Port("image", channels=channels),),
            outputs=(Port("image", ratio=Fraction(scale), channels=channels),),
        )

    def forward(self, image: Tensor) -> Tensor:
        enlarged = F.interpolate(image, scale_factor=float(self.scale), mode="nearest")
        return F.pixel_shuffle(self.body(image), self.scale) + enlarged


def _activation(name: Literal["prelu", "relu", "leakyrelu"], width: int) -> nn.Module:
    if name == "prelu":
        return nn.PReLU(width)
    return nn.ReLU(inplace=True) if name == "relu" else nn.LeakyReLU(0.1, inplace=True)
