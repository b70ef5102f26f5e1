"""Layers with an equalised learning rate, and what StyleGAN2's networks put around them.

The stored weights are drawn from N(0, 1); the factor that makes them fit the fan-in is applied at every use, so that
all layers learn at the same pace (Karras et al., "Progressive Growing of GANs", ICLR 2018, section 4.1).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["BiasedLeakyRelu", "EqualisedConv", "EqualisedLinear", "PixelNorm", "biased_leaky_relu", "pixel_norm"]


def biased_leaky_relu(x: Tensor, bias: Tensor) -> Tensor:
    """sqrt(2) * leaky ReLU of slope 0.2 of ``x + bias``; ``bias`` belongs to axis 1."""
    return F.leaky_relu(x + bias.view(1, -1, *[1] * (x.ndim - 2)), 0.2) * math.sqrt(2)


def pixel_norm(x: Tensor, epsilon: float = 1e-6) -> Tensor:
    """Divide by the root mean square over axis 1, with ``epsilon`` added outside the root (StyleGAN2's way)."""
    length: Tensor = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    return x / (length / math.sqrt(x.shape[1]) + epsilon)


class PixelNorm(nn.Module):
    """``pixel_norm`` as a layer."""

    def forward(self, x: Tensor) -> Tensor:
        return pixel_norm(x)


class BiasedLeakyRelu(nn.Module):
    """``biased_leaky_relu`` with its bias."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return biased_leaky_relu(x, self.bias)


class _Weight(nn.Module):
    """Holds ``weight_orig``: published names have it one level below its layer."""

    def __init__(self, *shape: int, deviation: float = 1.0) -> None:
        super().__init__()
        self.weight_orig = nn.Parameter(torch.randn(*shape) * deviation)


class EqualisedLinear(nn.Module):
    """Linear layer, (N, inputs) to (N, outputs).

    Args:
        inputs, outputs: lengths.
        rate: the layer learns ``rate`` times as fast; weight and bias are multiplied by it.
        bias: its starting value.
        gain: further factor on the weight.
        activate: end with ``biased_leaky_relu``.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        rate: float = 1.0,
        bias: float = 0.0,
        gain: float = 1.0,
        activate: bool = False,
    ) -> None:
        super().__init__()
        self.linear = _Weight(outputs, inputs, deviation=1 / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias))
        self.factor = gain / math.sqrt(inputs) * rate
        self.rate = rate
        self.activate = activate

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.linear.weight_orig * self.factor, self.bias * self.rate
        return biased_leaky_relu(F.linear(x, weight), bias) if self.activate else F.linear(x, weight, bias)


class EqualisedConv(nn.Module):
    """Convolution without bias, (N, inputs, H, W) to (N, outputs, H', W')."""

    def __init__(self, inputs: int, outputs: int, size: int, *, stride: int = 1, padding: int = 0) -> None:
        super().__init__()
        self.conv = _Weight(outputs, inputs, size, size)
        self.factor = 1 / math.sqrt(inputs * size * size)
        self.stride = stride
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.conv.weight_orig * self.factor, stride=self.stride, padding=self.padding)
