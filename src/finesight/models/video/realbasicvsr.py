"""RealBasicVSR: "Investigating Tradeoffs in Real-World Video Super-Resolution" (Chan et al., CVPR 2022,
arXiv 2111.12704)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from finesight.models.video.basicvsr import BasicVsr, BlocksWithInput, recurrent_traits
from finesight.nn.clip import Features, check_clip, over_clip

__all__ = ["RealBasicVsr"]

PASSES = 3


class RealBasicVsr(nn.Module):
    """Clean a degraded clip, up to three times, then enlarge it x4 with BasicVSR.

    ``forward`` takes ``N T 3 H W`` RGB in [0, 1], any size and any T >= 1, and gives ``N T 3 4H 4W``, not clipped.

    Published thresholds: 255 in training (normally one pass), 5 for testing the network trained with a GAN, 1.5 for the
    one before that.

    Args:
        width: channels of the features.
        blocks: residual blocks of each direction of BasicVSR.
        cleaning_blocks: residual blocks of the cleaning network.
        threshold: cleaning stops after a pass that changes less than this, in mean absolute grey levels (of 255).
        together: decide by the mean over the whole batch, as published; otherwise for each clip by its own, so that a
            batch equals its clips one by one.
        chunk: frames cleaned at a time, which bounds memory; ``None`` is all of them.
    """

    directions = BasicVsr.directions

    def __init__(
        self,
        width: int = 64,
        blocks: int = 20,
        *,
        cleaning_blocks: int = 20,
        threshold: float = 255,
        together: bool = False,
        chunk: int | None = None,
    ) -> None:
        super().__init__()
        self.threshold = threshold
        self.together = together
        self.chunk = chunk
        self.image_cleaning = nn.Sequential(
            BlocksWithInput(3, width, cleaning_blocks), nn.Conv2d(width, 3, 3, padding=1)
        )
        self.basicvsr = BasicVsr(width, blocks)
        self.traits = recurrent_traits(
            scale=4, reason="the number of cleaning passes depends on the whole clip, and flow may point anywhere"
        )

    def forward(self, clip: Tensor) -> Tensor:
        return over_clip(self, clip)

    def clean(self, clip: Tensor) -> Tensor:
        """The cleaned clip ``N T 3 H W`` that is then enlarged; training compares it with the reduced ground truth."""
        check_clip(clip)
        parts = (clip,) if self.together else clip.chunk(clip.shape[0])
        return torch.cat([self._clean(one) for one in parts])

    def _clean(self, clip: Tensor) -> Tensor:
        for _ in range(PASSES):
            frames = clip.flatten(0, 1)
            residue = torch.cat([self.image_cleaning(some) for some in torch.split(frames, self.chunk or len(frames))])
            clip = (frames + residue).view_as(clip)
            if residue.detach().abs().mean() < self.threshold / 255:
                break
        return clip

    def encode(self, clip: Tensor) -> Features:
        """Clean ``N T 3 H W``, then the features of BasicVSR."""
        return self.basicvsr.encode(self.clean(clip))

    def propagate(
        self, direction: str, features: Features, state: Tensor | None = None
    ) -> tuple[list[Tensor | None], Tensor | None]:
        """As ``BasicVsr.propagate``."""
        return self.basicvsr.propagate(direction, features, state)

    def decode(self, features: Features) -> Tensor:
        """As ``BasicVsr.decode``."""
        return self.basicvsr.decode(features)
