"""CAIN: "Channel Attention Is All You Need for Video Frame Interpolation" (Choi et al., AAAI 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import SettingError
from finesight.nn.clip import check_clip
from finesight.nn.traits import Port, Traits

__all__ = ["Cain"]

Norm = Literal["instance", "batch"]


class MirroredConvolution(nn.Module):
    """Convolution with mirrored borders (name ``conv``), then a norm (name ``norm``) where asked."""

    def __init__(self, width: int, kernel: int, norm: Norm | None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, kernel, padding=kernel // 2, padding_mode="reflect")
        self.norm: nn.Module | None = None
        if norm is not None:
            self.norm = nn.BatchNorm2d(width) if norm == "batch" else nn.InstanceNorm2d(width, track_running_stats=True)

    def forward(self, x: Tensor) -> Tensor:
        """``N width H W`` -> the same shape."""
        x = self.conv(x)
        return x if self.norm is None else self.norm(x)


class ChannelAttention(nn.Module):
    """Weigh each channel by what the whole picture holds."""

    def __init__(self, width: int, reduction: int) -> None:
        super().__init__()
        self.channel_attention = nn.Sequential(
            nn.Conv2d(width, width // reduction, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width // reduction, width, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """``N width H W`` -> the same shape."""
        answer: Tensor = x * self.channel_attention(x.mean((-2, -1), keepdim=True))
        return answer


class AttentionBlock(nn.Module):
    """Two convolutions and channel attention, added to the input."""

    def __init__(self, width: int, kernel: int, reduction: int, norm: Norm | None) -> None:
        super().__init__()
        self.body = nn.Sequential(
            MirroredConvolution(width, kernel, norm),
            nn.LeakyReLU(0.2, inplace=True),
            MirroredConvolution(width, kernel, norm),
            ChannelAttention(width, reduction),
        )

    def forward(self, x: Tensor) -> Tensor:
        """``N width H W`` -> the same shape."""
        answer: Tensor = x + self.body(x)
        return answer


class AttentionGroup(nn.Module):
    """Blocks and a convolution, added to the input."""

    def __init__(self, width: int, blocks: int, kernel: int, reduction: int, norm: Norm | None) -> None:
        super().__init__()
        self.body = nn.Sequential(*(AttentionBlock(width, kernel, reduction, norm) for _ in range(blocks)))
        self.conv_after_body = MirroredConvolution(width, kernel, norm)

    def forward(self, x: Tensor) -> Tensor:
        """``N width H W`` -> the same shape."""
        answer: Tensor = x + self.conv_after_body(self.body(x))
        return answer


class Cain(nn.Module):
    """The frame half way between two, without flow: pixels go into channels, and channel attention mixes them.

    ``forward`` takes ``N 2 C H W`` in [0, 1], any size, and gives ``N C H W``, not clipped.

    Args:
        groups, blocks: blocks stand in groups.
        depth: pixels are moved into channels by a factor of ``2 ** depth``.
        reduction: of the channels inside the attention.
        kernel: of the convolutions inside the groups.
        norm: after each of these convolutions; the published network has none.
        padding: frames are padded to multiples of ``2 ** padding``: 7 is the published test, ``depth`` the least.
        channels: of a frame.
    """

    def __init__(
        self,
        *,
        groups: int = 5,
        blocks: int = 12,
        depth: int = 3,
        reduction: int = 16,
        kernel: int = 3,
        norm: Norm | None = None,
        padding: int = 7,
        channels: int = 3,
    ) -> None:
        super().__init__()
        if padding < depth:
            raise SettingError(f"CAIN of depth {depth} needs a padding of at least {depth}, got {padding}.")
        width = channels * 4**depth
        if reduction > width:
            raise SettingError(f"CAIN of {width} channels cannot reduce them by {reduction}.")
        self.depth = depth
        self.multiple = 2**padding
        self.conv_first = nn.Conv2d(2 * width, width, 3, padding=1)
        self.body = nn.Sequential(*(AttentionGroup(width, blocks, kernel, reduction, norm) for _ in range(groups)))
        self.conv_last = nn.Conv2d(width, width, 3, padding=1)
        self.traits = Traits(
            task="interpolation",
            kind="window",
            halo=None,
            halo_reason="mean colours and channel attention look at the whole frame",
            frames=2,
            inputs=(Port("clip", channels=channels),),
            outputs=(Port("image", channels=channels),),
        )

    def forward(self, clip: Tensor) -> Tensor:
        check_clip(clip, frames=2, channels=self.traits.inputs[0].channels)
        return self.fuse([self.encode(frame) for frame in clip.unbind(1)])

    def encode(self, frame: Tensor) -> tuple[Tensor, ...]:
        """``N C H W`` -> its pixels in channels, without its mean colour, that mean, and the frame itself."""
        mean = frame.mean((-2, -1), keepdim=True)
        padded = F.pad(frame - mean, _centred(frame, self.multiple), mode=_border(frame, self.multiple))
        return F.pixel_unshuffle(padded, 2**self.depth), mean, frame

    def fuse(self, features: Sequence[tuple[Tensor, ...]]) -> Tensor:
        """What ``encode`` gave for two frames -> the frame between them."""
        (first, first_mean, frame), (second, second_mean, _) = features
        x = self.conv_first(torch.cat((first, second), dim=1))
        middle = F.pixel_shuffle(self.conv_last(self.body(x) + x), 2**self.depth)
        left, _, top, _ = _centred(frame, self.multiple)
        middle = middle[..., top : top + frame.shape[-2], left : left + frame.shape[-1]]
        return middle + (first_mean + second_mean) / 2


def _centred(frame: Tensor, multiple: int) -> tuple[int, int, int, int]:
    """Left, right, top, bottom padding to multiples of ``multiple``."""
    below, right = -frame.shape[-2] % multiple, -frame.shape[-1] % multiple
    return right // 2, right - right // 2, below // 2, below - below // 2


def _border(frame: Tensor, multiple: int) -> Literal["reflect", "replicate"]:
    """Mirrored, or repeated where a frame is too small for that."""
    _, right, _, bottom = _centred(frame, multiple)
    return "replicate" if bottom >= frame.shape[-2] or right >= frame.shape[-1] else "reflect"
