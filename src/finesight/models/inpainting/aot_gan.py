"""AOT-GAN: "Aggregated Contextual Transformations for High-Resolution Image Inpainting" (Zeng et al., TVCG 2022).

arXiv 2104.01431.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import SettingError
from finesight.models.inpainting.completion import ChannelOrder, Completion, to_signed
from finesight.nn.gated_conv import ActivatedConv2d
from finesight.nn.reach import Reach, halo
from finesight.nn.spectral import SpectralConv2d
from finesight.nn.traits import Port, Traits

__all__ = ["AotBlock", "AotGan", "AotGanDiscriminator"]


def _mirrored_convolution(inputs: int, outputs: int, kernel: int, *, dilation: int = 1, relu: bool) -> nn.Sequential:
    """Mirrored border (index 0), then a convolution (name ``1.conv``)."""
    layer = ActivatedConv2d(
        inputs, outputs, kernel, dilation=dilation, padding=0, border="zeros", activation=F.relu if relu else None
    )
    return nn.Sequential(nn.ReflectionPad2d(dilation * (kernel // 2)), layer)


class AotBlock(nn.Module):
    """Convolutions of several dilations side by side, mixed, and blended with the input by a learned gate (eq. 1 to 3).

    Args:
        width: channels, a multiple of the number of rates.
        rates: dilations.
    """

    def __init__(self, width: int, rates: Sequence[int] = (1, 2, 4, 8)) -> None:
        super().__init__()
        if width % len(rates):
            raise SettingError(f"an AOT block's width must be a multiple of its {len(rates)} rates, got {width}.")
        self.blocks = nn.ModuleList(
            _mirrored_convolution(width, width // len(rates), 3, dilation=rate, relu=True) for rate in rates
        )
        self.fuse = _mirrored_convolution(width, width, 3, relu=False)
        self.gate = _mirrored_convolution(width, width, 3, relu=False)

    def forward(self, features: Tensor) -> Tensor:
        """``(N, width, H, W)`` -> the same shape; both sides greater than the largest rate."""
        mixed = self.fuse(torch.cat([block(features) for block in self.blocks], dim=1))
        opening = torch.sigmoid(_standardised(self.gate(features)))
        answer: Tensor = features * (1 - opening) + mixed * opening
        return answer


def _standardised(gate: Tensor) -> Tensor:
    """Each channel of each sample to mean -5 and unbiased deviation 10, as published."""
    mean = gate.mean((2, 3), keepdim=True)
    deviation = gate.std((2, 3), keepdim=True) + 1e-9
    return 5 * (2 * (gate - mean) / deviation - 1)


class Encoder(nn.Module):
    """Three convolutions (names ``encoder.1`` to ``encoder.3``) to a quarter of the size."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.ReflectionPad2d(3),
            ActivatedConv2d(4, width, 7, padding=0, border="zeros", activation=F.relu),
            ActivatedConv2d(width, 2 * width, 4, stride=2, padding=1, border="zeros", activation=F.relu),
            ActivatedConv2d(2 * width, 4 * width, 4, stride=2, padding=1, border="zeros", activation=F.relu),
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(N, 4, H, W)`` to ``(N, 4 width, H / 4, W / 4)``."""
        answer: Tensor = self.encoder(x)
        return answer


class Neck(nn.Module):
    """The AOT blocks (names ``model.B``)."""

    def __init__(self, width: int, rates: Sequence[int], blocks: int) -> None:
        super().__init__()
        self.model = nn.Sequential(*(AotBlock(width, rates) for _ in range(blocks)))

    def forward(self, features: Tensor) -> Tensor:
        """``(N, width, H, W)`` -> the same shape."""
        answer: Tensor = self.model(features)
        return answer


class Decoder(nn.Module):
    """Three convolutions (names ``decoder.0`` to ``decoder.2``), the first two after an enlargement by 2."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.decoder = nn.ModuleList(
            ActivatedConv2d(inputs, outputs, border="zeros", activation=activation)
            for inputs, outputs, activation in (
                (4 * width, 2 * width, F.relu),
                (2 * width, width, F.relu),
                (width, 3, torch.tanh),
            )
        )

    def forward(self, features: Tensor) -> Tensor:
        """``(N, 4 width, H, W)`` to ``(N, 3, 4 H, 4 W)`` in [-1, 1]."""
        for layer in self.decoder[:2]:
            features = layer(F.interpolate(features, scale_factor=2.0, mode="bilinear", align_corners=True))
        answer: Tensor = self.decoder[2](features)
        return answer


