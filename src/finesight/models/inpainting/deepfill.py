"""What DeepFill's first and second version share: two stages, the second with a branch of contextual attention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.models.inpainting.completion import ChannelOrder, Completion
from finesight.nn.contextual_attention import ContextualAttention
from finesight.nn.gated_conv import ActivatedConv2d, Activation, Border, GatedConv2d
from finesight.nn.traits import Port, Traits

__all__ = ["AttentionNeck", "DeepFill"]

_WIDTHS = {
    "stage1": (32, 64, 64, 128, 128, 128),
    "stage2-convolution": (32, 32, 64, 64, 128, 128),
    "stage2-attention": (32, 32, 64, 128, 128, 128),
}
_STRIDES = (1, 2, 1, 2, 1, 1)
_KERNELS = (5, 3, 3, 3, 3, 3)
_DILATIONS = (2, 4, 8, 16)
_DECODER = (128, 128, 64, 64, 32, 16)


def _convolution(
    inputs: int,
    outputs: int,
    kernel: int = 3,
    *,
    gated: bool,
    border: Border,
    stride: int = 1,
    dilation: int = 1,
    activation: Activation | None = F.elu,
) -> nn.Module:
    kind: type[GatedConv2d] | type[ActivatedConv2d] = GatedConv2d if gated else ActivatedConv2d
    return kind(
        inputs,
        outputs,
        kernel,
        stride=stride,
        dilation=dilation,
        padding=dilation * (kernel - 1) // 2,
        border=border,
        activation=activation,
    )


class Encoder(nn.Sequential):
    """Six convolutions (names ``enc1`` to ``enc6``) to a quarter of the size."""

    def __init__(self, inputs: int, widths: Sequence[int], *, gated: bool, border: Border) -> None:
        super().__init__()
        for place, (width, kernel, stride) in enumerate(zip(widths, _KERNELS, _STRIDES, strict=True), start=1):
            layer = _convolution(inputs, width, kernel, gated=gated, border=border, stride=stride)
            self.add_module(f"enc{place}", layer)
            inputs = width


class DilationNeck(nn.Module):
    """Four dilated convolutions."""

    def __init__(self, width: int, *, gated: bool, border: Border) -> None:
        super().__init__()
        self.dilation_convs = nn.Sequential(
            *(_convolution(width, width, gated=gated, border=border, dilation=rate) for rate in _DILATIONS)
        )

    def forward(self, features: Tensor) -> Tensor:
        """``(N, width, H, W)`` -> the same shape."""
        answer: Tensor = self.dilation_convs(features)
        return answer


class Decoder(nn.Module):
    """Seven convolutions (names ``dec1`` to ``dec7``), enlarged by 2 after the second and the fourth."""

    def __init__(
        self, inputs: int, widths: Sequence[int], *, gated: bool, border: Border, output: Literal["clamp", "tanh"]
    ) -> None:
        super().__init__()
        self.output = output
        for place, width in enumerate((*widths, 3), start=1):
            activation = F.elu if place <= len(widths) else None
            self.add_module(
                f"dec{place}", _convolution(inputs, width, gated=gated, border=border, activation=activation)
            )
            inputs = width

    def forward(self, features: Tensor) -> Tensor:
        """``(N, inputs, H, W)`` to ``(N, 3, 4 H, 4 W)`` in [-1, 1]."""
        for place in range(1, 8):
            features = self.get_submodule(f"dec{place}")(features)
            if place in (2, 4):
                features = F.interpolate(features, scale_factor=2.0, mode="nearest")
        return features.tanh() if self.output == "tanh" else features.clamp(-1, 1)


class AttentionNeck(nn.Module):
    """Contextual attention of the features to themselves, then two convolutions.

    Args:
        width: channels.
        gated: gated convolutions.
        border: what their padding is filled with.
        softmax_scale, fuse, chunk: of the attention.
    """

    def __init__(
        self,
        width: int,
        *,
        gated: bool = False,
        border: Border = "reflect",
        softmax_scale: float = 10.0,
        fuse: bool = True,
        chunk: int = 2**21,
    ) -> None:
        super().__init__()
        self.contextual_attention = ContextualAttention(softmax_scale=softmax_scale, fuse=fuse, chunk=chunk)
        self.conv1 = _convolution(width, width, gated=gated, border=border)
        self.conv2 = _convolution(width, width, gated=gated, border=border)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Features ``(N, width, H, W)`` and the mask ``(N, 1, H, W)`` at their size to new features."""
        answer: Tensor = self.conv2(self.conv1(self.contextual_attention(features, features, mask)))
        return answer


