"""PGGAN's generator, and the composition of several latent codes inside it that mGANprior optimises.

Karras et al., "Progressive Growing of GANs", ICLR 2018; Gu et al., "Image Processing Using Multi-Code GAN Prior",
CVPR 2020. Tensor names of the PyTorch checkpoints that mGANprior uses.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import InputError, SettingError
from finesight.nn.traits import Port, Traits

__all__ = ["Pggan"]


class _Scale(nn.Module):
    """The constant that equalises the learning rate, then the bias: ``wscale``."""

    def __init__(self, factor: float, outputs: int) -> None:
        super().__init__()
        self.factor = factor
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = x * self.factor + self.bias.view(1, -1, 1, 1)
        return found


class _Block(nn.Module):
    """Pixel norm, enlargement by 2 where asked, convolution, scale and bias, leaky ReLU unless ``linear``."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: int,
        *,
        padding: int,
        enlarge: bool = False,
        fused: bool = False,
        linear: bool = False,
    ) -> None:
        super().__init__()
        factor = (1.0 if linear else math.sqrt(2)) / math.sqrt(inputs * size * size)
        self.enlarge = enlarge
        self.linear = linear
        self.inputs = inputs
        if enlarge and fused:
            self.weight = nn.Parameter(torch.randn(size, size, inputs, outputs))
        else:
            self.conv = nn.Conv2d(inputs, outputs, size, padding=padding, bias=False)
            nn.init.normal_(self.conv.weight)
        self.wscale = _Scale(factor, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = x / (x.square().mean(dim=1, keepdim=True) + 1e-8).sqrt()
        if self.enlarge and hasattr(self, "weight"):
            x = self._enlarged_at_once(x)
        else:
            if self.enlarge:
                x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            x = self.conv(x)
        x = self.wscale(x)
        return x if self.linear else F.leaky_relu(x, 0.2)

    def _enlarged_at_once(self, x: Tensor) -> Tensor:
        """The fused-scale form: four shifted copies of the kernel in a transposed convolution."""
        padded = F.pad(self.weight, (0, 0, 0, 0, 1, 1, 1, 1))
        kernel = padded[1:, 1:] + padded[:-1, 1:] + padded[1:, :-1] + padded[:-1, :-1]
        return F.conv_transpose2d(x, kernel.permute(2, 3, 0, 1), stride=2, padding=1)


class Pggan(nn.Module):
    """A picture from a vector, ``forward(z)``: (N, latent) to (N, channels, size, size) in [0, 1], not clamped.

    Counted as blocks are ``layer0`` ... and then the last output layer: ``first_part(z, blocks)`` are the first ones,
    ``second_part(features, blocks)`` the others, and ``compose`` mixes several codes between them.

    Args:
        size: side of the picture, a power of two of at least 8; 256 and 1024 are published.
        latent: length of z; only its direction counts.
        channels: of the picture.
        fused_scale: the enlarging blocks hold a kernel (k, k, in, out) for one transposed convolution.
        base_channels, most_channels: a block at side r has min(base_channels / r, most_channels) channels.
    """

    lod: Tensor

    def __init__(
        self,
        size: int = 1024,
        *,
        latent: int = 512,
        channels: int = 3,
        fused_scale: bool = False,
        base_channels: int = 16384,
        most_channels: int = 512,
    ) -> None:
        super().__init__()
        if size < 8 or size & (size - 1):
            raise SettingError(f"PGGAN needs a size that is a power of two and at least 8, got {size}.")
        self.size = size
        self.latent = latent
        sides = [2**power for power in range(2, size.bit_length())]
        self.layers = 2 * len(sides)
        self.register_buffer("lod", torch.zeros(()))
        inputs = latent
        for level, side in enumerate(sides):
            width = min(base_channels // side, most_channels)
            if level == 0:
                first = _Block(inputs, width, 4, padding=3)
            else:
                first = _Block(inputs, width, 3, padding=1, enlarge=True, fused=fused_scale)
            self.add_module(f"layer{2 * level}", first)
            self.add_module(f"layer{2 * level + 1}", _Block(width, width, 3, padding=1))
            self.add_module(f"output{level}", _Block(width, channels, 1, padding=0, linear=True))
            inputs = width
        self.traits = Traits(
            task="generation",
            halo=None,
            halo_reason="every pixel comes from the whole latent vector",
            inputs=(Port("latent", "vector", channels=latent),),
            outputs=(Port("image", "whole", channels=channels),),
        )

    @property
    def blocks(self) -> int:
        """How many blocks there are to split at: the layers and the last output layer."""
        return self.layers + 1

    def _block(self, index: int) -> nn.Module:
        name = f"layer{index}" if index < self.layers else f"output{self.layers // 2 - 1}"
        return self.get_submodule(name)

    def first_part(self, z: Tensor, blocks: int) -> Tensor:
        """The first ``blocks`` blocks on z of (N, latent): features (N, C, s, s); with 0, z as (N, latent, 1, 1)."""
        if z.ndim != 2 or z.shape[1] != self.latent:
            raise InputError(f"This PGGAN takes vectors of (N, {self.latent}), got {tuple(z.shape)}.")
        x = z[:, :, None, None]
        for index in range(self._checked(blocks)):
            x = self._block(index)(x)
        return x

    def second_part(self, features: Tensor, blocks: int) -> Tensor:
        """The blocks after the first ``blocks``: a picture in the network's own range of about [-1, 1]."""
        for index in range(self._checked(blocks), self.blocks):
            features = self._block(index)(features)
        return features

    def _checked(self, blocks: int) -> int:
        if not 0 <= blocks <= self.blocks:
            raise SettingError(f"This PGGAN can be split after 0 to {self.blocks} blocks, not after {blocks}.")
        return blocks

    def channels_after(self, blocks: int) -> int:
        """Channels of the features after ``blocks`` blocks: the length of one code's weights in ``compose``."""
        if self._checked(blocks) == 0:
            return self.latent
        bias = self.get_parameter(
            f"layer{blocks - 1}.wscale.bias" if blocks <= self.layers else f"output{self.layers // 2 - 1}.wscale.bias"
        )
        return len(bias)

    def compose(self, codes: Tensor, weights: Tensor, blocks: int) -> Tensor:
        """Mix the features of several codes channel by channel (mGANprior, eq. 2 and 3).

        Args:
            codes: (N, K, latent).
            weights: (N, K, C), C of ``channels_after(blocks)``.
            blocks: where the generator is split.

        Returns:
            (1 / K) * sum_k first_part(codes_k) * weights_k, (N, C, s, s). The published code divides by K although the
            weights start at 1 / K already.
        """
        count, number = codes.shape[:2]
        if weights.shape != (count, number, self.channels_after(blocks)):
            raise InputError(
                f"{number} codes after {blocks} blocks take weights of "
                f"({count}, {number}, {self.channels_after(blocks)}), got {tuple(weights.shape)}."
            )
        features = self.first_part(codes.flatten(0, 1), blocks)
        features = features.unflatten(0, (count, number)) * weights[..., None, None]
        fused: Tensor = features.mean(dim=1)
        return fused

    def synthesise(self, z: Tensor) -> Tensor:
        """(N, latent) to (N, channels, size, size) in the network's own range; ``lod`` above 0 skips the top blocks."""
        skipped = min(math.ceil(float(self.lod)), self.layers // 2 - 1)
        if not skipped:
            return self.second_part(self.first_part(z, self.layers), self.layers)
        return self._at_lod(z, skipped)

    def _at_lod(self, z: Tensor, skipped: int) -> Tensor:
        top = self.layers // 2 - 1 - skipped
        x = self.first_part(z, 2 * top + 2)
        picture: Tensor = self.get_submodule(f"output{top}")(x)
        return F.interpolate(picture, scale_factor=float(2**skipped), mode="nearest")

    def forward(self, z: Tensor) -> Tensor:
        return self.synthesise(z) / 2 + 0.5
