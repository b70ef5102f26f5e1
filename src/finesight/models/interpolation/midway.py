"""Midway, our own small network for the frame half way between two.

The flows to both frames begin as those of Lucas and Kanade, which need no learning. They are corrected from coarse to
fine, as in "IFRNet: Intermediate Feature Refine Network for Efficient Frame Interpolation" (Kong et al., CVPR 2022): at
each level the features of both frames are warped to the middle by the flows found so far, and what is seen there
corrects the flows. At the end both frames are warped and blended. Every head starts at zero: an untrained network is
the average of the two frames brought to the middle by plain optical flow.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.nn.clip import check_clip
from finesight.nn.flow_warp import flow_warp
from finesight.nn.lucas_kanade import lucas_kanade
from finesight.nn.padding import mirror_to_multiple
from finesight.nn.traits import Port, Traits

__all__ = ["Midway"]

_FLOWS = 4  # from the middle to the first frame (x, y), to the second frame (x, y)


def _convolution(inputs: int, outputs: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, padding=1), nn.PReLU(outputs, init=0.2))


class Refinement(nn.Module):
    """Corrects the flows of one level.

    Args:
        width: channels of the features of one frame.
        hidden: channels that the coarser level hands on; 0 for the coarsest.
        outputs: channels of the head, which starts at zero.
    """

    def __init__(self, width: int, hidden: int, outputs: int) -> None:
        super().__init__()
        seen = 2 * width + _FLOWS + hidden
        self.look = nn.Sequential(_convolution(seen, width), _convolution(width, width), _convolution(width, width))
        self.head = nn.Conv2d(width, outputs, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        assert self.head.bias is not None
        nn.init.zeros_(self.head.bias)

    def forward(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        """What is seen, ``N seen h w`` -> what is handed on, ``N width h w``, and the head, ``N outputs h w``."""
        features = self.look(seen)
        return features, self.head(features)


def _plain_flows(first: Tensor, second: Tensor, levels: int) -> list[Tensor]:
    """Flows from the middle to both frames (``N 4 h w``), at 1/2, 1/4, ... of the size, by Lucas and Kanade."""
    one, other = F.avg_pool2d(first, 2), F.avg_pool2d(second, 2)
    both = lucas_kanade(torch.cat((other, one)), torch.cat((one, other)))
    pyramid = [torch.cat(both.chunk(2), dim=1) / 2]
    while len(pyramid) < levels:
        pyramid.append(F.avg_pool2d(pyramid[-1], 2) / 2)
    return pyramid


def _enlarged(features: Tensor) -> Tensor:
    return F.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)


class Midway(nn.Module):
    """The frame half way between two, by flows to both and a blend of what they show.

    ``forward`` takes ``N 2 3 H W`` RGB in [0, 1], any size, and gives ``N 3 H W``, not clipped.

    Args:
        widths: channels of the features at 1/2, 1/4, ... of the size.
    """

    def __init__(self, widths: Sequence[int] = (24, 36, 54, 72)) -> None:
        super().__init__()
        before = (3, *widths[:-1])
        self.encoder = nn.ModuleList(
            nn.Sequential(_convolution(a, b, stride=2), _convolution(b, b)) for a, b in zip(before, widths, strict=True)
        )
        coarser = (*widths[1:], 0)
        last = 4 * (_FLOWS + 1 + 3)  # of each of four pixels: corrections of the flows, the blend, what neither shows
        self.refine = nn.ModuleList(
            Refinement(width, hidden, last if level == 0 else _FLOWS)
            for level, (width, hidden) in enumerate(zip(widths, coarser, strict=True))
        )
        self.multiple = 2 ** len(widths)
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
        """``N 3 H W`` -> the frame, the frame mirrored to whole multiples, its features from fine to coarse."""
        mirrored = mirror_to_multiple(frame, self.multiple)
        features = [mirrored - 0.5]
        for level in self.encoder:
            features.append(level(features[-1]))
        return frame, mirrored, *features[1:]

    def fuse(self, features: Sequence[tuple[Tensor, ...]]) -> Tensor:
        """What ``encode`` gave for two frames -> the frame between them."""
        (frame, first, *firsts), (_, second, *seconds) = features
        plain = _plain_flows(first, second, len(self.refine))
        hidden, change = None, None
        for level in reversed(range(len(self.refine))):
            found = plain[level] if change is None else plain[level] + 2 * _enlarged(change)
            one, other = self._warped(firsts[level], seconds[level], found)
            seen = [one, other, found.to(one.dtype)] + ([] if hidden is None else [_enlarged(hidden)])
            hidden, last = self.refine[level](torch.cat(seen, dim=1))
            change = last if change is None or not level else 2 * _enlarged(change) + last
        middle = F.pixel_shuffle(last, 2)  # n flows+1+3 H W
        found = 2 * _enlarged(found) + middle[:, :_FLOWS]
        one, other = self._warped(first, second, found)
        blend = torch.sigmoid(middle[:, _FLOWS : _FLOWS + 1])
        middle = other + blend * (one - other) + middle[:, _FLOWS + 1 :]
        return middle[..., : frame.shape[-2], : frame.shape[-1]]

    @staticmethod
    def _warped(first: Tensor, second: Tensor, flows: Tensor) -> tuple[Tensor, Tensor]:
        """Both brought to the middle; beyond the border lies what is at the border."""
        return (
            flow_warp(first, flows[:, :2], padding="border"),
            flow_warp(second, flows[:, 2:], padding="border"),
        )
