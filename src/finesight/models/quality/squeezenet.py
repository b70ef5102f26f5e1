"""SqueezeNet 1.1's convolutions as a feature extractor (LPIPS).

Iandola et al., 2016; layout and names of torchvision.
"""

from __future__ import annotations

from fractions import Fraction

import torch
from torch import Tensor, nn

from finesight.errors import InputError
from finesight.nn.traits import Port, Traits

__all__ = ["SqueezeNet"]


class Fire(nn.Module):
    """1x1 to few channels, then 1x1 and 3x3 side by side to twice ``expanded``."""

    def __init__(self, channels: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze(x).relu()
        return torch.cat([self.expand1x1(x), self.expand3x3(x)], dim=1).relu()


class SqueezeNet(nn.Module):
    """Features of seven depths, of 64, 128, 256, 384, 384, 512 and 512 channels.

    ``forward`` takes (N, 3, H, W) as its caller normalised it, sides of at least 17, and gives a dictionary from
    ``slice1`` ... ``slice7`` to (N, C, h, w).
    """

    ignored = (r"^classifier\.",)
    channels = (64, 128, 256, 384, 384, 512, 512)
    ends = (1, 4, 7, 9, 10, 11, 12)  # last layer of each slice

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 3, stride=2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            Fire(64, 16, 64),
            Fire(128, 16, 64),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            Fire(128, 32, 128),
            Fire(256, 32, 128),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            Fire(256, 48, 192),
            Fire(384, 48, 192),
            Fire(384, 64, 256),
            Fire(512, 64, 256),
        )
        strides = (2, 4, 8, 16, 16, 16, 16)
        self.traits = Traits(
            task="features",
            halo=None,
            halo_reason="poolings round sizes up, so the grid depends on the picture's size",
            minimum=17,
            outputs=tuple(
                Port(f"slice{index}", ratio=Fraction(1, stride), channels=channels)
                for index, (stride, channels) in enumerate(zip(strides, self.channels, strict=True), start=1)
            ),
        )

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        if image.ndim != 4 or image.shape[1] != 3 or min(image.shape[2:]) < self.traits.minimum:
            raise InputError(f"SqueezeNet takes (N, 3, H, W) with sides of at least 17, got {tuple(image.shape)}.")
        found: dict[str, Tensor] = {}
        x = image
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in self.ends:
                found[f"slice{len(found) + 1}"] = x
        return found
