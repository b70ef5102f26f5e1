"""EDSR: "Enhanced Deep Residual Networks for Single Image Super-Resolution" (Lim et al., CVPRW 2017).

arXiv 1707.02921, table 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import torch
from torch import Tensor, nn

from finesight.nn.reach import halo
from finesight.nn.residual import ResidualBlock, kaiming_
from finesight.nn.traits import Port, Traits
from finesight.nn.upsampling import PixelShuffleConv, enlarging_steps, through_steps

__all__ = ["DIV2K_MEAN", "Edsr", "EdsrFeatures"]

DIV2K_MEAN = (0.4488, 0.4371, 0.4040)
"""Mean colour of DIV2K's training pictures, as published with EDSR and used by its descendants."""


class EdsrFeatures(nn.Module):
    """EDSR without its upsampler: the encoder of LIIF.

    Args:
        width: channels.
        blocks: residual blocks.
        residual_scale: weight of each block's branch.
        inputs: channels of the picture.
    """

    def __init__(self, *, width: int = 64, blocks: int = 16, residual_scale: float = 1.0, inputs: int = 3) -> None:
        super().__init__()
        self.width = width
        self.reach = 2 * blocks + 2  # pixels: first convolution, two in each block, the one after the body
        self.conv_first = nn.Conv2d(inputs, width, 3, padding=1)
        self.body = nn.Sequential(*(ResidualBlock(width, scale=residual_scale) for _ in range(blocks)))
        self.conv_after_body = nn.Conv2d(width, width, 3, padding=1)
        if residual_scale == 1:
            kaiming_(self.body, 0.1)

    def features(self, image: Tensor) -> Tensor:
        """A normalised picture ``(N, inputs, H, W)`` to ``(N, width, H, W)``."""
        first = self.conv_first(image)
        answer: Tensor = self.conv_after_body(self.body(first))
        return answer.add_(first)

    def forward(self, image: Tensor) -> Tensor:
        """The same as ``features``."""
        return self.features(image)


class Edsr(EdsrFeatures):
    """EDSR. The defaults are the published baseline; the large one has ``width=256, blocks=32, residual_scale=0.1``.

    ``forward`` takes RGB in [0, 1], ``(N, C, H, W)``, any size, and gives ``(N, C, scale H, scale W)``, not clamped.

    Args:
        scale: 3 or a power of two.
        width, blocks: channels and residual blocks.
        residual_scale: weight of each block's branch.
        channels: of the picture.
        mean, std: per channel, in [0, 1]; taken off the input and put back on the output.
    """

    renames = (
        ((r"^upsample\.([02])\.", r"upsample.\1.upsample_conv."), (r"^upsample\.2\.", "upsample.1.")),  # BasicSR
        (  # EDSR-PyTorch (the authors')
            (r"^head\.0\.", "conv_first."),
            (r"^body\.\d+\.(weight|bias)$", r"conv_after_body.\1"),
            (r"^body\.(\d+)\.body\.0\.", r"body.\1.conv1."),
            (r"^body\.(\d+)\.body\.2\.", r"body.\1.conv2."),
            (r"^tail\.0\.0\.", "upsample.0.upsample_conv."),
            (r"^tail\.0\.2\.", "upsample.1.upsample_conv."),
            (r"^tail\.1\.", "conv_last."),
        ),
    )
    ignored = (r"^(sub|add)_mean\.",)

    def __init__(
        self,
        *,
        scale: int = 4,
        width: int = 64,
        blocks: int = 16,
        residual_scale: float = 1.0,
        channels: int = 3,
        mean: tuple[float, ...] = DIV2K_MEAN,
        std: tuple[float, ...] = (1.0, 1.0, 1.0),
    ) -> None:
        super().__init__(width=width, blocks=blocks, residual_scale=residual_scale, inputs=channels)
        steps = enlarging_steps(scale, name="EDSR")
        self.upsample = nn.Sequential(*(PixelShuffleConv(width, width, factor=step) for step in steps))
        kaiming_(self.upsample)
        self.conv_last = nn.Conv2d(width, channels, 3, padding=1)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)
        self.traits = Traits(
            task="super-resolution",
            scale=scale,
            halo=halo(lambda reach: through_steps(reach.conv(), steps), scale=scale) + self.reach,
            inputs=(Port("image", channels=channels),),
            outputs=(Port("image", ratio=Fraction(scale), channels=channels),),
        )

    def forward(self, image: Tensor) -> Tensor:
        features = self.upsample(self.features((image - self.mean) / self.std))
        answer: Tensor = self.conv_last(features) * self.std + self.mean
        return answer

    @staticmethod
    def convert(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Bring EDSR-PyTorch's weights, which work in [0, 255], to [0, 1].

        Every layer is a convolution, a ReLU or a sum, so dividing all biases by 255 divides what each of them gives.
        These files are known by their ``sub_mean``.
        """
        if "sub_mean.weight" not in tensors:
            return dict(tensors)
        return {name: tensor / 255 if name.endswith("bias") else tensor for name, tensor in tensors.items()}
