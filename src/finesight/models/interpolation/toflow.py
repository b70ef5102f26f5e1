"""TOFlow for frame interpolation: "Video Enhancement with Task-Oriented Flow" (Xue et al., IJCV 2019,
arXiv 1711.09078), in the form published with five different flow networks to start from."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from finesight.models.video.spynet import IMAGENET_MEAN, IMAGENET_STD, SpyNet
from finesight.nn.clip import check_clip
from finesight.nn.flow_warp import flow_warp
from finesight.nn.padding import mirror_to_multiple
from finesight.nn.traits import Port, Traits

__all__ = ["ToFlowInterpolation"]


class Merge(nn.Module):
    """Join two warped frames: a correction added to their average."""

    def __init__(self) -> None:
        super().__init__()
        self.res_block = nn.Sequential(
            nn.Conv2d(6, 64, 9, padding=4),
            nn.ReLU(inplace=True),
            nn.Conv2d(64, 64, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(64, 3, 1),
        )

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """Two of ``N 3 H W`` -> one."""
        answer: Tensor = self.res_block(torch.cat((one, other), dim=1))
        return answer + (one + other) / 2


class ToFlowInterpolation(nn.Module):
    """The frame half way between two. Its five published weights differ in what SPyNet was trained on before.

    ``forward`` takes ``N 2 3 H W`` RGB in [0, 1], any size, and gives ``N 3 H W``, not clipped.

    Args:
        batch_norm: in SPyNet; none of the published weights has it.
    """

    def __init__(self, *, batch_norm: bool = False) -> None:
        super().__init__()
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1))
        self.spynet = SpyNet(levels=4, batch_norm=batch_norm, normalise=False)
        self.resnet = Merge()
        self.traits = Traits(
            task="interpolation",
            kind="window",
            halo=None,
            halo_reason="flow may point anywhere in the frame",
            frames=2,
            inputs=(Port("clip"),),
        )

    def forward(self, clip: Tensor) -> Tensor:
        check_clip(clip, frames=2)
        return self.fuse([self.encode(frame) for frame in clip.unbind(1)])

    def encode(self, frame: Tensor) -> tuple[Tensor, ...]:
        """``N 3 H W`` -> the frame mirrored to multiples of 16 and normalised, and the frame itself."""
        return (mirror_to_multiple(frame, 16) - self.mean) / self.std, frame

    def fuse(self, features: Sequence[tuple[Tensor, ...]]) -> Tensor:
        """What ``encode`` gave for two frames -> the frame between them."""
        (first, original), (second, _) = features
        to_first = self.spynet(second, first)
        to_second = self.spynet(first, second)
        merged = self.resnet(flow_warp(first, to_first / 2), flow_warp(second, to_second / 2))
        middle: Tensor = merged * self.std + self.mean
        return middle[..., : original.shape[-2], : original.shape[-1]]
