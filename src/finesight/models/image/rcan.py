"""RCAN: "Image Super-Resolution Using Very Deep Residual Channel Attention Networks" (Zhang et al., ECCV 2018).

arXiv 1807.02758, section 3.
"""

from __future__ import annotations

from fractions import Fraction

import torch
from torch import Tensor, nn

from finesight.models.image.edsr import DIV2K_MEAN
from finesight.nn.traits import Port, Traits
from finesight.nn.upsampling import enlarging_steps

__all__ = ["Rcan"]


class ChannelAttention(nn.Module):
    """Weigh each channel by a number in (0, 1) computed from the means of all channels.

    Args:
        width: channels.
        squeeze: the hidden layer has ``width // squeeze`` channels.
    """

    def __init__(self, width: int, squeeze: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(width, width // squeeze, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width // squeeze, width, 1),
            nn.Sigmoid(),
        )

    def forward(self, features: Tensor) -> Tensor:
        """``(N, width, H, W)`` to the same."""
        weights: Tensor = self.attention(features)
        return features * weights


class Rcab(nn.Module):
    """Residual channel attention block: conv3, ReLU, conv3, channel attention, times ``scale``, plus the input.

    Args:
        width: channels.
        squeeze: of the channel attention.
        scale: weight of the branch.
    """

    def __init__(self, width: int, squeeze: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.rcab = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1),
            ChannelAttention(width, squeeze),
        )

    def forward(self, features: Tensor) -> Tensor:
        """``(N, width, H, W)`` to the same."""
        branch: Tensor = self.rcab(features)
        if self.scale != 1:
            branch = branch.mul_(self.scale)
        return branch.add_(features)


class ResidualGroup(nn.Module):
    """Blocks in sequence, a 3x3 convolution, plus the input.

    Args:
        width, blocks, squeeze, residual_scale: see ``Rcan``.
    """

    def __init__(self, width: int, blocks: int, squeeze: int, residual_scale: float) -> None:
        super().__init__()
        self.residual_group = nn.Sequential(*(Rcab(width, squeeze, residual_scale) for _ in range(blocks)))
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """``(N, width, H, W)`` to the same."""
        answer: Tensor = self.conv(self.residual_group(features))
        return answer.add_(features)


class Rcan(nn.Module):
    """RCAN. The defaults are the published x4; ``scale=1`` has no upsampler and is HGGT's enhancement 01 and 02.

    ``forward`` takes RGB in [0, 1], ``(N, C, H, W)``, any size, and gives ``(N, C', scale H, scale W)``, not clamped.

    Args:
        scale: 1, 3 or a power of two.
        width, groups, blocks: channels, residual groups, blocks in each group (BasicSR's class defaults to 16; every
            published configuration has 20).
        squeeze: the attention's hidden layer has ``width // squeeze`` channels.
        residual_scale: weight of each block's branch.
        inputs, outputs: channels of the pictures.
        peak: the values in [0, 1] are multiplied by this inside.
        mean: per channel, in [0, 1]; taken off the input and put back on the output.
    """

    renames = (
        (  # RCAN authors', on EDSR-PyTorch; works in [0, 255] as ours does
            (r"^head\.0\.", "conv_first."),
            (r"^body\.\d+\.(weight|bias)$", r"conv_after_body.\1"),
            (r"^body\.(\d+)\.body\.\d+\.(weight|bias)$", r"body.\1.conv.\2"),
            (r"^body\.(\d+)\.body\.(\d+)\.body\.([02])\.", r"body.\1.residual_group.\2.rcab.\3."),
            (r"^body\.(\d+)\.body\.(\d+)\.body\.3\.conv_du\.0\.", r"body.\1.residual_group.\2.rcab.3.attention.1."),
            (r"^body\.(\d+)\.body\.(\d+)\.body\.3\.conv_du\.2\.", r"body.\1.residual_group.\2.rcab.3.attention.3."),
            (r"^tail\.0\.([02])\.", r"upsample.\1."),
            (r"^tail\.1\.", "conv_last."),
        ),
    )
    ignored = (r"^(sub|add)_mean\.",)

    def __init__(
        self,
        *,
        scale: int = 4,
        width: int = 64,
        groups: int = 10,
        blocks: int = 20,
        squeeze: int = 16,
        residual_scale: float = 1.0,
        inputs: int = 3,
        outputs: int = 3,
        peak: float = 255.0,
        mean: tuple[float, ...] = DIV2K_MEAN,
    ) -> None:
        super().__init__()
        self.peak = peak
        self.conv_first = nn.Conv2d(inputs, width, 3, padding=1)
        self.body = nn.Sequential(*(ResidualGroup(width, blocks, squeeze, residual_scale) for _ in range(groups)))
        self.conv_after_body = nn.Conv2d(width, width, 3, padding=1)
        upsample: list[nn.Module] = []
        for step in enlarging_steps(scale, name="RCAN"):
            upsample += [nn.Conv2d(width, width * step * step, 3, padding=1), nn.PixelShuffle(step)]
        self.upsample = nn.Sequential(*upsample)
        self.conv_last = nn.Conv2d(width, outputs, 3, padding=1)
        self.mean: Tensor
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.traits = Traits(
            task="super-resolution" if scale > 1 else "restoration",
            scale=scale,
            halo=None,
            halo_reason="channel attention averages over the whole picture",
            inputs=(Port("image", channels=inputs),),
            outputs=(Port("image", ratio=Fraction(scale), channels=outputs),),
        )

    def forward(self, image: Tensor) -> Tensor:
        first = self.conv_first((image - self.mean) * self.peak)
        features = self.conv_after_body(self.body(first)).add_(first)
        answer: Tensor = self.conv_last(self.upsample(features))
        return answer / self.peak + self.mean
