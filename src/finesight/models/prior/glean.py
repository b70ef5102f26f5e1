"""GLEAN: enlargement by 8 or 16 with a pre-trained StyleGAN2 as a bank of details.

Chan et al., "GLEAN: Generative Latent Bank for Large-Factor Image Super-Resolution", CVPR 2021, in the form of the
published mmediting checkpoints.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from finesight.errors import InputError, SettingError
from finesight.models.image.rrdbnet import Rrdb
from finesight.models.prior.stylegan2 import StyleGan2, channels_at
from finesight.nn.residual import kaiming_
from finesight.nn.traits import Port, Traits
from finesight.nn.upsampling import PixelShuffleConv

__all__ = ["Glean"]


class _Trunk(nn.Module):
    """RRDBs at the input's resolution: (N, C, H, W) to (N, width, H, W)."""

    def __init__(self, channels: int, width: int, blocks: int, growth: int) -> None:
        super().__init__()
        self.conv_first = nn.Conv2d(channels, width, 3, padding=1)
        self.body = nn.Sequential(*(Rrdb(width, growth) for _ in range(blocks)))
        self.conv_body = nn.Conv2d(width, width, 3, padding=1)
        kaiming_(self.body, 0.1)

    def forward(self, image: Tensor) -> Tensor:
        first = self.conv_first(image)
        found: Tensor = first + self.conv_body(self.body(first))
        return found


def _activation() -> nn.LeakyReLU:
    return nn.LeakyReLU(0.2, inplace=True)


