"""StyleGAN2's discriminator, the form in which the official weights are published (Karras et al., CVPR 2020)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from finesight.errors import InputError
from finesight.models.prior.stylegan2 import channels_at, sides_up_to
from finesight.nn.equalised import BiasedLeakyRelu, EqualisedConv, EqualisedLinear
from finesight.nn.traits import Port, Traits
from finesight.nn.upfirdn import Blur

__all__ = ["StyleGan2Discriminator", "minibatch_deviation"]


def minibatch_deviation(features: Tensor, *, group: int = 4, channel_groups: int = 1) -> Tensor:
    """How much the samples of a group differ, as extra channels: (N, C, H, W) to (N, channel_groups, H, W).

    Sample n belongs to group n modulo (N / group). Every value is the mean over channels and positions of the
    deviation over the group (Karras et al., ICLR 2018, section 3, in StyleGAN2's grouped form).

    Raises:
        InputError: N is above ``group`` and no multiple of it.
    """
    count, channels, height, width = features.shape
    group = min(count, group)
    if count % group:
        raise InputError(f"The discriminator takes up to {group} pictures or a multiple of {group}, got {count}.")
    grouped = features.view(group, -1, channel_groups, channels // channel_groups, height, width)
    deviation = (grouped.var(dim=0, unbiased=False) + 1e-8).sqrt().mean(dim=(2, 3, 4))  # N / group, channel_groups
    return deviation.repeat(group, 1)[:, :, None, None].expand(-1, -1, height, width)


class _Halve(nn.Module):
    """Residual block that halves the sides."""

    def __init__(self, inputs: int, outputs: int, blur: Sequence[float]) -> None:
        super().__init__()
        wide, narrow = len(blur), len(blur) - 2  # paddings for the 3x3 and the 1x1 convolution add up to these
        self.conv1 = nn.Sequential(EqualisedConv(inputs, inputs, 3, padding=1), BiasedLeakyRelu(inputs))
        self.conv2 = nn.Sequential(
            Blur(blur, pad=((wide + 1) // 2, wide // 2)),
            EqualisedConv(inputs, outputs, 3, stride=2),
            BiasedLeakyRelu(outputs),
        )
        # the stride of the 1x1 convolution is in the blur, which then computes only what is kept
        self.skip = nn.Sequential(
            Blur(blur, pad=((narrow + 1) // 2, narrow // 2), down=2), EqualisedConv(inputs, outputs, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = (self.conv2(self.conv1(x)) + self.skip(x)) / math.sqrt(2)
        return found


class StyleGan2Discriminator(nn.Module):
    """Whether pictures look real: (N, 3, size, size) in [0, 1] to logits (N,).

    The scores of one call depend on each other through the minibatch deviation; N is at most ``group`` or a multiple.

    Args:
        size: side of the pictures, a power of two of at least 8.
        channel_multiplier: 2 is configuration F.
        blur: taps of the blur before every stride.
        group, channel_groups: of the minibatch deviation.
        most_channels: bound of the channels at every resolution.
    """

    renames = (((r"^discriminator\.", ""),),)
    ignored = (r"^(generator|generator_ema|perceptual_loss)\.", r"^step_counter$")

    def __init__(
        self,
        size: int = 1024,
        *,
        channel_multiplier: int = 2,
        blur: Sequence[float] = (1, 3, 3, 1),
        group: int = 4,
        channel_groups: int = 1,
        most_channels: int = 512,
    ) -> None:
        super().__init__()
        sides = sides_up_to(size)[::-1]
        self.size = size
        self.group = group
        self.channel_groups = channel_groups
        channels = channels_at(size, channel_multiplier, most_channels)
        self.convs = nn.Sequential(nn.Sequential(EqualisedConv(3, channels, 1), BiasedLeakyRelu(channels)))
        for side in sides:
            width = channels_at(side // 2, channel_multiplier, most_channels)
            self.convs.append(_Halve(channels, width, blur))
            channels = width
        self.final_conv = nn.Sequential(
            EqualisedConv(channels + channel_groups, channels, 3, padding=1), BiasedLeakyRelu(channels)
        )
        self.final_linear = nn.Sequential(
            EqualisedLinear(channels * 16, channels, activate=True), EqualisedLinear(channels, 1)
        )
        self.traits = Traits(
            task="discrimination",
            kind="score",
            halo=None,
            halo_reason="one score for the whole picture",
            minimum=size,
            maximum=size,
            outputs=(Port("logit", "vector", channels=1),),
        )

    def features(self, image: Tensor) -> Tensor:
        """The convolutional features before the deviation channel: (N, 512, 4, 4)."""
        if image.shape[1:] != (3, self.size, self.size):
            raise InputError(f"This discriminator takes (N, 3, {self.size}, {self.size}), got {tuple(image.shape)}.")
        found: Tensor = self.convs(image * 2 - 1)
        return found

    def score(self, features: Tensor) -> Tensor:
        """Logits (N,) from ``features``."""
        deviation = minibatch_deviation(features, group=self.group, channel_groups=self.channel_groups)
        x = self.final_conv(torch.cat((features, deviation), dim=1))
        logits: Tensor = self.final_linear(x.flatten(1))
        return logits[:, 0]

    def forward(self, image: Tensor) -> Tensor:
        return self.score(self.features(image))
