"""EDVR: "Video Restoration with Enhanced Deformable Convolutional Networks" (Wang et al., CVPRW 2019,
arXiv 1905.02716)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import SettingError
from finesight.models.video.basicvsr import FourTimes
from finesight.nn.clip import check_clip
from finesight.nn.deformable import ModulatedDeformablePack
from finesight.nn.padding import mirror_to_multiple
from finesight.nn.residual import ResidualBlock, kaiming_
from finesight.nn.traits import Port, Traits

__all__ = ["Edvr", "EdvrFeatures"]

LEVELS = (3, 2, 1)


class LeakyConvolution(nn.Module):
    """Convolution (name ``conv``) and leaky ReLU 0.1, or no activation."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, *, stride: int = 1, active: bool = True, uniform: bool = False
    ) -> None:
        super().__init__()
        self.active = active
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2)
        fill = nn.init.kaiming_uniform_ if uniform else nn.init.kaiming_normal_
        fill(self.conv.weight, a=0.1, mode="fan_out", nonlinearity="leaky_relu")
        if self.conv.bias is not None:
            nn.init.zeros_(self.conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        """``N inputs H W`` -> ``N outputs H' W'``."""
        x = self.conv(x)
        return F.leaky_relu_(x, 0.1) if self.active else x


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class PyramidAlignment(nn.Module):
    """PCD: align a frame's features to the reference's, from coarse to fine, then once more (paper, section 3.2)."""

    def __init__(self, width: int, deform_groups: int) -> None:
        super().__init__()
        names = [f"l{level}" for level in LEVELS]
        self.offset_conv1 = nn.ModuleDict({name: LeakyConvolution(2 * width, width) for name in names})
        self.offset_conv2 = nn.ModuleDict(
            {name: LeakyConvolution(width if name == "l3" else 2 * width, width) for name in names}
        )
        self.offset_conv3 = nn.ModuleDict({name: LeakyConvolution(width, width) for name in names[1:]})
        self.dcn_pack = nn.ModuleDict(
            {name: ModulatedDeformablePack(width, width, deform_groups=deform_groups) for name in names}
        )
        self.feat_conv = nn.ModuleDict(
            {name: LeakyConvolution(2 * width, width, active=name != "l1") for name in names[1:]}
        )
        self.cas_offset_conv1 = LeakyConvolution(2 * width, width)
        self.cas_offset_conv2 = LeakyConvolution(width, width)
        self.cas_dcnpack = ModulatedDeformablePack(width, width, deform_groups=deform_groups)

    def forward(self, neighbour: Sequence[Tensor], reference: Sequence[Tensor]) -> Tensor:
        """Three levels ``N width H W``, ``H/2 W/2``, ``H/4 W/4`` of each -> aligned ``N width H W``."""
        offset = feature = reference[0]  # overwritten at the coarsest level
        for level in LEVELS:
            name = f"l{level}"
            here = neighbour[level - 1]
            seen = self.offset_conv1[name](torch.cat((here, reference[level - 1]), dim=1))
            if level == 3:
                offset = self.offset_conv2[name](seen)
                feature = F.leaky_relu_(self.dcn_pack[name](here, offset), 0.1)
                continue
            below = _double(offset) * 2  # offsets are in pixels of their level
            offset = self.offset_conv3[name](self.offset_conv2[name](torch.cat((seen, below), dim=1)))
            aligned = self.dcn_pack[name](here, offset)
            feature = self.feat_conv[name](torch.cat((aligned, _double(feature)), dim=1))
        offset = self.cas_offset_conv2(self.cas_offset_conv1(torch.cat((feature, reference[0]), dim=1)))
        return F.leaky_relu_(self.cas_dcnpack(feature, offset), 0.1)


class AttentionFusion(nn.Module):
    """TSA: weigh each frame by its likeness to the centre, then weigh positions (paper, section 3.3)."""

    def __init__(self, width: int, frames: int, centre: int) -> None:
        super().__init__()
        self.centre = centre
        self.temporal_attn1 = nn.Conv2d(width, width, 3, padding=1)
        self.temporal_attn2 = nn.Conv2d(width, width, 3, padding=1)
        self.feat_fusion = LeakyConvolution(frames * width, width, 1, uniform=True)
        self.spatial_attn1 = LeakyConvolution(frames * width, width, 1, uniform=True)
        self.spatial_attn2 = LeakyConvolution(2 * width, width, 1, uniform=True)
        self.spatial_attn3 = LeakyConvolution(width, width, uniform=True)
        self.spatial_attn4 = LeakyConvolution(width, width, 1, uniform=True)
        self.spatial_attn5 = nn.Conv2d(width, width, 3, padding=1)
        self.spatial_attn_l1 = LeakyConvolution(width, width, 1, uniform=True)
        self.spatial_attn_l2 = LeakyConvolution(2 * width, width, uniform=True)
        self.spatial_attn_l3 = LeakyConvolution(width, width, uniform=True)
        self.spatial_attn_add1 = LeakyConvolution(width, width, 1, uniform=True)
        self.spatial_attn_add2 = nn.Conv2d(width, width, 1)

    def forward(self, aligned: Sequence[Tensor]) -> Tensor:
        """Features of each frame, ``N width H W`` -> one of the same shape."""
        centre = self.temporal_attn1(aligned[self.centre])
        weighted = [
            feature * torch.sigmoid((self.temporal_attn2(feature) * centre).sum(1, keepdim=True)) for feature in aligned
        ]
        together = torch.cat(weighted, dim=1)
        attention = self.spatial_attn2(_pooled(self.spatial_attn1(together)))
        lower = self.spatial_attn_l2(_pooled(self.spatial_attn_l1(attention)))
        lower = _double(self.spatial_attn_l3(lower))
        attention = self.spatial_attn4(self.spatial_attn3(attention) + lower)
        attention = self.spatial_attn5(_double(attention))
        added = self.spatial_attn_add2(self.spatial_attn_add1(attention))
        answer: Tensor = self.feat_fusion(together) * torch.sigmoid(attention) * 2 + added
        return answer


def _pooled(x: Tensor) -> Tensor:
    """Largest and mean of 3x3 at half the size; the mean counts the padding, as published."""
    return torch.cat((F.max_pool2d(x, 3, stride=2, padding=1), F.avg_pool2d(x, 3, stride=2, padding=1)), dim=1)


class EdvrFeatures(nn.Module):
    """EDVR up to the fused feature of the centre frame: also what IconVSR refills its key frames with.

    Sides must be multiples of 4 here (``Edvr`` and ``IconVsr`` pad).

    Args:
        width: channels.
        frames: of a window.
        deform_groups: of every deformable convolution.
        extraction_blocks: residual blocks of each frame's features.
        centre: index of the frame that is restored; ``None`` is the middle.
        attention: fuse by temporal and spatial attention (TSA), or by one 1x1 convolution.
    """

    def __init__(
        self,
        width: int = 64,
        *,
        frames: int = 5,
        deform_groups: int = 8,
        extraction_blocks: int = 5,
        centre: int | None = None,
        attention: bool = True,
    ) -> None:
        super().__init__()
        self.centre = frames // 2 if centre is None else centre
        if not 0 <= self.centre < frames:
            raise SettingError(f"EDVR with {frames} frames has no frame {self.centre} to restore.")
        self.conv_first = nn.Conv2d(3, width, 3, padding=1)
        self.feature_extraction = nn.Sequential(*(ResidualBlock(width) for _ in range(extraction_blocks)))
        kaiming_(self.feature_extraction, 0.1)
        self.feat_l2_conv1 = LeakyConvolution(width, width, stride=2)
        self.feat_l2_conv2 = LeakyConvolution(width, width)
        self.feat_l3_conv1 = LeakyConvolution(width, width, stride=2)
        self.feat_l3_conv2 = LeakyConvolution(width, width)
        self.pcd_alignment = PyramidAlignment(width, deform_groups)
        self.fusion = AttentionFusion(width, frames, self.centre) if attention else nn.Conv2d(frames * width, width, 1)
        self.traits = Traits(
            task="features",
            kind="window",
            halo=None,
            halo_reason="learned offsets may point anywhere",
            multiple=4,
            minimum=4,
            frames=frames,
            inputs=(Port("clip"),),
            outputs=(Port("features", channels=width),),
        )

    def pyramid(self, frame: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features of one frame at full, half and quarter size."""
        first = self.feature_extraction(F.leaky_relu_(self.conv_first(frame), 0.1))
        second = self.feat_l2_conv2(self.feat_l2_conv1(first))
        return first, second, self.feat_l3_conv2(self.feat_l3_conv1(second))

    def fused_feature(self, pyramids: Sequence[Sequence[Tensor]]) -> Tensor:
        """Pyramids of a window -> the feature of its centre, ``N width H W``."""
        reference = pyramids[self.centre]
        aligned = [self.pcd_alignment(neighbour, reference) for neighbour in pyramids]
        fused: Tensor = self.fusion(aligned if isinstance(self.fusion, AttentionFusion) else torch.cat(aligned, dim=1))
        return fused

    def encode(self, frame: Tensor) -> tuple[Tensor, ...]:
        """The same as ``pyramid``."""
        return self.pyramid(frame)

    def fuse(self, features: Sequence[tuple[Tensor, ...]]) -> Tensor:
        """The same as ``fused_feature``."""
        return self.fused_feature(features)

    def forward(self, clip: Tensor) -> Tensor:
        """``N T 3 H W`` with T = ``frames`` -> ``N width H W``."""
        check_clip(clip, frames=self.traits.frames)
        return self.fuse([self.encode(frame) for frame in clip.unbind(1)])


class Edvr(EdvrFeatures, FourTimes):
    """x4 super-resolution of the centre of a window of frames. The defaults are EDVR-M.

    ``forward`` takes ``N T 3 H W`` RGB in [0, 1], any size, and gives the centre frame ``N 3 4H 4W``, not clipped.

    Published: EDVR-M (the defaults), EDVR-L (``width=128, blocks=40``), both also with ``attention=False``.

    Args:
        width, frames, deform_groups, extraction_blocks, centre, attention: see ``EdvrFeatures``.
        blocks: residual blocks after the fusion.
    """

    def __init__(
        self,
        width: int = 64,
        blocks: int = 10,
        *,
        frames: int = 5,
        deform_groups: int = 8,
        extraction_blocks: int = 5,
        centre: int | None = None,
        attention: bool = True,
    ) -> None:
        super().__init__(
            width,
            frames=frames,
            deform_groups=deform_groups,
            extraction_blocks=extraction_blocks,
            centre=centre,
            attention=attention,
        )
        self.reconstruction = nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)))
        kaiming_(self.reconstruction, 0.1)
        self.make_tail(width)
        self.traits = Traits(
            task="super-resolution",
            kind="window",
            scale=4,
            halo=None,
            halo_reason="learned offsets may point anywhere",
            multiple=4,
            frames=frames,
            inputs=(Port("clip"),),
            outputs=(Port("image", ratio=Fraction(4)),),
        )

    def encode(self, frame: Tensor) -> tuple[Tensor, ...]:
        """``N 3 H W`` -> its three feature levels and the frame itself."""
        return (*self.pyramid(mirror_to_multiple(frame, 4)), frame)

    def fuse(self, features: Sequence[tuple[Tensor, ...]]) -> Tensor:
        """What ``encode`` gave for each frame of a window -> the centre frame, ``N 3 4H 4W``."""
        frame = features[self.centre][3]
        residue = self.residue(self.reconstruction(self.fused_feature(features)))
        base = F.interpolate(frame, scale_factor=4, mode="bilinear", align_corners=False)
        return residue[..., : base.shape[-2], : base.shape[-1]] + base
