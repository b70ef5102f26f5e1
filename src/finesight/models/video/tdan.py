"""TDAN: "TDAN: Temporally-Deformable Alignment Network for Video Super-Resolution" (Tian et al., CVPR 2020,
arXiv 1812.02898)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.nn.clip import check_clip
from finesight.nn.deformable import BorderRule, DeformablePack
from finesight.nn.residual import ResidualBlock, kaiming_
from finesight.nn.traits import Port, Traits
from finesight.nn.upsampling import PixelShuffleConv

__all__ = ["Tdan"]

FRAMES = 5
CENTRE = 2


class ReluConvolution(nn.Module):
    """3x3 convolution (name ``conv``) and ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")
        if self.conv.bias is not None:
            nn.init.zeros_(self.conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        """``N inputs H W`` -> ``N outputs H W``."""
        return F.relu_(self.conv(x))


def _blocks(width: int, count: int) -> nn.Sequential:
    blocks = nn.Sequential(*(ResidualBlock(width) for _ in range(count)))
    kaiming_(blocks, 0.1)
    return blocks


class Tdan(nn.Module):
    """x4 super-resolution of the centre of five frames, the others being aligned by deformable convolutions.

    ``forward`` takes ``N 5 3 H W`` RGB in [0, 1], any size, and gives the centre frame ``N 3 4H 4W``, not clipped. For
    the training loss on the aligned frames call ``align`` and ``restore``.

    Args:
        width: channels.
        blocks_before, blocks_after: residual blocks before and after the alignment.
        border: ``legacy`` is the border rule of the authors' CUDA kernel, for their own weights.
    """

    renames = (
        (  # the authors' release
            (r"^conv_first\.", "feat_extract.0.conv."),
            (r"^residual_layer\.", "feat_extract.1."),
            (r"^cr\.", "feat_aggregate.0."),
            (r"^off2d_([12])\.", r"feat_aggregate.\1.conv_offset."),
            (r"^dconv_1\.", "feat_aggregate.1."),
            (r"^deconv_2\.", "feat_aggregate.2."),
            (r"^off2d_3\.", "align_1.conv_offset."),
            (r"^deconv_3\.", "align_1."),
            (r"^off2d\.", "align_2.conv_offset."),
            (r"^dconv\.", "align_2."),
            (r"^recon_lr\.", "to_rgb."),
            (r"^fea_ex\.0\.", "reconstruct.0.conv."),
            (r"^recon_layer\.", "reconstruct.1."),
            (r"^up\.0\.0\.", "reconstruct.2.upsample_conv."),
            (r"^up\.0\.2\.", "reconstruct.3.upsample_conv."),
            (r"^up\.1\.", "reconstruct.4."),
        ),
    )

    def __init__(
        self, width: int = 64, *, blocks_before: int = 5, blocks_after: int = 10, border: BorderRule = "zeros"
    ) -> None:
        super().__init__()
        self.feat_extract = nn.Sequential(ReluConvolution(3, width), _blocks(width, blocks_before))
        self.feat_aggregate = nn.Sequential(
            nn.Conv2d(2 * width, width, 3, padding=1),
            DeformablePack(width, width, border=border),
            DeformablePack(width, width, border=border),
        )
        self.align_1 = DeformablePack(width, width, border=border)
        self.align_2 = DeformablePack(width, width, border=border)
        self.to_rgb = nn.Conv2d(width, 3, 3, padding=1)
        steps = (PixelShuffleConv(width, width, factor=2), PixelShuffleConv(width, width, factor=2))
        self.reconstruct = nn.Sequential(
            ReluConvolution(3 * FRAMES, width),
            _blocks(width, blocks_after),
            *steps,
            nn.Conv2d(width, 3, 3, padding=1, bias=False),
        )
        for step in steps:
            kaiming_(step)
        self.traits = Traits(
            task="super-resolution",
            kind="window",
            scale=4,
            halo=None,
            halo_reason="learned offsets may point anywhere",
            frames=FRAMES,
            inputs=(Port("clip"),),
            outputs=(Port("image", ratio=Fraction(4)),),
        )

    def forward(self, clip: Tensor) -> Tensor:
        check_clip(clip, frames=FRAMES)
        return self.fuse([self.encode(frame) for frame in clip.unbind(1)])

    def encode(self, frame: Tensor) -> tuple[Tensor, ...]:
        """``N 3 H W`` -> its feature ``N width H W`` and the frame itself."""
        return self.feat_extract(frame - 0.5), frame

    def align(self, features: Sequence[tuple[Tensor, ...]]) -> Tensor:
        """What ``encode`` gave for five frames -> these frames aligned to the centre, ``N 5 3 H W``.

        The centre frame is left as it is.
        """
        centre = features[CENTRE][0]
        aligned = []
        for index, (feature, frame) in enumerate(features):
            if index == CENTRE:
                aligned.append(frame)
                continue
            seen = self.feat_aggregate(torch.cat((centre, feature), dim=1))
            aligned.append(self.to_rgb(self.align_2(self.align_1(feature, seen))) + 0.5)
        return torch.stack(aligned, dim=1)

    def restore(self, aligned: Tensor) -> Tensor:
        """Aligned frames ``N 5 3 H W`` -> the centre frame ``N 3 4H 4W``."""
        answer: Tensor = self.reconstruct(aligned.flatten(1, 2) - 0.5)
        return answer + 0.5

    def fuse(self, features: Sequence[tuple[Tensor, ...]]) -> Tensor:
        """What ``encode`` gave for five frames -> the centre frame ``N 3 4H 4W``."""
        return self.restore(self.align(features))
