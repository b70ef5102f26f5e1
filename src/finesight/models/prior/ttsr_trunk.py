"""TTSR's trunk: mixes transferred textures into a residual network at 1x, 2x and 4x.

Yang et al., "Learning Texture Transformer Network for Image Super-Resolution", CVPR 2020, sections 3.2 and 3.3.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.nn.reach import Reach
from finesight.nn.residual import ResidualBlock, kaiming_
from finesight.nn.upsampling import PixelShuffleConv

__all__ = ["TextureTrunk"]


def _up(features: Tensor, factor: int) -> Tensor:
    return F.interpolate(features, scale_factor=factor, mode="bicubic", align_corners=False)


def _conv(inputs: int, outputs: int, *, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)


def _blocks(count: int, width: int, residual: float) -> nn.Sequential:
    blocks = nn.Sequential(*(ResidualBlock(width, scale=residual) for _ in range(count)))
    if residual == 1:
        kaiming_(blocks, 0.1)
    return blocks


class _Shallow(nn.Module):
    """Features of the picture alone: ``sfe``."""

    def __init__(self, channels: int, width: int, blocks: int, residual: float) -> None:
        super().__init__()
        self.conv_first = _conv(channels, width)
        self.body = _blocks(blocks, width, residual)
        self.conv_last = _conv(width, width)

    def forward(self, image: Tensor) -> Tensor:
        first = F.relu(self.conv_first(image))
        found: Tensor = first + self.conv_last(self.body(first))
        return found


class _Exchange2(nn.Module):
    """Cross-scale feature integration of two resolutions: ``csfi2`` (section 3.3)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1to2 = nn.Conv2d(width, width, 1)
        self.conv2to1 = _conv(width, width, stride=2)
        self.conv_merge1 = _conv(2 * width, width)
        self.conv_merge2 = _conv(2 * width, width)

    def forward(self, x1: Tensor, x2: Tensor) -> tuple[Tensor, Tensor]:
        x12 = F.relu(self.conv1to2(_up(x1, 2)))
        x21 = F.relu(self.conv2to1(x2))
        return F.relu(self.conv_merge1(torch.cat((x1, x21), 1))), F.relu(self.conv_merge2(torch.cat((x2, x12), 1)))


