"""DeepFillv2: "Free-Form Image Inpainting with Gated Convolution" (Yu et al., ICCV 2019, arXiv 1806.03589)."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.models.inpainting.completion import ChannelOrder, to_signed
from finesight.models.inpainting.deepfill import DeepFill
from finesight.nn.gated_conv import Border
from finesight.nn.reach import Reach, halo
from finesight.nn.spectral import SpectralConv2d
from finesight.nn.traits import Port, Traits

__all__ = ["DeepFillV2", "DeepFillV2Discriminator"]


class DeepFillV2(DeepFill):
    """The generator. The defaults are the published network (mmediting; 4,414,908 parameters).

    See ``Completion`` for what it takes and gives, ``DeepFill`` for the arguments.
    """

    def __init__(
        self,
        *,
        gated: bool = True,
        channel_factor: float = 0.75,
        decoder_factor: float = 1.0,
        border: Border = "reflect",
        output: Literal["clamp", "tanh"] = "tanh",
        softmax_scale: float = 10.0,
        chunk: int = 2**21,
        order: ChannelOrder = "bgr",
    ) -> None:
        super().__init__(
            gated=gated,
            channel_factor=channel_factor,
            decoder_factor=decoder_factor,
            border=border,
            output=output,
            softmax_scale=softmax_scale,
            chunk=chunk,
            order=order,
        )


class SpectralLayer(nn.Module):
    """A spectrally normalised convolution (name ``conv``), then LeakyReLU 0.2."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = SpectralConv2d(inputs, outputs, 5, stride=2, padding=2, bias=True)
        nn.init.kaiming_normal_(self.conv.weight_orig, a=0.2, mode="fan_out", nonlinearity="leaky_relu")
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]  # made with a bias

    def forward(self, features: Tensor) -> Tensor:
        """``(N, inputs, H, W)`` to ``(N, outputs, H / 2, W / 2)``, rounded up."""
        return F.leaky_relu(self.conv(features), 0.2)


class DeepFillV2Discriminator(nn.Module):
    """SN-PatchGAN: ``widths[-1]`` scores for each 64 x 64 pixels, every one of them a decision (section 3.4).

    ``forward`` takes a picture ``(N, 3, H, W)``, RGB in [0, 1], of any size, and the mask ``(N, 1, H, W)``, 1 = hole,
    and gives scores ``(N, widths[-1], H / 64, W / 64)``, rounded up.

    Args:
        widths: channels of the convolutions, each of which halves the size.
        order: channel order of the published training.
    """

    renames = (((r"^disc\.", ""),),)
    ignored = (r"^(generator|loss_percep)\.",)

    def __init__(self, *, widths: tuple[int, ...] = (64, 128, 256, 256, 256, 256), order: ChannelOrder = "bgr") -> None:
        super().__init__()
        self.order: ChannelOrder = order
        self.depth = len(widths)
        for place, (inputs, outputs) in enumerate(zip((4, *widths), widths, strict=False), start=1):
            self.add_module(f"conv{place}", SpectralLayer(inputs, outputs))
        ratio = Fraction(1, 2**self.depth)

        def backwards(reach: Reach) -> Reach:
            for _ in widths:
                reach = reach.strided(5, stride=2, padding=2)
            return reach

        self.traits = Traits(
            task="discrimination",
            scale=None,
            halo=halo(backwards, scale=ratio, multiple=2**self.depth),
            multiple=2**self.depth,
            inputs=(Port("image"), Port("mask", channels=1)),
            outputs=(Port("scores", ratio=ratio, channels=widths[-1]),),
        )

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        return self.judge(torch.cat((to_signed(image, self.order), mask), dim=1))

    def judge(self, features: Tensor) -> Tensor:
        """The published network: picture in its channel order and [-1, 1], then the mask; ``(N, 4, H, W)``."""
        for place in range(1, self.depth + 1):
            features = self.get_submodule(f"conv{place}")(features)
        return features
