"""IconVSR: BasicVSR with information refill and coupled propagation (Chan et al., CVPR 2021, arXiv 2012.02181,
section 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from finesight.errors import SettingError
from finesight.models.video.basicvsr import BlocksWithInput, FourTimes, add_flows, flow_to, recurrent_traits
from finesight.models.video.edvr import EdvrFeatures
from finesight.models.video.spynet import SpyNet
from finesight.nn.clip import Features, at, check_clip, frame_order, over_clip, part, split_frames
from finesight.nn.flow_warp import flow_warp
from finesight.nn.padding import mirror_to_multiple

__all__ = ["IconVsr"]


class IconVsr(FourTimes):
    """Recurrent x4 super-resolution of clips, refilled at key frames; the forward pass sees the backward one.

    ``forward`` takes ``N T 3 H W`` RGB in [0, 1], any size and any T >= 1, and gives ``N T 3 4H 4W``, not clipped. (The
    published code refuses T < 2 * padding + 1; here such a clip is mirrored to and fro for the windows.)

    Published: ``padding=2`` (REDS) and ``padding=3`` (Vimeo-90K).

    Args:
        width: channels of the features.
        blocks: residual blocks of each direction.
        stride: every how many frames a key frame lies; the last frame always is one.
        padding: neighbours on each side that a key frame's refill looks at.
    """

    directions = ("backward", "forward")

    def __init__(self, width: int = 64, blocks: int = 30, *, stride: int = 5, padding: int = 2) -> None:
        super().__init__()
        if stride < 1 or padding < 1:
            raise SettingError(f"IconVSR needs a stride and a padding of at least 1, got {stride} and {padding}.")
        self.width = width
        self.stride = stride
        self.padding = padding
        self.spynet = SpyNet()
        self.edvr = EdvrFeatures(width, frames=2 * padding + 1, centre=padding)
        self.backward_fusion = nn.Conv2d(2 * width, width, 3, padding=1)
        self.forward_fusion = nn.Conv2d(2 * width, width, 3, padding=1)
        self.backward_resblocks = BlocksWithInput(3 + width, width, blocks)
        self.forward_resblocks = BlocksWithInput(3 + 2 * width, width, blocks)
        self.make_tail(width)
        self.traits = recurrent_traits(scale=4)

    def forward(self, clip: Tensor) -> Tensor:
        return over_clip(self, clip)

    def encode(self, clip: Tensor) -> Features:
        """``N T 3 H W`` -> features ``frame``, ``padded``, ``flow_backward``, ``flow_forward``, ``refill``.

        ``refill`` holds a tensor for key frames only.
        """
        check_clip(clip)
        padded = mirror_to_multiple(clip.flatten(0, 1), 4)
        padded = padded.view(*clip.shape[:3], *padded.shape[-2:])
        features: Features = {"frame": split_frames(clip), "padded": split_frames(padded)}
        add_flows(features, self.spynet, padded)
        features["refill"] = self._refill(padded)
        return features

    def _refill(self, clip: Tensor) -> list[Tensor | None]:
        frames = clip.shape[1]
        pyramids: dict[int, tuple[Tensor, ...]] = {}  # shared by windows that overlap
        answer: list[Tensor | None] = [None] * frames
        for key in sorted({*range(0, frames, self.stride), frames - 1}):
            window = [_source(key + step, frames, self.padding) for step in range(-self.padding, self.padding + 1)]
            pyramids = {i: pyramids[i] if i in pyramids else self.edvr.pyramid(clip[:, i]) for i in window}
            answer[key] = self.edvr.fused_feature([pyramids[i] for i in window])
        return answer

    def propagate(
        self, direction: str, features: Features, state: Tensor | None = None
    ) -> tuple[list[Tensor | None], Tensor | None]:
        """Walk over the frames: one feature ``N width H W`` a frame, and the state after the last one visited."""
        backward = direction == "backward"
        fusion, blocks = (
            (self.backward_fusion, self.backward_resblocks)
            if backward
            else (self.forward_fusion, self.forward_resblocks)
        )
        answer: list[Tensor | None] = [None] * len(features["frame"])
        for index in frame_order(direction, len(answer)):
            frame = at(features, "padded", index)
            if state is None:
                state = frame.new_zeros(frame.shape[0], self.width, *frame.shape[-2:])
            else:
                state = flow_warp(state, flow_to(features, direction, index))
            refill = features["refill"][index]
            if refill is not None:
                state = fusion(torch.cat((state, refill), dim=1))
            seen = (frame, state) if backward else (frame, at(features, "backward", index), state)
            state = blocks(torch.cat(seen, dim=1))
            answer[index] = state
        return answer, state

    def decode(self, features: Features) -> Tensor:
        """Features with both directions -> ``N T 3 4H 4W``, computed frame by frame."""
        return torch.stack([self._picture(part(features, i, i + 1)) for i in range(len(features["frame"]))], dim=1)

    def _picture(self, features: Features) -> Tensor:
        height, width = at(features, "frame", 0).shape[-2:]
        picture = self.enlarge(at(features, "forward", 0), at(features, "padded", 0))
        return picture[..., : 4 * height, : 4 * width]


def _source(index: int, frames: int, padding: int) -> int:
    """Which frame stands at ``index`` of a window, before 0 and behind the end too.

    Frames 2p ... p+1 are put in front of the clip and -(p+2) ... -(2p+1) behind it, so that no frame repeats in a
    window. A clip too short for that is mirrored to and fro.
    """
    last = frames - 1
    if frames >= 2 * padding + 1:
        if index < 0:
            return padding - index
        return index if index <= last else last - padding - (index - last)
    period = max(2 * last, 1)
    index %= period
    return min(index, period - index) if last else 0
