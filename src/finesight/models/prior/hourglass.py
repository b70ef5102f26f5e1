"""DIC's landmark branch: a hourglass (Newell et al., ECCV 2016) that takes its own features of the step before."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["FeedbackHourglass"]


class _Bottleneck(nn.Module):
    """Residual block of 1x1, 3x3 and 1x1 convolutions."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half = outputs // 2
        self.conv_block = nn.Sequential(
            nn.Conv2d(inputs, half, 1), nn.ReLU(), nn.Conv2d(half, half, 3, padding=1), nn.Conv2d(half, outputs, 1)
        )
        if inputs != outputs:
            self.skip_layer = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        skip = self.skip_layer(x) if hasattr(self, "skip_layer") else x
        found: Tensor = self.conv_block(x) + skip
        return found


class _Hourglass(nn.Module):
    """One level and those below it; sides must halve ``depth`` times."""

    def __init__(self, depth: int, channels: int) -> None:
        super().__init__()
        self.up1 = _Bottleneck(channels, channels)
        self.low1 = _Bottleneck(channels, channels)
        self.low2 = _Bottleneck(channels, channels) if depth == 1 else _Hourglass(depth - 1, channels)
        self.low3 = _Bottleneck(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        below = self.low3(self.low2(self.low1(F.max_pool2d(x, 2))))
        found: Tensor = self.up1(x) + F.interpolate(below, scale_factor=2.0, mode="bilinear", align_corners=True)
        return found


class FeedbackHourglass(nn.Module):
    """Landmark heat maps of a face, and features for the next step.

    ``forward(image, feedback)``: (N, inputs, H, W) with sides that are multiples of 64, and the feedback of the step
    before or ``None``, to heat maps (N, landmarks, H/4, W/4) and feedback (N, width, H/4, W/4).

    Args:
        inputs: channels of the picture.
        width: of the features.
        landmarks: number of heat maps.
    """

    def __init__(self, *, inputs: int = 3, width: int = 256, landmarks: int = 68) -> None:
        super().__init__()
        self.width = width
        self.pre_conv_block = nn.Sequential(
            nn.Conv2d(inputs, 64, 7, stride=2, padding=3),
            nn.ReLU(),
            _Bottleneck(64, 128),
            nn.MaxPool2d(2),
            _Bottleneck(128, 128),
            _Bottleneck(128, width),
        )
        self.first_conv = nn.Conv2d(2 * width, 2 * width, 1)
        self.hg = _Hourglass(4, 2 * width)
        self.last = nn.Sequential(
            _Bottleneck(width, width), nn.Conv2d(width, width, 1), nn.ReLU(), nn.Conv2d(width, landmarks, 1)
        )

    def forward(self, image: Tensor, feedback: Tensor | None = None) -> tuple[Tensor, Tensor]:
        features = self.pre_conv_block(image)
        both = torch.cat((features, features if feedback is None else feedback), dim=1)
        found = self.hg(self.first_conv(both))
        return self.last(found[:, : self.width]), found[:, self.width :]
