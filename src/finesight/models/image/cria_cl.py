"""Cria-CL: "Criteria Comparative Learning for Real-scene Image Super-Resolution" (Shi et al., TCSVT 2022).

arXiv 2207.12767; the network alone was published, not its training.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import SettingError
from finesight.models.image.rrdbnet import ESRGAN_NAMES, RRDB_CONVOLUTIONS, Rrdb
from finesight.nn.reach import Reach, halo
from finesight.nn.residual import kaiming_
from finesight.nn.traits import Port, Traits
from finesight.nn.upsampling import NearestConv

__all__ = ["CriaCl", "Views"]


@dataclass(frozen=True, slots=True)
class Views:
    """What Cria-CL computes on its way; the answer is ``first + second``.

    Args:
        middle: the RRDB network's picture.
        mask: the spatial projector, ``width`` channels that sum to one at every pixel.
        first: the picture seen through the mask.
        second: the picture seen through its complement.
    """

    middle: Tensor
    mask: Tensor
    first: Tensor
    second: Tensor


class ProjectionBlock(nn.Module):
    """Two 3x3 convolutions with LeakyReLU 0.2 after both, plus a 1x1 convolution of the input.

    Args:
        inputs, outputs: channels.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
        )
        self.conv = nn.Conv2d(inputs, outputs, 1)

    def forward(self, features: Tensor) -> Tensor:
        """``(N, inputs, H, W)`` to ``(N, outputs, H, W)``."""
        return torch.add(self.block(features), self.conv(features))


class CriaCl(nn.Module):
    """An RRDB network, then two branches that a soft mask over 64 channels selects. The defaults are the published x4.

    ``forward`` takes RGB in [0, 1], ``(N, C, H, W)``, any size, and gives ``(N, C', scale H, scale W)``, not clamped;
    ``views`` gives the parts that its training compares.

    Args:
        scale: 4, or 1 for pairs of equal size (CameraSR): the same network without its two enlargements.
        width, blocks, growth: channels, RRDBs, channels that a dense layer adds.
        inputs, outputs: channels of the pictures.
    """

    renames = (ESRGAN_NAMES,)

    def __init__(
        self, *, scale: int = 4, width: int = 64, blocks: int = 23, growth: int = 32, inputs: int = 3, outputs: int = 3
    ) -> None:
        super().__init__()
        if scale not in (1, 4):
            raise SettingError(f"Cria-CL exists for the scales 1 and 4, and {scale} was asked for.")
        self.conv_first = nn.Conv2d(inputs, width, 3, padding=1)
        self.body = nn.Sequential(*(Rrdb(width, growth) for _ in range(blocks)))
        self.conv_body = nn.Conv2d(width, width, 3, padding=1)
        self.conv_up1 = _enlarging(width, scale)
        self.conv_up2 = _enlarging(width, scale)
        self.conv_hr = nn.Conv2d(width, width, 3, padding=1)
        self.conv_last = nn.Conv2d(width, outputs, 3, padding=1)
        self.sm = _projection(outputs, width)
        self.branch1 = _projection(outputs, width)
        self.branch2 = _projection(outputs, width)
        self.tail_conv1 = nn.Conv2d(width, outputs, 3, padding=1)
        self.tail_conv2 = nn.Conv2d(width, outputs, 3, padding=1)
        kaiming_(self.body, 0.1)

        def backwards(reach: Reach) -> Reach:
            reach = reach.conv(times=1 + 6 + 2)  # tail, three blocks of two, conv_last and conv_hr
            for _ in range(2):
                reach = reach.conv().shuffle(2 if scale == 4 else 1)
            return reach.conv(times=RRDB_CONVOLUTIONS * blocks + 2)

        self.traits = Traits(
            task="super-resolution" if scale > 1 else "restoration",
            scale=scale,
            halo=halo(backwards, scale=scale),
            inputs=(Port("image", channels=inputs),),
            outputs=(Port("image", ratio=Fraction(scale), channels=outputs),),
        )

    def forward(self, image: Tensor) -> Tensor:
        views = self.views(image)
        return views.first + views.second

    def views(self, image: Tensor) -> Views:
        """The parts of the answer for ``image`` ``(N, C, H, W)``, all of the answer's size."""
        first = self.conv_first(image)
        features = self.conv_body(self.body(first)).add_(first)
        features = F.leaky_relu_(self.conv_up1(features), 0.2)
        features = F.leaky_relu_(self.conv_up2(features), 0.2)
        middle = self.conv_last(F.leaky_relu_(self.conv_hr(features), 0.2))
        mask = torch.softmax(self.sm(middle), dim=1)
        one = self.tail_conv1(mask * self.branch1(middle))
        other = self.tail_conv2((1 - mask) * self.branch2(middle))
        return Views(middle, mask, one, other)


def _enlarging(width: int, scale: int) -> nn.Conv2d:
    return NearestConv(width, width) if scale == 4 else nn.Conv2d(width, width, 3, padding=1)


def _projection(inputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(ProjectionBlock(inputs, width), ProjectionBlock(width, width), ProjectionBlock(width, width))
