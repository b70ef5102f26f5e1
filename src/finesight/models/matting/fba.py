"""The network of "F, B, Alpha Matting" (Forte and Pitie, arXiv 2003.07711): alpha and both colours at once.

mmediting 0.16.1 holds its components without a configuration or weights; they are put together here as it has them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import SettingError
from finesight.models.matting.boundary import INPUTS, fit, normalised
from finesight.nn.fba_fusion import fuse_estimates
from finesight.nn.traits import Port, Traits
from finesight.nn.trimap import transformed, two_channels

__all__ = ["Fba"]

_GROUPS = 32
_SMALL = 1e-5


class StandardisedConv(nn.Conv2d):
    """Convolution whose filters have mean 0 and deviation 1 ("Weight Standardization", Qiao et al., 2019)."""

    def forward(self, features: Tensor) -> Tensor:
        """``(N, inputs, H, W)`` to ``(N, outputs, H', W')``."""
        flat = self.weight.flatten(1)
        deviation, mean = torch.std_mean(flat, dim=1, keepdim=True)
        kernel = ((flat - mean) / (deviation + _SMALL)).view_as(self.weight)
        return F.conv2d(features, kernel, self.bias, self.stride, self.padding, self.dilation)


def _norm(width: int) -> nn.GroupNorm:
    return nn.GroupNorm(min(_GROUPS, max(1, width // 2)), width)  # at least two channels a group


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions beside the identity (or a 1x1 convolution where the shape changes)."""

    def __init__(self, inputs: int, width: int, *, stride: int, dilation: int, changed: bool) -> None:
        super().__init__()
        self.conv1 = StandardisedConv(inputs, width, 1, bias=False)
        self.gn1 = _norm(width)
        self.conv2 = StandardisedConv(width, width, 3, stride, dilation, dilation, bias=False)
        self.gn2 = _norm(width)
        self.conv3 = StandardisedConv(width, 4 * width, 1, bias=False)
        self.gn3 = _norm(4 * width)
        self.downsample: nn.Module = nn.Identity()
        if changed:
            reduce = StandardisedConv(inputs, 4 * width, 1, stride, bias=False)
            self.downsample = nn.Sequential(reduce, _norm(4 * width))

    def forward(self, features: Tensor) -> Tensor:
        """``(N, inputs, H, W)`` to ``(N, 4 width, H / stride, W / stride)``."""
        found = F.relu(self.gn1(self.conv1(features)))
        found = F.relu(self.gn2(self.conv2(found)))
        return F.relu(self.gn3(self.conv3(found)) + self.downsample(features))


