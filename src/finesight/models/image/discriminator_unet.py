"""The U-Net discriminator with spectral normalisation of Real-ESRGAN (Wang et al., ICCVW 2021, arXiv 2107.10833)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from finesight.nn.padding import mirror_to_multiple
from finesight.nn.reach import Reach, halo
from finesight.nn.spectral import PARAMETRIZATION_NAMES, SpectralConv2d
from finesight.nn.traits import Port, Traits

__all__ = ["UNetDiscriminator"]


class UNetDiscriminator(nn.Module):
    """Judge every pixel of a picture. The defaults are the published network.

    ``forward`` takes RGB in [0, 1], ``(N, C, H, W)``, and gives logits ``(N, 1, H, W)``; sides that are no multiple of
    8 are mirrored up to one.

    Args:
        inputs: channels of the picture.
        width: channels at full size.
        skip_connection: add the activations on the way down to those of the same size on the way up.
    """

    renames = (
        PARAMETRIZATION_NAMES,
        ((r"^conv(\d)\.", r"conv_\1."),),  # BasicSR, HGGT
        ((r"^conv(\d)\.", r"conv_\1."), *PARAMETRIZATION_NAMES),
    )

    def __init__(self, *, inputs: int = 3, width: int = 64, skip_connection: bool = True) -> None:
        super().__init__()
        self.skip_connection = skip_connection
        self.conv_0 = nn.Conv2d(inputs, width, 3, padding=1)
        self.conv_1 = SpectralConv2d(width, width * 2, 4, stride=2, padding=1)
        self.conv_2 = SpectralConv2d(width * 2, width * 4, 4, stride=2, padding=1)
        self.conv_3 = SpectralConv2d(width * 4, width * 8, 4, stride=2, padding=1)
        self.conv_4 = SpectralConv2d(width * 8, width * 4, 3, padding=1)
        self.conv_5 = SpectralConv2d(width * 4, width * 2, 3, padding=1)
        self.conv_6 = SpectralConv2d(width * 2, width, 3, padding=1)
        self.conv_7 = SpectralConv2d(width, width, 3, padding=1)
        self.conv_8 = SpectralConv2d(width, width, 3, padding=1)
        self.conv_9 = nn.Conv2d(width, 1, 3, padding=1)

        def backwards(reach: Reach) -> Reach:
            levels = [reach.conv(times=3)]
            for _ in range(3):
                levels.append(levels[-1].conv().bilinear(2))
            reach = levels.pop()
            while levels:
                reach = reach.strided(4, stride=2, padding=1) | levels.pop()  # the skip never looks farther
            return reach.conv()

        self.traits = Traits(
            task="discrimination",
            scale=1,
            halo=halo(backwards, multiple=8),
            multiple=8,
            inputs=(Port("image", channels=inputs),),
            outputs=(Port("logits", channels=1),),
        )

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        down = [F.leaky_relu_(self.conv_0(mirror_to_multiple(image, 8)), 0.2)]
        for convolution in (self.conv_1, self.conv_2, self.conv_3):
            down.append(F.leaky_relu_(convolution(down[-1]), 0.2))
        features = down.pop()
        for convolution in (self.conv_4, self.conv_5, self.conv_6):
            enlarged = F.interpolate(features, scale_factor=2.0, mode="bilinear", align_corners=False)
            features = F.leaky_relu(convolution(enlarged), 0.2)
            skipped = down.pop()
            if self.skip_connection:
                features = features + skipped
        for convolution in (self.conv_7, self.conv_8):
            features = F.leaky_relu_(convolution(features), 0.2)
        logits: Tensor = self.conv_9(features)
        return logits[..., :height, :width]
