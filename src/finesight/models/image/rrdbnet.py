"""RRDBNet: the generator of ESRGAN (Wang et al., ECCVW 2018, arXiv 1809.00219) and Real-ESRGAN (ICCVW 2021)."""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import SettingError
from finesight.nn.dropout import Dropout
from finesight.nn.padding import mirror_to_multiple
from finesight.nn.reach import Reach, halo
from finesight.nn.residual import kaiming_
from finesight.nn.traits import Port, Traits
from finesight.nn.upsampling import NearestConv, enlarging_steps, through_steps

__all__ = ["ESRGAN_NAMES", "RRDB_CONVOLUTIONS", "DenseBlock", "Rrdb", "RrdbNet"]

ESRGAN_NAMES = (
    (r"^RRDB_trunk\.(\d+)\.RDB(\d)\.", r"body.\1.rdb\2."),
    (r"^trunk_conv\.", "conv_body."),
    (r"^upconv(\d)\.", r"conv_up\1."),
    (r"^HRconv\.", "conv_hr."),
)
"""The tensor names of ESRGAN's first release."""

RRDB_CONVOLUTIONS = 15
"""3x3 convolutions in sequence in one RRDB: three dense blocks of five."""


class DenseBlock(nn.Module):
    """Five densely connected 3x3 convolutions, LeakyReLU 0.2 after all but the last, residual weight 0.2.

    Args:
        width: channels in and out.
        growth: channels that each of the first four adds.
    """

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, growth, 3, padding=1)
        self.conv2 = nn.Conv2d(width + growth, growth, 3, padding=1)
        self.conv3 = nn.Conv2d(width + 2 * growth, growth, 3, padding=1)
        self.conv4 = nn.Conv2d(width + 3 * growth, growth, 3, padding=1)
        self.conv5 = nn.Conv2d(width + 4 * growth, width, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """``(N, width, H, W)`` to the same."""
        known = features
        for convolution in (self.conv1, self.conv2, self.conv3, self.conv4):
            known = torch.cat((known, F.leaky_relu_(convolution(known), 0.2)), dim=1)
        answer: Tensor = self.conv5(known)
        return answer.mul_(0.2).add_(features)


class Rrdb(nn.Module):
    """Residual in residual dense block: three dense blocks, residual weight 0.2.

    Args:
        width: channels in and out.
        growth: of the dense blocks.
    """

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.rdb1 = DenseBlock(width, growth)
        self.rdb2 = DenseBlock(width, growth)
        self.rdb3 = DenseBlock(width, growth)

    def forward(self, features: Tensor) -> Tensor:
        """``(N, width, H, W)`` to the same."""
        answer: Tensor = self.rdb3(self.rdb2(self.rdb1(features)))
        return answer.mul_(0.2).add_(features)


class RrdbNet(nn.Module):
    """RRDBNet. The defaults are ESRGAN's and Real-ESRGAN's x4; their anime network has ``blocks=6``.

    ``forward`` takes RGB in [0, 1], ``(N, C, H, W)``, any size, and gives ``(N, C, scale H, scale W)``, not clamped.
    With ``scale`` 2 and 1 the picture is first unshuffled by 2 and 4 (and mirrored to a multiple of that where needed).

    Args:
        scale: 4, 2 or 1.
        width, blocks, growth: channels, RRDBs, channels that a dense layer adds.
        inputs, outputs: channels of the pictures.
        upsampler: ``nearest`` is ESRGAN's: after the unshuffling always two nearest-neighbour enlargements by 2, each
            with convolution and activation. ``pixelshuffle`` is HGGT's: convolutions and pixel shuffles by 2 for the
            given scale, one activation after all of them.
        dropout: probability of dropping a feature map before the last convolution while training (Kong et al., CVPR
            2022; 0.5 there). Adds no tensors.
        dropout_unit: ``channel`` drops whole feature maps, ``element`` single values.
    """

    renames = (ESRGAN_NAMES,)

    def __init__(
        self,
        *,
        scale: int = 4,
        width: int = 64,
        blocks: int = 23,
        growth: int = 32,
        inputs: int = 3,
        outputs: int = 3,
        upsampler: Literal["nearest", "pixelshuffle"] = "nearest",
        dropout: float = 0.0,
        dropout_unit: Literal["channel", "element"] = "channel",
    ) -> None:
        super().__init__()
        if scale not in (1, 2, 4):
            raise SettingError(f"RRDBNet exists for the scales 1, 2 and 4, and {scale} was asked for.")
        self.unshuffle = 4 // scale
        self.conv_first = nn.Conv2d(inputs * self.unshuffle**2, width, 3, padding=1)
        self.body = nn.Sequential(*(Rrdb(width, growth) for _ in range(blocks)))
        self.conv_body = nn.Conv2d(width, width, 3, padding=1)
        steps = enlarging_steps(4 if upsampler == "nearest" else scale, name="RRDBNet")
        if upsampler == "nearest":
            self.conv_up1 = NearestConv(width, width)
            self.conv_up2 = NearestConv(width, width)
        else:
            layers = [layer for step in steps for layer in _shuffle_step(width, step)]
            self.upsample = nn.Sequential(*layers)
        self.upsampler = upsampler
        self.conv_hr = nn.Conv2d(width, width, 3, padding=1)
        self.dropout = Dropout(dropout, unit=dropout_unit)
        self.conv_last = nn.Conv2d(width, outputs, 3, padding=1)
        kaiming_(self, 0.1)
        self.traits = self._traits(scale, blocks, inputs, outputs, steps)

    def _traits(self, scale: int, blocks: int, inputs: int, outputs: int, steps: tuple[int, ...]) -> Traits:
        def backwards(reach: Reach) -> Reach:
            reach = reach.conv(times=2)
            if self.upsampler == "pixelshuffle":
                reach = through_steps(reach, steps)
            else:
                for factor in steps:
                    reach = reach.conv().shuffle(factor)
            return reach.conv(times=RRDB_CONVOLUTIONS * blocks + 2).unshuffle(self.unshuffle)

        # HGGT's form unshuffles for the scales 2 and 1 too, but enlarges by the scale alone: 1 and 1/4 come out of it.
        ratio = Fraction(4 if self.upsampler == "nearest" else scale, self.unshuffle)
        return Traits(
            task="super-resolution",
            scale=max(1, int(ratio)),
            halo=halo(backwards, scale=ratio, multiple=self.unshuffle),
            multiple=self.unshuffle,
            inputs=(Port("image", channels=inputs),),
            outputs=(Port("image", ratio=ratio, channels=outputs),),
        )

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        whole = mirror_to_multiple(image, self.unshuffle)
        first = self.conv_first(F.pixel_unshuffle(whole, self.unshuffle))
        features = self.conv_body(self.body(first)).add_(first)
        features = F.leaky_relu_(self.conv_hr(self._enlarged(features)), 0.2)
        answer: Tensor = self.conv_last(self.dropout(features))
        if whole is image:
            return answer
        ratio = self.traits.outputs[0].ratio
        return answer[..., : ceil(height * ratio), : ceil(width * ratio)]

    def _enlarged(self, features: Tensor) -> Tensor:
        if self.upsampler == "pixelshuffle":
            return F.leaky_relu(self.upsample(features), 0.2)
        features = F.leaky_relu_(self.conv_up1(features), 0.2)
        return F.leaky_relu_(self.conv_up2(features), 0.2)


def _shuffle_step(width: int, factor: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(width, width * factor * factor, 3, padding=1), nn.PixelShuffle(factor)
