"""BasicVSR: "BasicVSR: The Search for Essential Components in Video Super-Resolution and Beyond" (Chan et al.,
CVPR 2021, arXiv 2012.02181), and the parts that its successors share: flows of a clip and the x4 tail."""

from __future__ import annotations

from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.models.video.spynet import SpyNet
from finesight.nn.clip import Features, at, check_clip, frame_order, over_clip, part, split_frames
from finesight.nn.flow_warp import flow_warp
from finesight.nn.residual import ResidualBlock, kaiming_
from finesight.nn.traits import Port, Traits
from finesight.nn.upsampling import PixelShuffleConv

__all__ = ["BasicVsr", "BlocksWithInput", "FourTimes", "add_flows", "flow_to", "recurrent_traits"]

FLOW_BACKWARD = "flow_backward"
FLOW_FORWARD = "flow_forward"


def recurrent_traits(*, scale: int, reason: str = "flow may point anywhere in the frame") -> Traits:
    """Traits of a network that gives a clip ``scale`` times as large, frame by frame."""
    return Traits(
        task="restoration" if scale == 1 else "super-resolution",
        kind="recurrent",
        scale=scale,
        halo=None,
        halo_reason=reason,
        inputs=(Port("clip"),),
        outputs=(Port("clip", ratio=Fraction(scale)),),
    )


class BlocksWithInput(nn.Module):
    """3x3 convolution ``inputs`` -> ``width``, leaky ReLU 0.1, residual blocks. Names ``main.0``, ``main.2.<i>``."""

    def __init__(self, inputs: int, width: int, blocks: int) -> None:
        super().__init__()
        body = nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)))
        kaiming_(body, 0.1)
        self.main = nn.Sequential(
            nn.Conv2d(inputs, width, 3, padding=1), nn.LeakyReLU(negative_slope=0.1, inplace=True), body
        )

    def forward(self, features: Tensor) -> Tensor:
        """``N inputs H W`` -> ``N width H W``."""
        answer: Tensor = self.main(features)
        return answer


class FourTimes(nn.Module):
    """The tail of EDVR and the BasicVSR family: two pixel-shuffle steps, two convolutions, plus the enlarged frame.

    Networks inherit it because the published names of its layers stand beside theirs.
    """

    def make_tail(self, width: int) -> None:
        """Add the layers, for features of ``width`` channels."""
        self.upsample1 = PixelShuffleConv(width, width, factor=2)
        self.upsample2 = PixelShuffleConv(width, 64, factor=2)
        self.conv_hr = nn.Conv2d(64, 64, 3, padding=1)
        self.conv_last = nn.Conv2d(64, 3, 3, padding=1)
        kaiming_(self.upsample1)
        kaiming_(self.upsample2)

    def residue(self, features: Tensor) -> Tensor:
        """What is added to the base picture: ``N width H W`` -> ``N 3 4H 4W``."""
        features = F.leaky_relu_(self.upsample1(features), 0.1)
        features = F.leaky_relu_(self.upsample2(features), 0.1)
        answer: Tensor = self.conv_last(F.leaky_relu_(self.conv_hr(features), 0.1))
        return answer

    def enlarge(self, features: Tensor, frame: Tensor) -> Tensor:
        """The residue added to ``frame`` (``N 3 H W``) enlarged bilinearly."""
        base = F.interpolate(frame, scale_factor=4, mode="bilinear", align_corners=False)
        return self.residue(features).add_(base)


def add_flows(features: Features, spynet: SpyNet, clip: Tensor) -> None:
    """Add the flow from each frame to the next (``flow_backward``) and to the one before (``flow_forward``).

    Where the clip is its own mirror image in time, one set of flows serves both (the same numbers, half the work).
    """
    frames = clip.shape[1]
    features[FLOW_BACKWARD] = [None] * frames
    features[FLOW_FORWARD] = [None] * frames
    if frames == 1:
        return
    early, late = clip[:, :-1].flatten(0, 1), clip[:, 1:].flatten(0, 1)
    backward = split_frames(spynet(early, late).view(clip.shape[0], frames - 1, 2, *clip.shape[-2:]))
    if not torch.compiler.is_compiling() and frames % 2 == 0 and torch.equal(clip, clip.flip(1)):
        forward = backward[::-1]
    else:
        forward = split_frames(spynet(late, early).view(clip.shape[0], frames - 1, 2, *clip.shape[-2:]))
    features[FLOW_BACKWARD][:-1] = backward
    features[FLOW_FORWARD][1:] = forward


def flow_to(features: Features, direction: str, index: int) -> Tensor:
    """The flow from frame ``index`` to the frame that ``direction`` visited before it."""
    return at(features, FLOW_BACKWARD if direction.startswith("backward") else FLOW_FORWARD, index)


class BasicVsr(FourTimes):
    """Recurrent x4 super-resolution of clips, along flow, backward then forward in time.

    ``forward`` takes ``N T 3 H W`` RGB in [0, 1], any size and any T >= 1, and gives ``N T 3 4H 4W``, not clipped. (The
    published code refuses T = 1 and sides under 64 pixels.)

    Args:
        width: channels of the features.
        blocks: residual blocks of each direction.
    """

    directions = ("backward", "forward")

    def __init__(self, width: int = 64, blocks: int = 30) -> None:
        super().__init__()
        self.width = width
        self.spynet = SpyNet()
        self.backward_resblocks = BlocksWithInput(3 + width, width, blocks)
        self.forward_resblocks = BlocksWithInput(3 + width, width, blocks)
        self.fusion = nn.Conv2d(2 * width, width, 1)
        self.make_tail(width)
        self.traits = recurrent_traits(scale=4)

    def forward(self, clip: Tensor) -> Tensor:
        return over_clip(self, clip)

    def encode(self, clip: Tensor) -> Features:
        """Frames and flows: ``N T 3 H W`` -> features ``frame``, ``flow_backward``, ``flow_forward``."""
        check_clip(clip)
        features: Features = {"frame": split_frames(clip)}
        add_flows(features, self.spynet, clip)
        return features

    def propagate(
        self, direction: str, features: Features, state: Tensor | None = None
    ) -> tuple[list[Tensor | None], Tensor | None]:
        """Walk over the frames: one feature ``N width H W`` a frame, and the state after the last one visited."""
        blocks = self.backward_resblocks if direction == "backward" else self.forward_resblocks
        answer: list[Tensor | None] = [None] * len(features["frame"])
        for index in frame_order(direction, len(answer)):
            frame = at(features, "frame", index)
            if state is None:
                state = frame.new_zeros(frame.shape[0], self.width, *frame.shape[-2:])
            else:
                state = flow_warp(state, flow_to(features, direction, index))
            state = blocks(torch.cat((frame, state), dim=1))
            answer[index] = state
        return answer, state

    def decode(self, features: Features) -> Tensor:
        """Features with both directions -> ``N T 3 4H 4W``, computed frame by frame."""
        return torch.stack([self._picture(part(features, i, i + 1)) for i in range(len(features["frame"]))], dim=1)

    def _picture(self, features: Features) -> Tensor:
        both = torch.cat((at(features, "backward", 0), at(features, "forward", 0)), dim=1)
        return self.enlarge(F.leaky_relu_(self.fusion(both), 0.1), at(features, "frame", 0))