class Coarse(nn.Module):
    """The first stage: everything at a quarter of the size goes through dilated convolutions."""

    def __init__(self, factor: float, *, gated: bool, border: Border, output: Literal["clamp", "tanh"]) -> None:
        super().__init__()
        widths = _scaled(_WIDTHS["stage1"], factor)
        self.encoder = Encoder(5, widths, gated=gated, border=border)
        self.decoder = Decoder(widths[-1], _scaled(_DECODER, factor), gated=gated, border=border, output=output)
        self.dilation_neck = DilationNeck(widths[-1], gated=gated, border=border)

    def forward(self, x: Tensor) -> Tensor:
        """Picture, ones and mask ``(N, 5, H, W)`` to ``(N, 3, H, W)``."""
        answer: Tensor = self.decoder(self.dilation_neck(self.encoder(x)))
        return answer


class Fine(nn.Module):
    """The second stage: a branch of dilated convolutions beside one of contextual attention."""

    def __init__(
        self,
        factor: float,
        decoder_factor: float,
        *,
        gated: bool,
        border: Border,
        output: Literal["clamp", "tanh"],
        softmax_scale: float,
        chunk: int,
    ) -> None:
        super().__init__()
        plain, attention = (_scaled(_WIDTHS[f"stage2-{kind}"], factor) for kind in ("convolution", "attention"))
        self.encoder_attention = Encoder(5, attention, gated=gated, border=border)
        self.encoder_conv = Encoder(5, plain, gated=gated, border=border)
        self.contextual_attention_neck = AttentionNeck(
            attention[-1], gated=gated, border=border, softmax_scale=softmax_scale, chunk=chunk
        )
        self.dilation_neck = DilationNeck(plain[-1], gated=gated, border=border)
        self.decoder = Decoder(
            plain[-1] + attention[-1], _scaled(_DECODER, decoder_factor), gated=gated, border=border, output=output
        )

    def forward(self, x: Tensor) -> Tensor:
        """Picture filled by the first stage, ones and mask ``(N, 5, H, W)`` to ``(N, 3, H, W)``."""
        plain = self.dilation_neck(self.encoder_conv(x))
        attended = self.encoder_attention(x)
        mask = F.interpolate(x[:, -1:], size=attended.shape[-2:], mode="nearest")
        attended = self.contextual_attention_neck(attended, mask)
        answer: Tensor = self.decoder(torch.cat((plain, attended), dim=1))
        return answer


class DeepFill(Completion):
    """The two stages; the defaults are those of the first version.

    Args:
        gated: gated convolutions everywhere.
        channel_factor: times the widths of the first version, but for the second stage's decoder:
        decoder_factor: times the widths of that one.
        border: what every convolution's padding is filled with.
        output: how the answers are kept within [-1, 1].
        softmax_scale, chunk: of the contextual attention; ``chunk`` bounds its memory and changes nothing else.
        order: channel order of the published training.
    """

    ignored = (r"\.fuse_kernel$",)

    def __init__(
        self,
        *,
        gated: bool = False,
        channel_factor: float = 1.0,
        decoder_factor: float = 1.0,
        border: Border = "reflect",
        output: Literal["clamp", "tanh"] = "clamp",
        softmax_scale: float = 10.0,
        chunk: int = 2**21,
        order: ChannelOrder = "bgr",
    ) -> None:
        super().__init__(order=order, multiple=8, least=72)  # the widest dilation reflects 16 pixels of a quarter
        self.stage1 = Coarse(channel_factor, gated=gated, border=border, output=output)
        self.stage2 = Fine(
            channel_factor,
            decoder_factor,
            gated=gated,
            border=border,
            output=output,
            softmax_scale=softmax_scale,
            chunk=chunk,
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, 0, 0.02)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        self.traits = Traits(
            task="inpainting",
            halo=None,
            halo_reason="contextual attention looks at the whole picture",
            multiple=8,
            inputs=(Port("image"), Port("mask", channels=1)),
        )

    def complete(self, masked: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Both stages' answers, ``(N, 3, H, W)`` in [-1, 1]; sides multiples of 8 and at least 72."""
        ones = torch.ones_like(mask)
        coarse = self.stage1(torch.cat((masked, ones, mask), dim=1))
        filled = coarse * mask + masked * (1 - mask)
        return coarse, self.stage2(torch.cat((filled, ones, mask), dim=1))


def _scaled(widths: Sequence[int], factor: float) -> tuple[int, ...]:
    return tuple(int(width * factor) for width in widths)
