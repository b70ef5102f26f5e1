"""TOFlow for super-resolution: "Video Enhancement with Task-Oriented Flow" (Xue et al., IJCV 2019,
arXiv 1711.09078)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import SettingError
from finesight.models.video.spynet import IMAGENET_MEAN, IMAGENET_STD, SpyNet
from finesight.nn.clip import check_clip
from finesight.nn.flow_warp import flow_warp
from finesight.nn.padding import mirror_to_multiple
from finesight.nn.traits import Port, Traits

__all__ = ["ToFlow", "enlarge_bicubic"]

FRAMES = 7
CENTRE = 3


def enlarge_bicubic(image: Tensor, scale: int) -> Tensor:
    """``N C H W`` -> ``N C sH sW`` by the bicubic rule of MATLAB's ``imresize`` (a = -0.5, mirrored borders)."""
    for axis in (-2, -1):
        length = image.shape[axis]
        index = torch.arange(-2, length + 2, device=image.device) % (2 * length)
        image = image.index_select(axis, torch.minimum(index, 2 * length - 1 - index))
    phase = (torch.arange(scale, dtype=torch.float64) + 0.5) / scale - 0.5
    distance = (torch.arange(-2, 3, dtype=torch.float64) - phase[:, None]).abs()
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    taps = torch.where(distance <= 1, near, torch.where(distance < 2, far, 0)).to(image)  # scale 5
    kernel = (taps[:, None, :, None] * taps[None, :, None, :]).reshape(scale * scale, 1, 5, 5)
    batch, channels = image.shape[:2]
    phases = F.conv2d(image.flatten(0, 1).unsqueeze(1), kernel)
    return F.pixel_shuffle(phases, scale).view(batch, channels, *(scale * (side - 4) for side in image.shape[-2:]))


class ToFlow(nn.Module):
    """Super-resolution of the centre of seven frames, the others being warped to it.

    ``forward`` takes ``N 7 3 H W`` RGB in [0, 1], any size, and gives the centre frame ``N 3 sH sW``, not clipped.

    Args:
        scale: 4 enlarges each frame first by MATLAB's bicubic rule; 1 is the published network itself, whose input has
            been enlarged already.
        reference_first: the published weights expect the centre frame before the others.
    """

    def __init__(self, *, scale: int = 4, reference_first: bool = True) -> None:
        super().__init__()
        if scale < 1:
            raise SettingError(f"TOFlow cannot enlarge by {scale}; the published scale is 4.")
        self.scale = scale
        self.order = (3, 0, 1, 2, 4, 5, 6) if reference_first else tuple(range(FRAMES))
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1))
        self.spynet = SpyNet(levels=4, batch_norm=True, normalise=False, padding="zeros")
        self.conv1 = nn.Conv2d(3 * FRAMES, 64, 9, padding=4)
        self.conv2 = nn.Conv2d(64, 64, 9, padding=4)
        self.conv3 = nn.Conv2d(64, 64, 1)
        self.conv4 = nn.Conv2d(64, 3, 1)
        self.traits = Traits(
            task="super-resolution" if scale > 1 else "restoration",
            kind="window",
            scale=scale,
            halo=None,
            halo_reason="flow may point anywhere in the frame",
            frames=FRAMES,
            inputs=(Port("clip"),),
            outputs=(Port("image", ratio=Fraction(scale)),),
        )

    def forward(self, clip: Tensor) -> Tensor:
        check_clip(clip, frames=FRAMES)
        return self.fuse([self.encode(frame) for frame in clip.unbind(1)])

    def encode(self, frame: Tensor) -> tuple[Tensor, ...]:
        """``N 3 H W`` -> the frame enlarged, normalised and padded to multiples of 16, and the frame itself."""
        enlarged = enlarge_bicubic(frame, self.scale) if self.scale > 1 else frame
        return mirror_to_multiple((enlarged - self.mean) / self.std, 16), frame

    def fuse(self, features: Sequence[tuple[Tensor, ...]]) -> Tensor:
        """What ``encode`` gave for seven frames -> the centre frame ``N 3 sH sW``."""
        centre, original = features[CENTRE]
        aligned = []
        for index in self.order:
            frame = features[index][0]
            aligned.append(centre if index == CENTRE else flow_warp(frame, self.spynet(centre, frame)))
        x = F.relu_(self.conv1(torch.cat(aligned, dim=1)))
        x = F.relu_(self.conv3(F.relu_(self.conv2(x))))
        restored: Tensor = (self.conv4(x) + centre) * self.std + self.mean
        return restored[..., : self.scale * original.shape[-2], : self.scale * original.shape[-1]]