class Glean(nn.Module):
    """Pictures of exactly ``in_size`` x ``in_size`` to ``out_size`` x ``out_size``; RGB in [0, 1], result not clamped.

    An encoder turns the picture into features at every resolution down to 4x4 and into all styles of a frozen
    StyleGAN2; features are fused into that generator up to ``in_size``, and a decoder adds its features above.
    The defaults are ``glean_ffhq_16x``; cats are 16 -> 256 and 32 -> 256, the blind one 128 -> 1024.
    The bank's mapping network and its picture path exist for the checkpoints only and are not computed.

    Args:
        in_size, out_size: powers of two, 4 <= in_size < out_size.
        channels: of the picture; the bank keeps three.
        width, blocks, growth: of the encoder's RRDBs.
        style_channels, mapping_layers, channel_multiplier, blur, mapping_rate, most_channels: of the bank, see
            ``StyleGan2``; encoder and decoder follow its channels.

    Raises:
        SettingError: sizes that are no powers of two, or not larger.
        InputError: a picture of another size.
    """

    ignored = (r"^(discriminator|perceptual_loss)\.", r"^step_counter$")

    def __init__(
        self,
        in_size: int = 64,
        out_size: int = 1024,
        *,
        channels: int = 3,
        width: int = 64,
        blocks: int = 23,
        growth: int = 32,
        style_channels: int = 512,
        mapping_layers: int = 8,
        channel_multiplier: int = 2,
        blur: Sequence[float] = (1, 3, 3, 1),
        mapping_rate: float = 0.01,
        most_channels: int = 512,
    ) -> None:
        super().__init__()
        if in_size < 4 or in_size & (in_size - 1) or in_size >= out_size:
            raise SettingError(f"GLEAN needs powers of two with 4 <= in_size < out_size, got {in_size} and {out_size}.")
        self.in_size = in_size
        self.out_size = out_size
        self.generator = StyleGan2(
            out_size,
            style_channels=style_channels,
            mapping_layers=mapping_layers,
            channel_multiplier=channel_multiplier,
            blur=blur,
            mapping_rate=mapping_rate,
            most_channels=most_channels,
        ).requires_grad_(False)
        at = {side: channels_at(side, channel_multiplier, most_channels) for side in _sides(4, out_size)}
        self.encoder = self._encoder(at, _Trunk(channels, width, blocks, growth), width)
        below = _sides(4, in_size)
        self.fusion_out = nn.ModuleList(nn.Conv2d(2 * at[side], at[side], 3, padding=1) for side in below)
        # the bank's picture never reaches the result: these have their place in checkpoints only
        self.fusion_skip = nn.ModuleList(nn.Conv2d(at[side] + 3, 3, 3, padding=1) for side in below)
        self.fusion_skip.requires_grad_(False)
        self.decoder = nn.ModuleList([PixelShuffleConv(at[in_size], at[2 * in_size], factor=2)])
        for side in _sides(2 * in_size, out_size // 2):
            self.decoder.append(PixelShuffleConv(2 * at[side], at[2 * side], factor=2))
        self.decoder.append(
            nn.Sequential(
                nn.Conv2d(2 * at[out_size], 64, 3, padding=1), _activation(), nn.Conv2d(64, channels, 3, padding=1)
            )
        )
        for stage in self.decoder[:-1]:
            kaiming_(stage)
        self.traits = Traits(
            task="super-resolution",
            scale=out_size // in_size,
            halo=None,
            halo_reason="the styles come from the whole picture",
            minimum=in_size,
            maximum=in_size,
            inputs=(Port("image", channels=channels),),
            outputs=(Port("image", ratio=out_size // in_size, channels=channels),),  # type: ignore[arg-type]
        )

    def _encoder(self, at: dict[int, int], trunk: _Trunk, width: int) -> nn.ModuleList:
        """Entry 0 keeps ``in_size``, the next ones halve down to 4x4, the last gives the styles."""
        conv = nn.Conv2d(width, at[self.in_size], 3, padding=1)
        encoder = nn.ModuleList([nn.Sequential(trunk, conv, _activation())])
        for side in reversed(_sides(8, self.in_size)):
            halve = nn.Conv2d(at[side], at[side // 2], 3, stride=2, padding=1)
            conv = nn.Conv2d(at[side // 2], at[side // 2], 3, padding=1)
            encoder.append(nn.Sequential(halve, _activation(), conv, _activation()))
        conv = nn.Conv2d(at[4], at[4], 3, padding=1)
        styles = nn.Linear(16 * at[4], self.generator.styles * self.generator.style_channels)
        encoder.append(nn.Sequential(conv, _activation(), nn.Flatten(), styles))
        return encoder

    def encode(self, signed: Tensor) -> tuple[list[Tensor], Tensor]:
        """Features and styles of a picture in [-1, 1].

        Returns:
            The features at 4, 8, ... ``in_size``, and the styles (N, styles, style_channels).
        """
        features: list[Tensor] = []
        for stage in self.encoder[:-1]:
            signed = stage(signed)
            features.insert(0, signed)
        styles: Tensor = self.encoder[-1](signed)
        return features, styles.view(len(styles), self.generator.styles, -1)

    def bank(self, features: Sequence[Tensor], styles: Tensor) -> Iterator[Tensor]:
        """The features of the steered generator at 2 * ``in_size``, ... ``out_size``, one after the other."""
        generator, noise = self.generator, self.generator.stored_noise()
        x = generator.constant_input.input.expand(len(styles), -1, -1, -1)
        x = generator.conv1(x, styles[:, 0], noise[0])
        for block in range(len(generator.to_rgbs)):
            if block < len(features):  # fused at sides 4 ... in_size, before the block that doubles the side
                x = self.fusion_out[block](torch.cat((x, features[block]), dim=1))
            first = 2 * block + 1
            x = generator.convs[first - 1](x, styles[:, first], noise[first])
            x = generator.convs[first](x, styles[:, first + 1], noise[first + 1])
            if block + 1 >= len(features):
                yield x

    def forward(self, image: Tensor) -> Tensor:
        channels = self.traits.inputs[0].channels
        if image.shape[1:] != (channels, self.in_size, self.in_size):
            size = self.in_size
            raise InputError(
                f"This GLEAN takes pictures of exactly {size} x {size} pixels with {channels} channels, got "
                f"{tuple(image.shape[2:])} with {image.shape[1]}. Cut out or resize the subject to {size} x {size}."
            )
        features, styles = self.encode(image * 2 - 1)
        x = self.decoder[0](features[-1])
        for stage, details in zip(self.decoder[1:], self.bank(features, styles), strict=True):
            x = stage(torch.cat((x, details), dim=1))
        found: Tensor = x / 2 + 0.5
        return found


def _sides(first: int, last: int) -> list[int]:
    return [2**power for power in range(first.bit_length() - 1, last.bit_length())]