class AotGan(Completion):
    """The generator. The defaults are the published network (mmediting; 15,200,835 parameters).

    See ``Completion`` for what it takes and gives. Trained on RGB; the published *test* fed BGR, a slip.

    Args:
        width: channels at full size; four times as many in the blocks.
        blocks, rates: AOT blocks and the dilations of each.
        order: channel order that the network is fed.
    """

    def __init__(
        self,
        *,
        width: int = 64,
        blocks: int = 8,
        rates: tuple[int, ...] = (1, 2, 4, 8),
        order: ChannelOrder = "rgb",
    ) -> None:
        super().__init__(order=order, multiple=4, least=4 * (max(rates) + 1))
        self.encoder = Encoder(width)
        self.decoder = Decoder(width)
        self.dilation_neck = Neck(4 * width, rates, blocks)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # made with a bias
        self.traits = Traits(
            task="inpainting",
            halo=None,
            halo_reason="gates are standardised over the whole picture",
            multiple=4,
            inputs=(Port("image"), Port("mask", channels=1)),
        )

    def complete(self, masked: Tensor, mask: Tensor) -> tuple[Tensor]:
        """``(N, 3, H, W)`` in [-1, 1]; sides multiples of 4 and greater than four times the largest rate."""
        x = torch.cat((masked + mask, mask), dim=1)  # the hole is white
        return (self.decoder(self.dilation_neck(self.encoder(x))),)


class SpectralLayer(nn.Module):
    """A spectrally normalised 4x4 convolution without bias (name ``conv``), then LeakyReLU 0.2."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv = SpectralConv2d(inputs, outputs, 4, stride=stride, padding=1)
        nn.init.normal_(self.conv.weight_orig, 0, 0.02)

    def forward(self, features: Tensor) -> Tensor:
        """``(N, inputs, H, W)`` to ``(N, outputs, H', W')``."""
        return F.leaky_relu(self.conv(features), 0.2)


class AotGanDiscriminator(nn.Module):
    """A patch discriminator, trained to draw the mask (section 3.3).

    ``forward`` takes a picture ``(N, 3, H, W)``, RGB in [0, 1], at least 24 pixels a side, and gives logits
    ``(N, 1, H / 8 - 2, W / 8 - 2)``: the last two convolutions lose a row and a column each.

    Args:
        width: channels of the first convolution.
        order: channel order of the published training.
    """

    renames = (((r"^disc\.", ""),),)
    ignored = (r"^(generator|loss_percep)\.",)

    def __init__(self, *, width: int = 64, order: ChannelOrder = "rgb") -> None:
        super().__init__()
        self.order: ChannelOrder = order
        last = nn.Conv2d(8 * width, 1, 4, padding=1)
        nn.init.normal_(last.weight, 0, 0.02)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]  # made with a bias
        self.model = nn.Sequential(
            SpectralLayer(3, width, 2),
            SpectralLayer(width, 2 * width, 2),
            SpectralLayer(2 * width, 4 * width, 2),
            SpectralLayer(4 * width, 8 * width, 1),
            last,
        )

        def backwards(reach: Reach) -> Reach:
            for stride in (1, 1, 2, 2, 2):
                reach = reach.strided(4, stride=stride, padding=1)
            return reach

        self.traits = Traits(
            task="discrimination",
            scale=None,
            halo=halo(backwards, scale=Fraction(1, 8), multiple=8),
            multiple=8,
            minimum=24,
            outputs=(Port("logits", ratio=Fraction(1, 8), channels=1),),
        )

    def forward(self, image: Tensor) -> Tensor:
        answer: Tensor = self.model(to_signed(image, self.order))
        return answer
