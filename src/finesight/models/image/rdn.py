"""RDN: "Residual Dense Network for Image Super-Resolution" (Zhang et al., CVPR 2018, arXiv 1802.08797)."""

from __future__ import annotations

from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import SettingError
from finesight.nn.reach import halo
from finesight.nn.traits import Port, Traits
from finesight.nn.upsampling import enlarging_steps, through_steps

__all__ = ["Rdn", "RdnFeatures"]


class DenseLayer(nn.Module):
    """Append ``ReLU(conv3(x))`` to the channels of ``x``.

    Args:
        inputs: channels of ``x``.
        growth: channels appended.
    """

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, growth, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """``(N, inputs, H, W)`` to ``(N, inputs + growth, H, W)``."""
        return torch.cat((features, F.relu_(self.conv(features))), dim=1)


class ResidualDenseBlock(nn.Module):
    """Dense layers, a 1x1 convolution back to ``width`` channels, plus the input (figure 3 of the paper).

    Args:
        width: channels in and out.
        growth: channels that each dense layer adds.
        layers: dense layers.
    """

    def __init__(self, width: int, growth: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(DenseLayer(width + layer * growth, growth) for layer in range(layers)))
        self.lff = nn.Conv2d(width + layers * growth, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """``(N, width, H, W)`` to the same."""
        answer: Tensor = self.lff(self.layers(features))
        return answer.add_(features)


class RdnFeatures(nn.Module):
    """RDN without its upsampler: the encoder of LIIF.

    Args:
        width: channels between blocks.
        blocks, layers: residual dense blocks, dense layers in each.
        growth: channels that each dense layer adds.
        inputs: channels of the picture.
    """

    def __init__(
        self, *, width: int = 64, blocks: int = 16, layers: int = 8, growth: int = 64, inputs: int = 3
    ) -> None:
        super().__init__()
        self.width = width
        self.reach = 3 + blocks * layers  # pixels: two first convolutions, one a dense layer, the last of the fusion
        self.sfe1 = nn.Conv2d(inputs, width, 3, padding=1)
        self.sfe2 = nn.Conv2d(width, width, 3, padding=1)
        self.rdbs = nn.ModuleList(ResidualDenseBlock(width, growth, layers) for _ in range(blocks))
        self.gff = nn.Sequential(nn.Conv2d(width * blocks, width, 1), nn.Conv2d(width, width, 3, padding=1))

    def features(self, image: Tensor) -> Tensor:
        """A picture ``(N, inputs, H, W)`` to ``(N, width, H, W)``.

        The 1x1 convolution over all blocks' outputs is summed block by block, so that they need not be kept.
        """
        first = self.sfe1(image)
        features = self.sfe2(first)
        join, last = self.gff
        assert isinstance(join, nn.Conv2d)
        joined: Tensor | None = None
        for block, weight in zip(self.rdbs, join.weight.split(self.width, dim=1), strict=True):
            features = block(features)
            part = F.conv2d(features, weight, join.bias if joined is None else None)
            joined = part if joined is None else joined.add_(part)
        answer: Tensor = last(joined)
        return answer.add_(first)

    def forward(self, image: Tensor) -> Tensor:
        """The same as ``features``."""
        return self.features(image)


class Rdn(RdnFeatures):
    """RDN. The defaults are the published network of every scale.

    ``forward`` takes RGB in [0, 1], ``(N, C, H, W)``, any size, and gives ``(N, C', scale H, scale W)``, not clamped.

    Args:
        scale: 2, 3 or 4.
        width, blocks, layers, growth: see ``RdnFeatures``.
        inputs, outputs: channels of the pictures.
    """

    def __init__(
        self,
        *,
        scale: int = 4,
        width: int = 64,
        blocks: int = 16,
        layers: int = 8,
        growth: int = 64,
        inputs: int = 3,
        outputs: int = 3,
    ) -> None:
        super().__init__(width=width, blocks=blocks, layers=layers, growth=growth, inputs=inputs)
        if scale not in (2, 3, 4):
            raise SettingError(f"RDN exists for the scales 2, 3 and 4, and {scale} was asked for.")
        steps = enlarging_steps(scale, name="RDN")
        upscale: list[nn.Module] = []
        for step in steps:
            upscale += [nn.Conv2d(width, width * step * step, 3, padding=1), nn.PixelShuffle(step)]
        self.upscale = nn.Sequential(*upscale)
        self.output = nn.Conv2d(width, outputs, 3, padding=1)
        self.traits = Traits(
            task="super-resolution",
            scale=scale,
            halo=halo(lambda reach: through_steps(reach.conv(), steps), scale=scale) + self.reach,
            inputs=(Port("image", channels=inputs),),
            outputs=(Port("image", ratio=Fraction(scale), channels=outputs),),
        )

    def forward(self, image: Tensor) -> Tensor:
        answer: Tensor = self.output(self.upscale(self.features(image)))
        return answer