class _Exchange3(nn.Module):
    """Cross-scale feature integration of three resolutions: ``csfi3``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1to2 = nn.Conv2d(width, width, 1)
        self.conv1to4 = nn.Conv2d(width, width, 1)
        self.conv2to1 = _conv(width, width, stride=2)
        self.conv2to4 = nn.Conv2d(width, width, 1)
        self.conv4to1_1 = _conv(width, width, stride=2)
        self.conv4to1_2 = _conv(width, width, stride=2)
        self.conv4to2 = _conv(width, width, stride=2)
        self.conv_merge1 = _conv(3 * width, width)
        self.conv_merge2 = _conv(3 * width, width)
        self.conv_merge4 = _conv(3 * width, width)

    def forward(self, x1: Tensor, x2: Tensor, x4: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x12, x14 = F.relu(self.conv1to2(_up(x1, 2))), F.relu(self.conv1to4(_up(x1, 4)))
        x21, x24 = F.relu(self.conv2to1(x2)), F.relu(self.conv2to4(_up(x2, 2)))
        x41 = F.relu(self.conv4to1_2(F.relu(self.conv4to1_1(x4))))
        x42 = F.relu(self.conv4to2(x4))
        return (
            F.relu(self.conv_merge1(torch.cat((x1, x21, x41), 1))),
            F.relu(self.conv_merge2(torch.cat((x2, x12, x42), 1))),
            F.relu(self.conv_merge4(torch.cat((x4, x14, x24), 1))),
        )


class _Merge(nn.Module):
    """Three resolutions to one picture in [-1, 1]: ``merge_features``."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.conv1to4 = nn.Conv2d(width, width, 1)
        self.conv2to4 = nn.Conv2d(width, width, 1)
        self.conv_merge = _conv(3 * width, width)
        self.conv_last1 = _conv(width, width // 2)
        self.conv_last2 = nn.Conv2d(width // 2, channels, 1)

    def forward(self, x1: Tensor, x2: Tensor, x4: Tensor) -> Tensor:
        x14, x24 = F.relu(self.conv1to4(_up(x1, 4))), F.relu(self.conv2to4(_up(x2, 2)))
        x = F.relu(self.conv_merge(torch.cat((x4, x14, x24), 1)))
        picture: Tensor = self.conv_last2(self.conv_last1(x))
        return picture.clamp(-1, 1)


class TextureTrunk(nn.Module):
    """Picture, soft attention and textures to a picture four times as large; everything in [-1, 1].

    ``forward(image, attention, textures)``: (N, C, h, w), (N, 1, h, w), and textures of (N, 4t, h, w),
    (N, 2t, 2h, 2w), (N, t, 4h, 4w) to (N, outputs, 4h, 4w).

    Args:
        inputs, outputs: channels of the pictures.
        width: of all features.
        texture: t, channels of the finest textures.
        blocks: residual blocks at the start, and at 1x, 2x and 4x.
        residual: weight of every residual branch.
    """

    def __init__(
        self,
        *,
        inputs: int = 3,
        outputs: int = 3,
        width: int = 64,
        texture: int = 64,
        blocks: tuple[int, int, int, int] = (16, 16, 8, 4),
        residual: float = 1.0,
    ) -> None:
        super().__init__()
        self.blocks = blocks
        start, first, second, third = blocks
        self.sfe = _Shallow(inputs, width, start, residual)
        self.conv_first1 = _conv(4 * texture + width, width)
        self.res_block1 = _blocks(first, width, residual)
        self.conv_last1 = _conv(width, width)
        self.up1 = PixelShuffleConv(width, width, factor=2)
        self.conv_first2 = _conv(2 * texture + width, width)
        self.csfi2 = _Exchange2(width)
        self.res_block2_1, self.res_block2_2 = (_blocks(second, width, residual) for _ in range(2))
        self.conv_last2_1, self.conv_last2_2 = _conv(width, width), _conv(width, width)
        self.up2 = PixelShuffleConv(width, width, factor=2)
        self.conv_first3 = _conv(texture + width, width)
        self.csfi3 = _Exchange3(width)
        self.res_block3_1, self.res_block3_2, self.res_block3_3 = (_blocks(third, width, residual) for _ in range(3))
        self.conv_last3_1, self.conv_last3_2, self.conv_last3_3 = (_conv(width, width) for _ in range(3))
        self.merge_features = _Merge(width, outputs)
        kaiming_(self.up1)
        kaiming_(self.up2)

    def forward(self, image: Tensor, attention: Tensor, textures: Sequence[Tensor]) -> Tensor:
        texture3, texture2, texture1 = textures
        x1 = self.sfe(image)
        x1 = x1 + self.conv_first1(torch.cat((x1, texture3), 1)) * attention
        x1 = x1 + self.conv_last1(self.res_block1(x1))
        x2 = F.relu(self.up1(x1))
        x2 = x2 + self.conv_first2(torch.cat((x2, texture2), 1)) * _up(attention, 2)
        a, b = self.csfi2(x1, x2)
        x1 = x1 + self.conv_last2_1(self.res_block2_1(a))
        x2 = x2 + self.conv_last2_2(self.res_block2_2(b))
        x4 = F.relu(self.up2(x2))
        x4 = x4 + self.conv_first3(torch.cat((x4, texture1), 1)) * _up(attention, 4)
        a, b, c = self.csfi3(x1, x2, x4)
        x1 = x1 + self.conv_last3_1(self.res_block3_1(a))
        x2 = x2 + self.conv_last3_2(self.res_block3_2(b))
        x4 = x4 + self.conv_last3_3(self.res_block3_3(c))
        picture: Tensor = self.merge_features(x1, x2, x4)
        return picture

    def reach(self, wanted: Reach) -> tuple[Reach, Reach]:
        """What output pixels depend on: pixels of the picture, and positions whose texture or attention counts."""
        start, first, second, third = self.blocks
        x4 = wanted.conv(times=2)
        x1, x2 = x4.bicubic(4), x4.bicubic(2)

        a, b, c = (x.conv(times=2 * third + 2) for x in (x1, x2, x4))  # of ``csfi3``'s answers
        x1 = x1 | a | b.bicubic(2) | c.bicubic(4)
        x2 = x2 | b | _strided(a) | c.bicubic(2)
        x4 = x4 | c | _strided(b) | _strided(_strided(a))
        found = x4.conv().shuffle(4) | x4.bicubic(4)
        x2 = x2 | x4.conv().shuffle(2).conv()

        a, b = x1.conv(times=2 * second + 2), x2.conv(times=2 * second + 2)  # of ``csfi2``'s
        x1 = x1 | a | b.bicubic(2)
        x2 = x2 | b | _strided(a)
        found = found | x2.conv().shuffle(2) | x2.bicubic(2)
        x1 = x1 | x2.conv().shuffle(2).conv()

        x1 = x1.conv(times=2 * first + 2)
        return x1.conv(times=2 * start + 2), found | x1


def _strided(reach: Reach) -> Reach:
    """Backwards through a 3x3 convolution of stride 2."""
    return Reach(2 * reach.low - 1, 2 * reach.high + 1)
