"""Collapsible super-resolution of clips: the small network for pictures, with a memory.

Our own. The trunk and its tensors are those of ``models/image/collapsible.py``. What it found for the frame before is
brought to the present by optical flow and joined behind the first layer, as is what a thinner branch, which walks
backwards through the clip, knows of the frames to come (the coupled propagation of IconVSR, Chan et al., CVPR 2021).
The flow is that of Lucas and Kanade and needs no learning. The joining layers start at zero: an untrained network with
the tensors of a network for pictures is that network, frame by frame.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.models.image.collapsible import CollapsibleConv, bicubic_phases
from finesight.models.video.basicvsr import recurrent_traits
from finesight.nn.clip import Features, at, check_clip, frame_order, over_clip, split_frames
from finesight.nn.flow_warp import flow_warp
from finesight.nn.lucas_kanade import lucas_kanade

__all__ = ["CollapsibleClip"]


class Join(nn.Module):
    """What is remembered, corrected where it does not fit the present: a term for the trunk's first features.

    Args:
        present: channels of the present's features.
        memory: channels of what is remembered.
    """

    def __init__(self, present: int, memory: int) -> None:
        super().__init__()
        self.look = nn.Conv2d(present + memory, present, 3, padding=1)
        self.activation = nn.PReLU(present, init=0.2)
        self.add = nn.Conv2d(present, present, 3, padding=1)
        nn.init.zeros_(self.add.weight)
        assert self.add.bias is not None
        nn.init.zeros_(self.add.bias)

    def forward(self, present: Tensor, memory: Tensor) -> Tensor:
        """``N present H W`` and ``N memory H W`` -> ``N present H W``."""
        term: Tensor = self.add(self.activation(self.look(torch.cat((present, memory), dim=1))))
        return term


class Behind(nn.Module):
    """The thin branch that walks backwards.

    Args:
        width: channels of its features.
        depth: its layers after the first.
    """

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.head = nn.Conv2d(3 + width, width, 3, padding=1)
        self.body = nn.ModuleList(CollapsibleConv(width, width, expansion=0) for _ in range(depth))
        self.activations = nn.ModuleList(nn.PReLU(width, init=0.2) for _ in range(depth + 1))

    def forward(self, frame: Tensor, memory: Tensor) -> Tensor:
        """``N 3 H W`` and ``N width H W`` -> ``N width H W``."""
        features: Tensor = self.activations[0](self.head(torch.cat((frame, memory), dim=1)))
        for convolution, activation in zip(self.body, self.activations[1:], strict=True):
            features = activation(convolution(features))
        return features


class CollapsibleClip(nn.Module):
    """Recurrent super-resolution of clips, light enough for any CPU.

    ``forward`` takes ``N T 3 H W`` RGB in [0, 1], any size and any T >= 1, and gives ``N T 3 sH sW``, not clipped.

    Args:
        width: channels of the trunk.
        depth: hidden layers of the trunk after the first.
        behind_width: channels of the branch that walks backwards.
        behind_depth: its layers after the first.
        scale: enlargement.
    """

    directions = ("backward", "forward")

    def __init__(
        self,
        width: int = 64,
        depth: int = 10,
        *,
        behind_width: int = 32,
        behind_depth: int = 3,
        scale: Literal[2, 3, 4] = 4,
    ) -> None:
        super().__init__()
        self.width, self.behind_width, self.scale = width, behind_width, scale
        self.head = CollapsibleConv(3, width, expansion=0)
        self.body = nn.ModuleList(CollapsibleConv(width, width, expansion=0) for _ in range(depth))
        self.activations = nn.ModuleList(nn.PReLU(width, init=0.2) for _ in range(depth + 1))
        self.tail = CollapsibleConv(width, 3 * scale * scale, expansion=0)
        nn.init.zeros_(self.tail.weight)
        self.enlarge = nn.Conv2d(3, 3 * scale * scale, 5, groups=3, bias=False)
        with torch.no_grad():
            self.enlarge.weight.copy_(bicubic_phases(scale).repeat(3, 1, 1, 1))
        self.behind = Behind(behind_width, behind_depth)
        self.join_behind = Join(width, behind_width)
        self.join_before = Join(width, width)
        self.traits = recurrent_traits(scale=scale)

    def forward(self, clip: Tensor) -> Tensor:
        return over_clip(self, clip)

    def encode(self, clip: Tensor) -> Features:
        """Frames and flows: ``N T 3 H W`` -> features ``frame``, ``flow_backward``, ``flow_forward``."""
        check_clip(clip)
        frames = clip.shape[1]
        features: Features = {
            "frame": split_frames(clip),
            "flow_backward": [None] * frames,
            "flow_forward": [None] * frames,
        }
        if frames > 1:
            early, late = clip[:, :-1].flatten(0, 1), clip[:, 1:].flatten(0, 1)
            flows = lucas_kanade(torch.cat((early, late)), torch.cat((late, early)))
            shape = (clip.shape[0], frames - 1, 2, *clip.shape[-2:])
            backward, forward = (split_frames(half.view(shape)) for half in flows.chunk(2))
            features["flow_backward"][:-1], features["flow_forward"][1:] = backward, forward
        return features

    def propagate(
        self, direction: str, features: Features, state: Tensor | None = None
    ) -> tuple[list[Tensor | None], Tensor | None]:
        """Walk over the frames: one feature ``N width H W`` a frame, and the state after the last one visited."""
        answer: list[Tensor | None] = [None] * len(features["frame"])
        for index in frame_order(direction, len(answer)):
            frame = at(features, "frame", index)
            if state is not None:
                state = flow_warp(state, at(features, f"flow_{direction}", index), padding="border")
            if direction == "backward":
                state = self.behind(frame, self._nothing(frame, self.behind_width) if state is None else state)
            else:
                state = self._trunk(frame, at(features, "backward", index), state)
            answer[index] = state
        return answer, state

    @staticmethod
    def _nothing(frame: Tensor, width: int) -> Tensor:
        return frame.new_zeros(frame.shape[0], width, *frame.shape[-2:])

    def _trunk(self, frame: Tensor, behind: Tensor, before: Tensor | None) -> Tensor:
        present = self.head(frame)
        term = self.join_behind(present, behind)
        before = self._nothing(frame, self.width) if before is None else before
        features: Tensor = self.activations[0](present + term + self.join_before(present, before))
        for convolution, activation in zip(self.body, self.activations[1:], strict=True):
            features = activation(convolution(features))
        return features

    def decode(self, features: Features) -> Tensor:
        """Features with both directions -> ``N T 3 sH sW``, computed frame by frame."""
        pictures = []
        for index in range(len(features["frame"])):
            frame = at(features, "frame", index)
            linear = self.enlarge(F.pad(frame, (2, 2, 2, 2), mode="replicate"))
            pictures.append(F.pixel_shuffle(self.tail(at(features, "forward", index)) + linear, self.scale))
        return torch.stack(pictures, dim=1)
