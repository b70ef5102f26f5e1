"""SRResNet without batch normalisation, the generator of SRGAN (Ledig et al., CVPR 2017, arXiv 1609.04802), as ESRGAN's
authors modified it ("MSRResNet")."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import SettingError
from finesight.nn.dropout import Dropout
from finesight.nn.reach import halo
from finesight.nn.residual import ResidualBlock, kaiming_
from finesight.nn.traits import Port, Traits
from finesight.nn.upsampling import PixelShuffleConv, enlarging_steps, through_steps

__all__ = ["MsrResNet"]

_CONTAINER = re.compile(r"^(body|recon_trunk)(\d+)\.(\d+)\.")


class MsrResNet(nn.Module):
    """MSRResNet. The defaults are mmediting's; BasicSR's has ``activation_after_shuffle=True``.

    The two forms have tensors of the same shapes and are different functions: which one a file is for can only be told
    by their names (``trunk_net`` and ``upsample1`` in mmediting; ``upconv1`` in BasicSR, RDSR and DDR).

    ``forward`` takes RGB in [0, 1], ``(N, C, H, W)``, any size, and gives ``(N, C', scale H, scale W)``, not clamped.

    Args:
        scale: 2, 3 or 4.
        width, blocks: channels and residual blocks.
        inputs, outputs: channels of the pictures.
        activation_after_shuffle: LeakyReLU 0.1 after each pixel shuffle.
        image_skip: add the bilinearly enlarged picture (DDR's networks "woGR" do not).
        dropout: probability of dropping a feature map before the last convolution while training ("Reflash Dropout in
            Image Super-Resolution", Kong et al., CVPR 2022; 0.7 there). Adds no tensors.
        dropout_unit: ``channel`` drops whole feature maps, ``element`` single values.
    """

    renames = (
        (  # BasicSR, RDSR, DDR; the numbered containers of the last two are spelled out by ``convert``
            (r"^body\.", "trunk_net."),
            (r"^upconv(\d)\.", r"upsample\1.upsample_conv."),
            (r"^HRconv\.", "conv_hr."),
        ),
    )

    def __init__(
        self,
        *,
        scale: int = 4,
        width: int = 64,
        blocks: int = 16,
        inputs: int = 3,
        outputs: int = 3,
        activation_after_shuffle: bool = False,
        image_skip: bool = True,
        dropout: float = 0.0,
        dropout_unit: Literal["channel", "element"] = "channel",
    ) -> None:
        super().__init__()
        if scale not in (2, 3, 4):
            raise SettingError(f"MSRResNet exists for the scales 2, 3 and 4, and {scale} was asked for.")
        self.scale = scale
        self.activation_after_shuffle = activation_after_shuffle
        self.image_skip = image_skip
        steps = enlarging_steps(scale, name="MSRResNet")
        self.conv_first = nn.Conv2d(inputs, width, 3, padding=1)
        self.trunk_net = nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)))
        self.upsample1 = PixelShuffleConv(width, width, factor=steps[0])
        self.upsample2 = PixelShuffleConv(width, width, factor=steps[1]) if len(steps) > 1 else None
        self.conv_hr = nn.Conv2d(width, width, 3, padding=1)
        self.dropout = Dropout(dropout, unit=dropout_unit)
        self.conv_last = nn.Conv2d(width, outputs, 3, padding=1)
        for part in (self.conv_first, self.trunk_net, self.conv_hr, self.conv_last):
            kaiming_(part, 0.1)
        kaiming_(self.upsample1)
        if self.upsample2 is not None:
            kaiming_(self.upsample2)
        branch = halo(lambda reach: through_steps(reach.conv(times=2), steps).conv(times=2 * blocks + 1), scale=scale)
        self.traits = Traits(
            task="super-resolution",
            scale=scale,
            halo=branch,  # the image skip looks one pixel far, the trunk always farther
            inputs=(Port("image", channels=inputs),),
            outputs=(Port("image", ratio=Fraction(scale), channels=outputs),),
        )

    def forward(self, image: Tensor) -> Tensor:
        features = self.trunk_net(F.leaky_relu_(self.conv_first(image), 0.1))
        for upsample in (self.upsample1, self.upsample2):
            if upsample is not None:
                features = upsample(features)
                if self.activation_after_shuffle:
                    features = F.leaky_relu(features, 0.1)
        features = F.leaky_relu_(self.conv_hr(features), 0.1)
        answer: Tensor = self.conv_last(self.dropout(features))
        if not self.image_skip:
            return answer
        return answer + F.interpolate(image, scale_factor=float(self.scale), mode="bilinear", align_corners=False)

    @staticmethod
    def convert(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Number the blocks through: RDSR keeps each in a container (``body1.0``), DDR in four (``recon_trunk1.0``)."""
        places = {
            name: (found[1], int(found[2]), int(found[3])) for name in tensors if (found := _CONTAINER.match(name))
        }
        order = {place: block for block, place in enumerate(sorted(set(places.values())))}
        return {
            f"trunk_net.{order[places[name]]}.{name.split('.', 2)[2]}" if name in places else name: tensor
            for name, tensor in tensors.items()
        }
