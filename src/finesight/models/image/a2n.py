"""A2N: "Attention in Attention Network for Image Super-Resolution" (Chen et al., 2021, arXiv 2104.09497)."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import SettingError
from finesight.nn.traits import Port, Traits
from finesight.nn.upsampling import NearestConv, enlarging_steps

__all__ = ["A2n"]


class AttentionBranch(nn.Module):
    """``k4(k3(u) * sigmoid(k2(LReLU(k1(u)))))``.

    Args:
        width: channels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.k1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.k2 = nn.Conv2d(width, width, 1)
        self.k3 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.k4 = nn.Conv2d(width, width, 3, padding=1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """``(N, width, H, W)`` to the same."""
        attention = torch.sigmoid(self.k2(F.leaky_relu_(self.k1(features), 0.2)))
        answer: Tensor = self.k4(self.k3(features) * attention)
        return answer


class AttentionInAttention(nn.Module):
    """A2 block: an attention and a plain branch, added with two weights that depend on the picture (figure 4).

    Args:
        width: channels.
        reduction: the weights' hidden layer has ``width // reduction`` numbers.
        temperature: of the softmax over the two weights.
        plain_kernel: size of the plain branch's kernel.
    """

    def __init__(self, width: int, *, reduction: int, temperature: float, plain_kernel: int) -> None:
        super().__init__()
        self.temperature = temperature
        self.conv_first = nn.Conv2d(width, width, 1, bias=False)
        self.conv_last = nn.Conv2d(width, width, 1, bias=False)
        self.non_attention = nn.Conv2d(width, width, plain_kernel, padding=plain_kernel // 2, bias=False)
        self.ADM = nn.Sequential(
            nn.Linear(width, width // reduction, bias=False),
            nn.ReLU(inplace=True),
            nn.Linear(width // reduction, 2, bias=False),
        )
        self.attention = AttentionBranch(width)

    def weights(self, features: Tensor) -> Tensor:
        """How much the two branches count, ``(N, 2)``, from the block's activated features."""
        return F.softmax(self.ADM(features.mean((2, 3))) / self.temperature, dim=1)

    def forward(self, features: Tensor) -> Tensor:
        """``(N, width, H, W)`` to the same."""
        inner = F.leaky_relu_(self.conv_first(features), 0.2)
        attention, plain = self.weights(inner)[:, :, None, None, None].unbind(1)
        mixed = self.attention(inner) * attention + self.non_attention(inner) * plain
        answer: Tensor = self.conv_last(F.leaky_relu_(mixed, 0.2))
        return answer.add_(features)


class PixelAttention(nn.Module):
    """``z * sigmoid(conv1(z))``.

    Args:
        width: channels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """``(N, width, H, W)`` to the same."""
        return features * torch.sigmoid(self.conv(features))


class A2n(nn.Module):
    """A2N. The defaults are the published network of every scale; ``plain_kernel=1`` is A2N-M.

    The x2 and x3 networks have the same tensors: a file cannot tell its scale.

    ``forward`` takes RGB in [0, 1], ``(N, C, H, W)``, any size, and gives ``(N, C', scale H, scale W)``, not clamped.

    Args:
        scale: 2, 3 or 4.
        width, blocks: channels and blocks of the trunk.
        upsampler_width: channels of the upsampler.
        reduction, temperature: of the weights of the two branches; the temperature is fixed in the published code.
        plain_kernel: 3 or 1, size of the plain branch's kernel.
        inputs, outputs: channels of the pictures.
        peak: the values in [0, 1] are multiplied by this inside; published weights work in [0, 255].
    """

    def __init__(
        self,
        *,
        scale: int = 4,
        width: int = 40,
        blocks: int = 16,
        upsampler_width: int = 24,
        reduction: int = 4,
        temperature: float = 30.0,
        plain_kernel: Literal[1, 3] = 3,
        inputs: int = 3,
        outputs: int = 3,
        peak: float = 255.0,
    ) -> None:
        super().__init__()
        if scale not in (2, 3, 4):
            raise SettingError(f"A2N exists for the scales 2, 3 and 4, and {scale} was asked for.")
        self.scale = scale
        self.peak = peak
        self.conv_first = nn.Conv2d(inputs, width, 3, padding=1)
        self.AAB_trunk = nn.Sequential(
            *(
                AttentionInAttention(width, reduction=reduction, temperature=temperature, plain_kernel=plain_kernel)
                for _ in range(blocks)
            )
        )
        self.trunk_conv = nn.Conv2d(width, width, 3, padding=1)
        steps = enlarging_steps(scale, name="A2N")
        self.upconv1 = NearestConv(width, upsampler_width, factor=steps[0])
        self.att1 = PixelAttention(upsampler_width)
        self.HRconv1 = nn.Conv2d(upsampler_width, upsampler_width, 3, padding=1)
        self.two_steps = len(steps) == 2
        if self.two_steps:
            self.upconv2 = NearestConv(upsampler_width, upsampler_width, factor=steps[1])
            self.att2 = PixelAttention(upsampler_width)
            self.HRconv2 = nn.Conv2d(upsampler_width, upsampler_width, 3, padding=1)
        self.conv_last = nn.Conv2d(upsampler_width, outputs, 3, padding=1)
        self.traits = Traits(
            task="super-resolution",
            scale=scale,
            halo=None,
            halo_reason="the weights of the two branches come from averages over the whole picture",
            inputs=(Port("image", channels=inputs),),
            outputs=(Port("image", ratio=Fraction(scale), channels=outputs),),
        )

    def forward(self, image: Tensor) -> Tensor:
        scaled = image * self.peak
        first = self.conv_first(scaled)
        features = self.trunk_conv(self.AAB_trunk(first)).add_(first)
        features = F.leaky_relu_(self.att1(self.upconv1(features)), 0.2)
        features = F.leaky_relu_(self.HRconv1(features), 0.2)
        if self.two_steps:
            features = F.leaky_relu_(self.att2(self.upconv2(features)), 0.2)
            features = F.leaky_relu_(self.HRconv2(features), 0.2)
        enlarged = F.interpolate(scaled, scale_factor=float(self.scale), mode="bilinear", align_corners=False)
        answer: Tensor = self.conv_last(features).add_(enlarged).div_(self.peak)
        return answer