class Encoder(nn.Module):
    """ResNet-50 of 11 input channels that stops halving at an eighth of the size."""

    def __init__(self, width: int, blocks: Sequence[int]) -> None:
        super().__init__()
        self.conv1 = StandardisedConv(11, width, 7, 2, 3, bias=False)
        self.gn1 = _norm(width)
        before = width
        for level, (count, stride, dilation) in enumerate(zip(blocks, (1, 2, 1, 1), (1, 1, 2, 4), strict=True)):
            own = width << level
            layer = [
                Bottleneck(
                    before if i == 0 else 4 * own,
                    own,
                    stride=stride if i == 0 else 1,
                    dilation=dilation if i else max(1, dilation // 2),
                    changed=i == 0,
                )
                for i in range(count)
            ]
            self.add_module(f"layer{level + 1}", nn.Sequential(*layer))
            before = 4 * own

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``(N, 11, H, W)`` to features at a half, a quarter and an eighth of the size."""
        stem = F.relu(self.gn1(self.conv1(inputs)))
        first = self.get_submodule("layer1")(F.max_pool2d(stem, 3, 2, 1))
        deepest = first
        for level in (2, 3, 4):
            deepest = self.get_submodule(f"layer{level}")(deepest)
        return stem, first, deepest


def _step(inputs: int, outputs: int) -> list[nn.Module]:
    return [StandardisedConv(inputs, outputs, 3, padding=1), _norm(outputs), nn.ReLU()]


class Decoder(nn.Module):
    """Means over the picture at four sizes, then three doublings; the last sees the picture itself."""

    def __init__(self, width: int, scales: Sequence[int]) -> None:
        super().__init__()
        deepest, middle = 32 * width, 4 * width
        self.ppm = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(scale), StandardisedConv(deepest, middle, 1), _norm(middle), nn.ReLU())
            for scale in scales
        )
        self.conv_up1 = nn.Sequential(*_step(deepest + middle * len(scales), middle), *_step(middle, middle))
        self.conv_up2 = nn.Sequential(*_step(2 * middle, middle))
        self.conv_up3 = nn.Sequential(*_step(middle + width, width))
        half, quarter = width // 2, width // 4
        self.conv_up4 = nn.Sequential(
            OrderedDict(
                {
                    "0": nn.Conv2d(width + 8, half, 3, padding=1),
                    "1": nn.ReLU(),
                    "2": nn.Conv2d(half, quarter, 3, padding=1),
                    "3": nn.ReLU(),
                    "4": nn.Conv2d(quarter, 7, 1),
                }
            )
        )

    def forward(self, stem: Tensor, first: Tensor, deepest: Tensor, picture: Tensor) -> Tensor:
        """Features and ``(N, 8, H, W)`` (normalised colours, colours, two-channel trimap) to seven raw channels."""
        size = deepest.shape[-2:]
        means = [F.interpolate(pool(deepest), size, mode="bilinear") for pool in self.ppm]
        features = self.conv_up1(torch.cat((deepest, *means), dim=1))
        features = self.conv_up2(torch.cat((_doubled(features), first), dim=1))
        features = self.conv_up3(torch.cat((_doubled(features), stem), dim=1))
        found: Tensor = self.conv_up4(torch.cat((_doubled(features), picture), dim=1))
        return found


class Fba(nn.Module):
    """Alpha, foreground and background from a picture and a trimap (34,693,031 parameters); no published weights.

    ``forward(image, trimap)``: RGB in [0, 1] ``(N, 3, H, W)`` and classes ``(N, 1, H, W)`` (0 background, 1 unknown,
    2 foreground) of any size to alpha ``(N, 1, H, W)``, foreground and background ``(N, 3, H, W)``, all in [0, 1];
    known pixels are not imposed (``nn.trimap.impose``).

    Args:
        width: channels of the stem; a multiple of 4.
        blocks: of the four groups of the encoder.
        pool_scales: sizes that the deepest features are averaged to.
        fuse: bring the three nearer to what the picture says (``nn.fba_fusion``).
    """

    renames = (((r"^backbone\.", ""),),)

    def __init__(
        self,
        *,
        width: int = 64,
        blocks: Sequence[int] = (3, 4, 6, 3),
        pool_scales: Sequence[int] = (1, 2, 3, 6),
        fuse: bool = True,
    ) -> None:
        super().__init__()
        if len(blocks) != 4 or width % 4:
            raise SettingError(f"FBA has four groups and a width divisible by 4, got {tuple(blocks)} and {width}.")
        self.fuse = fuse
        self.encoder = Encoder(width, blocks)
        self.decoder = Decoder(width, pool_scales)
        self.traits = Traits(
            task="matting",
            halo=None,
            halo_reason="features are averaged over the picture",
            multiple=8,
            inputs=INPUTS,
            outputs=(Port("alpha", channels=1), Port("foreground"), Port("background")),
        )

    def forward(self, image: Tensor, trimap: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See the class."""
        height, width = image.shape[-2:]
        image, trimap = fit(image, trimap, 8)
        pair = two_channels(trimap)
        raw = self.raw(normalised(image), transformed(trimap), pair, image)
        alpha, front, back = raw[:, :1].clamp(0, 1), raw[:, 1:4].sigmoid(), raw[:, 4:].sigmoid()
        if self.fuse:
            alpha, front, back = fuse_estimates(alpha, image, front, back)
        return alpha[..., :height, :width], front[..., :height, :width], back[..., :height, :width]

    def raw(self, colours: Tensor, distances: Tensor, pair: Tensor, image: Tensor) -> Tensor:
        """Seven channels (alpha, foreground, background) before their activations; sides multiples of 8.

        Args:
            colours: normalised, ``(N, 3, H, W)``.
            distances: ``(N, 6, H, W)``, see ``nn.trimap.transformed``.
            pair: ``(N, 2, H, W)``, see ``nn.trimap.two_channels``.
            image: RGB in [0, 1].
        """
        stem, first, deepest = self.encoder(torch.cat((colours, distances, pair), dim=1))
        found: Tensor = self.decoder(stem, first, deepest, torch.cat((colours, image, pair), dim=1))
        return found


def _doubled(features: Tensor) -> Tensor:
    return F.interpolate(features, scale_factor=2.0, mode="bilinear")
