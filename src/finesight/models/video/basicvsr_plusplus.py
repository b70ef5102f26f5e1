"""BasicVSR++: "BasicVSR++: Improving Video Super-Resolution with Enhanced Propagation and Alignment" (Chan et al.,
CVPR 2022, arXiv 2104.13371)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import SettingError
from finesight.models.video.basicvsr import BlocksWithInput, FourTimes, add_flows, flow_to, recurrent_traits
from finesight.models.video.spynet import SpyNet
from finesight.nn.clip import Features, at, check_clip, frame_order, over_clip, part, split_frames
from finesight.nn.deformable import deformable_convolution
from finesight.nn.flow_warp import flow_warp
from finesight.nn.padding import mirror_to_multiple

__all__ = ["BasicVsrPlusPlus", "PropagationState"]


class PropagationState(NamedTuple):
    """What a branch hands on: the last feature, the one before it, and the flow between these two (or nothing yet)."""

    feature: Tensor
    before: Tensor | None
    flow: Tensor | None


class SecondOrderAlignment(nn.Module):
    """Flow-guided deformable alignment of the last two features (section 3.2 of the paper).

    Offsets are flows plus bounded residues. Tensor names: ``weight``, ``bias``, ``conv_offset.{0,2,4,6}``.

    Args:
        width: channels of one feature.
        deform_groups: half of them act on the last feature, half on the one before.
        largest_residue: bound of what is added to the flow, in pixels.
    """

    def __init__(self, width: int, *, deform_groups: int = 16, largest_residue: float = 10) -> None:
        super().__init__()
        self.largest_residue = largest_residue
        self.weight = nn.Parameter(torch.empty(width, 2 * width, 3, 3))
        self.bias = nn.Parameter(torch.zeros(width))
        bound = 1 / math.sqrt(2 * width * 9)
        nn.init.uniform_(self.weight, -bound, bound)
        last = nn.Conv2d(width, 27 * deform_groups, 3, padding=1)
        nn.init.zeros_(last.weight)
        if last.bias is not None:
            nn.init.zeros_(last.bias)
        self.conv_offset = nn.Sequential(
            nn.Conv2d(3 * width + 4, width, 3, padding=1),
            nn.LeakyReLU(0.1, inplace=True),
            nn.Conv2d(width, width, 3, padding=1),
            nn.LeakyReLU(0.1, inplace=True),
            nn.Conv2d(width, width, 3, padding=1),
            nn.LeakyReLU(0.1, inplace=True),
            last,
        )

    def forward(self, features: Tensor, condition: Tensor, flow: Tensor, flow_before: Tensor) -> Tensor:
        """Align ``features`` (``N 2*width H W``, last feature first).

        Args:
            features: last feature and the one before, not warped.
            condition: ``N 3*width H W``: both warped, with the current spatial feature between them.
            flow, flow_before: ``N 2 H W`` (right, down) to the last frame and to the one before.
        """
        first, second, mask = self.conv_offset(torch.cat((condition, flow, flow_before), dim=1)).chunk(3, dim=1)
        offset = self.largest_residue * torch.tanh(torch.cat((first, second), dim=1))
        taps = offset.shape[1] // 4  # (y, x) pairs that act on each feature
        guide = torch.cat((flow.flip(1).repeat(1, taps, 1, 1), flow_before.flip(1).repeat(1, taps, 1, 1)), dim=1)
        return deformable_convolution(
            features, offset + guide, self.weight, self.bias, mask=torch.sigmoid(mask), padding=1
        )


class BasicVsrPlusPlus(FourTimes):
    """Recurrent x4 super-resolution, or restoration at the same size, by four passes that see each other.

    ``forward`` takes ``N T 3 H W`` RGB in [0, 1], any size and any T >= 1, and gives ``N T 3 sH sW``, not clipped. (The
    published code refuses frames whose flow is computed under 64 pixels.)

    Published: the defaults (REDS4, Vimeo-90K BI and BD); ``width=128, blocks=25`` (NTIRE 2021 super-resolution), and
    the same with ``scale=1`` (NTIRE 2021 compressed video, tracks 1 to 3).

    Args:
        width: channels of the features.
        blocks: residual blocks of each pass.
        scale: 4, or 1: features and flows are then computed at a quarter of the size.
        largest_residue: bound of what is added to the flow by the alignment, in feature pixels.
    """

    directions = ("backward_1", "forward_1", "backward_2", "forward_2")

    def __init__(self, width: int = 64, blocks: int = 7, *, scale: int = 4, largest_residue: float = 10) -> None:
        super().__init__()
        if scale not in (1, 4):
            raise SettingError(f"BasicVSR++ has a scale of 1 or 4, not {scale}.")
        self.width = width
        self.scale = scale
        self.spynet = SpyNet()
        self.feat_extract: nn.Module = BlocksWithInput(3, width, 5)
        if scale == 1:
            self.feat_extract = nn.Sequential(
                nn.Conv2d(3, width, 3, stride=2, padding=1),
                nn.LeakyReLU(0.1, inplace=True),
                nn.Conv2d(width, width, 3, stride=2, padding=1),
                nn.LeakyReLU(0.1, inplace=True),
                BlocksWithInput(width, width, 5),
            )
        self.deform_align = nn.ModuleDict(
            {name: SecondOrderAlignment(width, largest_residue=largest_residue) for name in self.directions}
        )
        self.backbone = nn.ModuleDict(
            {name: BlocksWithInput((2 + i) * width, width, blocks) for i, name in enumerate(self.directions)}
        )
        self.reconstruction = BlocksWithInput(5 * width, width, 5)
        self.make_tail(width)
        self.traits = recurrent_traits(scale=scale)

    def forward(self, clip: Tensor) -> Tensor:
        return over_clip(self, clip)

    def encode(self, clip: Tensor) -> Features:
        """``N T 3 H W`` -> features ``frame``, ``spatial``, ``flow_backward``, ``flow_forward``."""
        check_clip(clip)
        features: Features = {"frame": split_frames(clip)}
        if self.scale == 1:
            padded = mirror_to_multiple(clip.flatten(0, 1), 4)
            clip = padded.view(*clip.shape[:3], *padded.shape[-2:])
        features["spatial"] = [self.feat_extract(frame) for frame in clip.unbind(1)]
        if self.scale == 1:
            small = F.interpolate(clip.flatten(0, 1), scale_factor=0.25, mode="bicubic", align_corners=False)
            clip = small.view(*clip.shape[:3], *small.shape[-2:])
        add_flows(features, self.spynet, clip)
        return features

    def propagate(
        self, direction: str, features: Features, state: PropagationState | None = None
    ) -> tuple[list[Tensor | None], PropagationState | None]:
        """Walk over the frames: one feature ``N width H W`` a frame, and the state after the last one visited."""
        earlier = self.directions[: self.directions.index(direction)]
        answer: list[Tensor | None] = [None] * len(features["frame"])
        for index in frame_order(direction, len(answer)):
            spatial = at(features, "spatial", index)
            flow = None
            if state is None:
                feature = spatial.new_zeros(spatial.shape[0], self.width, *spatial.shape[-2:])
            else:
                flow = flow_to(features, direction, index)
                feature = self._align(direction, spatial, flow, state)
            seen = [spatial, *(at(features, name, index) for name in earlier), feature]
            feature = feature + self.backbone[direction](torch.cat(seen, dim=1))
            state = PropagationState(feature, None if state is None else state.feature, flow)
            answer[index] = feature
        return answer, state

    def _align(self, direction: str, spatial: Tensor, flow: Tensor, state: PropagationState) -> Tensor:
        warped = flow_warp(state.feature, flow)
        if state.before is None or state.flow is None:  # the second frame visited
            before = warped_before = torch.zeros_like(state.feature)
            flow_before = torch.zeros_like(flow)
        else:
            before = state.before
            flow_before = flow + flow_warp(state.flow, flow)
            warped_before = flow_warp(before, flow_before)
        condition = torch.cat((warped, spatial, warped_before), dim=1)
        aligned: Tensor = self.deform_align[direction](
            torch.cat((state.feature, before), dim=1), condition, flow, flow_before
        )
        return aligned

    def decode(self, features: Features) -> Tensor:
        """Features with all four passes -> ``N T 3 sH sW``, computed frame by frame."""
        return torch.stack([self._picture(part(features, i, i + 1)) for i in range(len(features["frame"]))], dim=1)

    def _picture(self, features: Features) -> Tensor:
        frame = at(features, "frame", 0)
        seen = torch.cat([at(features, name, 0) for name in ("spatial", *self.directions)], dim=1)
        rebuilt = self.reconstruction(seen)
        if self.scale == 4:
            return self.enlarge(rebuilt, frame)
        return self.residue(rebuilt)[..., : frame.shape[-2], : frame.shape[-1]] + frame
