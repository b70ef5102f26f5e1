"""StyleGAN2's generator: the prior in GLEAN, and a picture from a random vector.

Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020, configuration F, in the form in which
the official weights are published for mmediting and mmgen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import InputError, SettingError
from finesight.nn.equalised import BiasedLeakyRelu, EqualisedLinear, PixelNorm
from finesight.nn.traits import Port, Traits
from finesight.nn.upfirdn import Blur, Enlarge

__all__ = ["ModulatedConv", "StyleGan2", "StyledConv", "ToRgb", "channels_at"]


def channels_at(side: int, multiplier: int = 2, most: int = 512) -> int:
    """Feature channels of generator and discriminator at a resolution: 512 up to 32 pixels, then halving.

    ``most`` bounds them; the published networks have 512.

    >>> [channels_at(side) for side in (4, 32, 64, 128, 1024)]
    [512, 512, 512, 256, 32]
    """
    return min(512 if side <= 32 else 16384 * multiplier // side, most)


def sides_up_to(size: int) -> list[int]:
    """8, 16, ... ``size``; SettingError unless ``size`` is a power of two of at least 8."""
    if size < 8 or size & (size - 1):
        raise SettingError(f"StyleGAN2 needs a size that is a power of two and at least 8, got {size}.")
    return [2**power for power in range(3, size.bit_length())]


class ModulatedConv(nn.Module):
    """Convolution whose kernel is scaled by a style, sample by sample, and normalised again (section 2.2, eq. 1 and 3).

    ``forward(x, style)``: (N, inputs, H, W) and (N, style_channels) to (N, outputs, H', W'), with H' = H, 2H or H/2.

    Args:
        inputs, outputs, size: of the kernel; odd size.
        style_channels: length of the style.
        demodulate: bring every output channel's kernel back to unit length.
        upsample, downsample: double by a transposed convolution and a blur, or halve by a blur and a stride.
        blur: taps of the blur.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: int,
        style_channels: int,
        *,
        demodulate: bool = True,
        upsample: bool = False,
        downsample: bool = False,
        blur: Sequence[float] = (1, 3, 3, 1),
    ) -> None:
        super().__init__()
        self.weight_orig = nn.Parameter(torch.randn(1, outputs, inputs, size, size))
        self.style_modulation = EqualisedLinear(style_channels, inputs, bias=1.0)
        self.factor = 1 / math.sqrt(inputs * size * size)
        self.demodulate = demodulate
        self.upsample = upsample
        self.downsample = downsample
        if upsample:
            excess = len(blur) - 2 - (size - 1)
            self.blur = Blur(blur, pad=((excess + 1) // 2 + 1, excess // 2 + 1), gain=4)
        elif downsample:
            excess = len(blur) - 2 + (size - 1)
            self.blur = Blur(blur, pad=((excess + 1) // 2, excess // 2))

    def kernels(self, style: Tensor) -> Tensor:
        """One kernel for each sample: (N, outputs, inputs, size, size)."""
        scales: Tensor = self.style_modulation(style)
        kernels = self.weight_orig * self.factor * scales[:, None, :, None, None]
        if self.demodulate:
            kernels = kernels * torch.rsqrt(kernels.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8)
        return kernels

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        kernels = self.kernels(style)
        count, outputs, inputs, size, _ = kernels.shape
        if self.downsample:
            x = self.blur(x)
        x = x.reshape(1, count * inputs, *x.shape[2:])  # every sample is a group of its own
        if self.upsample:
            kernels = kernels.transpose(1, 2).reshape(count * inputs, outputs, size, size)
            x = F.conv_transpose2d(x, kernels, stride=2, groups=count)
            blurred: Tensor = self.blur(x.view(count, outputs, *x.shape[2:]))
            return blurred
        stride, padding = (2, 0) if self.downsample else (1, size // 2)
        x = F.conv2d(x, kernels.reshape(-1, inputs, size, size), stride=stride, padding=padding, groups=count)
        return x.view(count, outputs, *x.shape[2:])


class _NoiseStrength(nn.Module):
    """Holds the factor of the noise under its published name."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))


class StyledConv(nn.Module):
    """Modulated 3x3 convolution, noise, bias and leaky ReLU; ``upsample`` doubles the sides."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        style_channels: int,
        *,
        upsample: bool = False,
        blur: Sequence[float] = (1, 3, 3, 1),
    ) -> None:
        super().__init__()
        self.conv = ModulatedConv(inputs, outputs, 3, style_channels, upsample=upsample, blur=blur)
        self.noise_injector = _NoiseStrength()
        self.activate = BiasedLeakyRelu(outputs)

    def forward(self, x: Tensor, style: Tensor, noise: Tensor) -> Tensor:
        """``noise`` is (N or 1, 1, H', W') of the output's size."""
        found: Tensor = self.activate(self.conv(x, style) + self.noise_injector.weight * noise)
        return found


class ToRgb(nn.Module):
    """Features to a picture, added to the enlarged picture of the resolution below."""

    def __init__(self, inputs: int, style_channels: int, *, upsample: bool = True) -> None:
        super().__init__()
        self.conv = ModulatedConv(inputs, 3, 1, style_channels, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))
        if upsample:
            self.upsample = Enlarge()  # always [1, 3, 3, 1], whatever the blur of the convolutions

    def forward(self, x: Tensor, style: Tensor, below: Tensor | None = None) -> Tensor:
        picture: Tensor = self.conv(x, style) + self.bias
        return picture if below is None else picture + self.upsample(below)


class _Constant(nn.Module):
    """Holds the learned 4x4 input under its published name."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.input = nn.Parameter(torch.randn(1, channels, 4, 4))


class StyleGan2(nn.Module):
    """A picture from a vector, ``forward(z)``: (N, style_channels) to (N, 3, size, size), RGB in [0, 1].

    The result is not clamped. Noise comes from the stored buffers, so that the same vector gives the same picture;
    pass ``fresh_noise(generator)`` for another draw. ``map``, ``mix``, ``truncate`` and ``synthesise`` are the steps.

    Args:
        size: side of the picture, a power of two of at least 8.
        style_channels: length of z and of every style.
        mapping_layers: depth of the mapping network.
        channel_multiplier: 2 is configuration F; scales the channels above 32 pixels.
        blur: taps of the blur in the enlarging convolutions.
        mapping_rate: learning rate multiplier of the mapping network.
        most_channels: bound of the channels at every resolution.
    """

    def __init__(
        self,
        size: int = 1024,
        *,
        style_channels: int = 512,
        mapping_layers: int = 8,
        channel_multiplier: int = 2,
        blur: Sequence[float] = (1, 3, 3, 1),
        mapping_rate: float = 0.01,
        most_channels: int = 512,
    ) -> None:
        super().__init__()
        sides = sides_up_to(size)
        self.size = size
        self.style_channels = style_channels
        self.styles = 2 * len(sides) + 2
        self.noises = self.styles - 1
        self.style_mapping = nn.Sequential(PixelNorm())
        for _ in range(mapping_layers):
            self.style_mapping.append(EqualisedLinear(style_channels, style_channels, rate=mapping_rate, activate=True))
        channels = channels_at(4, channel_multiplier, most_channels)
        self.constant_input = _Constant(channels)
        self.conv1 = StyledConv(channels, channels, style_channels)
        self.to_rgb1 = ToRgb(channels, style_channels, upsample=False)
        self.convs = nn.ModuleList()
        self.to_rgbs = nn.ModuleList()
        for side in sides:
            width = channels_at(side, channel_multiplier, most_channels)
            self.convs.append(StyledConv(channels, width, style_channels, upsample=True, blur=blur))
            self.convs.append(StyledConv(width, width, style_channels))
            self.to_rgbs.append(ToRgb(width, style_channels))
            channels = width
        for index in range(self.noises):
            side = 2 ** ((index + 5) // 2)
            self.register_buffer(f"injected_noise_{index}", torch.randn(1, 1, side, side))
        self.traits = Traits(
            task="generation",
            halo=None,
            halo_reason="every pixel comes from the whole latent vector",
            inputs=(Port("latent", "vector", channels=style_channels),),
            outputs=(Port("image", "whole"),),
        )

    def stored_noise(self) -> list[Tensor]:
        """The noise of the checkpoint, (1, 1, s, s) with s = 4, 8, 8, 16, 16, ..."""
        return [self.get_buffer(f"injected_noise_{index}") for index in range(self.noises)]

    def fresh_noise(self, generator: torch.Generator, *, count: int = 1) -> list[Tensor]:
        """Noise from N(0, 1) in the shapes of ``stored_noise``, ``count`` samples of it."""
        return [
            torch.randn(count, *stored.shape[1:], generator=generator, device=generator.device).to(stored)
            for stored in self.stored_noise()
        ]

    def map(self, z: Tensor) -> Tensor:
        """The mapping network: z of (N, style_channels), only its direction counts, to w of the same shape."""
        w: Tensor = self.style_mapping(z)
        return w

    def mean_latent(self, generator: torch.Generator, *, count: int = 4096) -> Tensor:
        """The average of ``count`` mapped random vectors, (1, style_channels): the centre for ``truncate``."""
        z = torch.randn(count, self.style_channels, generator=generator, device=generator.device)
        return self.map(z.to(self.constant_input.input)).mean(dim=0, keepdim=True)

    @staticmethod
    def truncate(w: Tensor, mean: Tensor, psi: float) -> Tensor:
        """Move styles towards their mean: ``mean + psi * (w - mean)``."""
        return mean + psi * (w - mean)

    def spread(self, w: Tensor) -> Tensor:
        """One style for all layers, (N, C) to (N, styles, C); styles that are already spread pass."""
        styles = w[:, None].expand(-1, self.styles, -1) if w.ndim == 2 else w
        if styles.ndim != 3 or styles.shape[1:] != (self.styles, self.style_channels):
            raise InputError(
                f"StyleGAN2 of size {self.size} takes styles of (N, {self.style_channels}) or "
                f"(N, {self.styles}, {self.style_channels}), got {tuple(w.shape)}."
            )
        return styles

    def mix(self, first: Tensor, second: Tensor, cut: int) -> Tensor:
        """Styles 0 .. cut - 1 of ``first``, the others of ``second``: (N, styles, C)."""
        if not 1 <= cut < self.styles:
            raise SettingError(f"Styles can be mixed at 1 to {self.styles - 1}, not at {cut}.")
        return torch.cat((self.spread(first)[:, :cut], self.spread(second)[:, cut:]), dim=1)

    def synthesise(self, styles: Tensor, noise: Sequence[Tensor] | None = None) -> Tensor:
        """The picture of given styles, (N, C) or (N, styles, C), in the network's own range of about [-1, 1]."""
        styles = self.spread(styles)
        noise = self.stored_noise() if noise is None else noise
        if len(noise) != self.noises:
            raise InputError(f"StyleGAN2 of size {self.size} takes {self.noises} noise maps, got {len(noise)}.")
        x = self.conv1(self.constant_input.input.expand(len(styles), -1, -1, -1), styles[:, 0], noise[0])
        picture: Tensor = self.to_rgb1(x, styles[:, 1])
        for block, to_rgb in enumerate(self.to_rgbs):
            first = 2 * block + 1  # a block's picture shares its style with the next block's first convolution
            x = self.convs[2 * block](x, styles[:, first], noise[first])
            x = self.convs[2 * block + 1](x, styles[:, first + 1], noise[first + 1])
            picture = to_rgb(x, styles[:, first + 2], picture)
        return picture

    def forward(self, z: Tensor, noise: Sequence[Tensor] | None = None) -> Tensor:
        """(N, style_channels) to (N, 3, size, size) in [0, 1], not clamped."""
        return self.synthesise(self.map(z), noise) / 2 + 0.5
