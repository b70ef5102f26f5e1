"""IndexNet: "Indices Matter: Learning to Index for Deep Image Matting" (Lu et al., ICCV 2019).

arXiv 1908.00672.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import SettingError
from finesight.models.matting.boundary import INPUTS, OUTPUTS, fit, normalised
from finesight.nn.learned_index import IndexBlock, IndexKind
from finesight.nn.traits import Traits
from finesight.nn.trimap import encoded

__all__ = ["Aspp", "Fitting", "IndexNet", "IndexedUpsample"]

Fitting = Literal["down", "up", "mirror"]

_GROUPS = ((1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1))
"""Expansion, channels and blocks of MobileNetV2's groups."""
_INDEXED = (0, 2, 3, 4, 6)
"""The layers after which indices halve the size."""
_DILATIONS = (2, 4, 8)


def _conv(inputs: int, outputs: int, kernel: int, *, dilation: int = 1, groups: int = 1, padding: int = 0) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, dilation=dilation, groups=groups, padding=padding, bias=False)


class NormedConv(nn.Sequential):
    """Convolution (name ``conv``), batch norm (name ``bn``), and ReLU6 unless ``linear``."""

    def __init__(self, conv: nn.Conv2d, *, linear: bool = False) -> None:
        layers: dict[str, nn.Module] = {"conv": conv, "bn": nn.BatchNorm2d(conv.out_channels)}
        super().__init__(OrderedDict(layers if linear else {**layers, "activate": nn.ReLU6()}))


class Separable(nn.Sequential):
    """A depthwise 3x3 convolution and a pointwise one; the latter without activation where ``linear``."""

    def __init__(self, inputs: int, outputs: int, *, dilation: int = 1, padding: int = 0, linear: bool = False) -> None:
        depthwise = _conv(inputs, inputs, 3, dilation=dilation, groups=inputs, padding=padding)
        layers = {
            "depthwise_conv": NormedConv(depthwise),
            "pointwise_conv": NormedConv(_conv(inputs, outputs, 1), linear=linear),
        }
        super().__init__(OrderedDict(layers))


class InvertedResidual(nn.Module):
    """MobileNetV2's block of stride 1; the block's input is padded, so that the ring goes through the expansion."""

    def __init__(self, inputs: int, outputs: int, *, expansion: int, skip: bool) -> None:
        super().__init__()
        self.skip = skip
        wide = inputs * expansion
        narrow = Separable(wide, outputs, linear=True)
        self.conv = narrow if expansion == 1 else nn.Sequential(NormedConv(_conv(inputs, wide, 1)), narrow)

    def forward(self, features: Tensor) -> Tensor:
        """``(N, inputs, H, W)`` to ``(N, outputs, H, W)``."""
        found: Tensor = self.conv(F.pad(features, (1, 1, 1, 1)))
        return found + features if self.skip else found


class Aspp(nn.Module):
    """Atrous spatial pyramid pooling: a pixel, dilated neighbourhoods and the average of the picture, side by side.

    Args:
        inputs, width, outputs: channels given, of each branch, and answered.
        dilations: of the three separable 3x3 convolutions.
    """

    def __init__(
        self, inputs: int, *, width: int = 256, outputs: int = 160, dilations: tuple[int, ...] = _DILATIONS
    ) -> None:
        super().__init__()
        average = nn.Sequential(nn.AdaptiveAvgPool2d(1), NormedConv(_conv(inputs, width, 1)))
        around = [Separable(inputs, width, dilation=dilation, padding=dilation) for dilation in dilations]
        self.convs = nn.ModuleList([NormedConv(_conv(inputs, width, 1)), *around, average])
        joined = _conv((2 + len(dilations)) * width, outputs, 1)
        self.project = nn.Sequential(NormedConv(joined), nn.Dropout(0.5))

    def forward(self, features: Tensor) -> Tensor:
        """``(N, inputs, H, W)`` to ``(N, outputs, H, W)``."""
        parts = [branch(features) for branch in self.convs]
        parts[-1] = parts[-1].expand_as(parts[0])
        found: Tensor = self.project(torch.cat(parts, dim=1))
        return found


class IndexedUpsample(nn.Module):
    """Enlarge by an index where there is one, then join a shortcut: 5x5 convolution, batch norm, ReLU6."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = NormedConv(_conv(inputs, outputs, 5, padding=2))

    def forward(self, features: Tensor, shortcut: Tensor, index: Tensor | None) -> Tensor:
        """``(N, C, H, W)``, and twice that size where ``index`` is given, to ``(N, outputs, H', W')``."""
        if index is not None:
            features = index * F.interpolate(features, scale_factor=2.0, mode="nearest")
        found: Tensor = self.conv(torch.cat((features, shortcut), dim=1))
        return found


class Encoder(nn.Module):
    """MobileNetV2 without strides; learned indices pool after five of its layers."""

    def __init__(self, *, index: IndexKind, context: bool, nonlinear: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = [NormedConv(_conv(4, 32, 3, padding=1))]
        widths = [32]
        for expansion, outputs, blocks in _GROUPS:
            group = [
                InvertedResidual(widths[-1] if i == 0 else outputs, outputs, expansion=expansion, skip=i > 0)
                for i in range(blocks)
            ]
            layers.append(nn.Sequential(*group))
            widths.append(outputs)
        self.widths = widths
        self.layers = nn.ModuleList(layers)
        self.index_layers = nn.ModuleList(
            IndexBlock(widths[layer], kind=index, context=context, nonlinear=nonlinear) for layer in _INDEXED
        )
        self.dconv = Aspp(widths[-1])

    def forward(self, inputs: Tensor) -> tuple[Tensor, list[tuple[Tensor, Tensor | None]]]:
        """``(N, 4, H, W)`` to the deepest features, and shortcuts with their decoder indices, largest first."""
        features, kept = inputs, []
        for number, layer in enumerate(self.layers):
            features = layer(features)
            index: Tensor | None = None
            if number in _INDEXED:
                own, index = self.index_layers[_INDEXED.index(number)](features)
                features = own * features
            kept.append((features, index))
            if index is not None:
                features = 4 * F.avg_pool2d(features, 2)
        return self.dconv(features), kept[:-1]


class Decoder(nn.Module):
    """Joins the shortcuts from deep to shallow, then draws alpha."""

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        shortcuts = widths[6::-1]  # of layers 6 .. 0
        given = (160, 96, 64, 32, 24, 16, 32)
        outputs = (*given[1:], 32)
        self.decoder_layers = nn.ModuleList(
            IndexedUpsample(before + shortcut, after)
            for before, shortcut, after in zip(given, shortcuts, outputs, strict=True)
        )
        last = nn.Conv2d(1, 1, 5, padding=2, bias=False)
        self.pred = nn.Sequential(NormedConv(_conv(32, 1, 5, padding=2)), last)

    def forward(self, features: Tensor, shortcuts: list[tuple[Tensor, Tensor | None]]) -> Tensor:
        """Alpha before it is clipped, ``(N, 1, H, W)``."""
        for layer, (shortcut, index) in zip(self.decoder_layers, reversed(shortcuts), strict=True):
            features = layer(features, shortcut, index)
        found: Tensor = self.pred(features)
        return found


class IndexNet(nn.Module):
    """Alpha from a picture and a trimap, learned indices for pooling (5,953,515 parameters).

    ``forward(image, trimap)``: RGB in [0, 1] ``(N, 3, H, W)`` and classes ``(N, 1, H, W)`` (0 background, 1 unknown,
    2 foreground) of any size to alpha ``(N, 1, H, W)``, in [0, 1] in evaluation, not clipped while training; known
    pixels are not imposed (``nn.trimap.impose``). The defaults are the published network (mmediting; the authors' file
    has other names).

    Args:
        index: where an index comes from, see ``IndexBlock``.
        context, nonlinear: of ``IndexBlock``.
        fitting: how a picture gets sides that are multiples of 32. ``down`` resizes to the next smaller ones (the
            published test; alpha is resized back), ``up`` to the next larger ones (the authors'), ``mirror`` pads.
    """

    renames = (
        ((r"^backbone\.", ""),),
        (
            (r"^layer0\.0\.", "encoder.layers.0.conv."),
            (r"^layer0\.1\.", "encoder.layers.0.bn."),
            (r"^layer(1)\.(\d)\.conv\.0\.", r"encoder.layers.\1.\2.conv.depthwise_conv.conv."),
            (r"^layer(1)\.(\d)\.conv\.1\.", r"encoder.layers.\1.\2.conv.depthwise_conv.bn."),
            (r"^layer(1)\.(\d)\.conv\.3\.", r"encoder.layers.\1.\2.conv.pointwise_conv.conv."),
            (r"^layer(1)\.(\d)\.conv\.4\.", r"encoder.layers.\1.\2.conv.pointwise_conv.bn."),
            (r"^layer(\d)\.(\d)\.conv\.0\.", r"encoder.layers.\1.\2.conv.0.conv."),
            (r"^layer(\d)\.(\d)\.conv\.1\.", r"encoder.layers.\1.\2.conv.0.bn."),
            (r"^layer(\d)\.(\d)\.conv\.3\.", r"encoder.layers.\1.\2.conv.1.depthwise_conv.conv."),
            (r"^layer(\d)\.(\d)\.conv\.4\.", r"encoder.layers.\1.\2.conv.1.depthwise_conv.bn."),
            (r"^layer(\d)\.(\d)\.conv\.6\.", r"encoder.layers.\1.\2.conv.1.pointwise_conv.conv."),
            (r"^layer(\d)\.(\d)\.conv\.7\.", r"encoder.layers.\1.\2.conv.1.pointwise_conv.bn."),
            *((rf"^index{layer}\.", f"encoder.index_layers.{place}.") for place, layer in enumerate(_INDEXED)),
            *((rf"\.indexnet{branch + 1}\.", f".index_blocks.{branch}.") for branch in range(4)),
            (r"(index_blocks\.\d)\.0\.", r"\1.0.conv."),
            (r"(index_blocks\.\d)\.1\.", r"\1.0.bn."),
            (r"(index_blocks\.\d)\.3\.", r"\1.1.conv."),
            (r"^dconv_pp\.aspp1\.atrous_conv\.0\.", "encoder.dconv.convs.0.conv."),
            (r"^dconv_pp\.aspp1\.atrous_conv\.1\.", "encoder.dconv.convs.0.bn."),
            *((rf"^dconv_pp\.aspp{branch + 1}\.", f"encoder.dconv.convs.{branch}.") for branch in (1, 2, 3)),
            (r"\.atrous_conv\.0\.", ".depthwise_conv.conv."),
            (r"\.atrous_conv\.1\.", ".depthwise_conv.bn."),
            (r"\.atrous_conv\.3\.", ".pointwise_conv.conv."),
            (r"\.atrous_conv\.4\.", ".pointwise_conv.bn."),
            (r"^dconv_pp\.global_avg_pool\.1\.", "encoder.dconv.convs.4.1.conv."),
            (r"^dconv_pp\.global_avg_pool\.2\.", "encoder.dconv.convs.4.1.bn."),
            (r"^dconv_pp\.bottleneck_conv\.0\.", "encoder.dconv.project.0.conv."),
            (r"^dconv_pp\.bottleneck_conv\.1\.", "encoder.dconv.project.0.bn."),
            *((rf"^decoder_layer{6 - place}\.", f"decoder.decoder_layers.{place}.") for place in range(7)),
            (r"\.dconv\.0\.", ".conv.conv."),
            (r"\.dconv\.1\.", ".conv.bn."),
            (r"^pred\.0\.0\.", "decoder.pred.0.conv."),
            (r"^pred\.0\.1\.", "decoder.pred.0.bn."),
            (r"^pred\.1\.", "decoder.pred.1."),
        ),
    )

    def __init__(
        self,
        *,
        index: IndexKind = "m2o",
        context: bool = True,
        nonlinear: bool = True,
        fitting: Fitting = "down",
    ) -> None:
        super().__init__()
        if fitting not in ("down", "up", "mirror"):
            raise SettingError(f"IndexNet fits pictures by down, up or mirror, got '{fitting}'.")
        self.fitting = fitting
        self.encoder = Encoder(index=index, context=context, nonlinear=nonlinear)
        self.decoder = Decoder(self.encoder.widths)
        self.traits = Traits(
            task="matting",
            halo=None,
            halo_reason="it averages over the whole picture",
            multiple=32,
            inputs=INPUTS,
            outputs=OUTPUTS,
        )

    def forward(self, image: Tensor, trimap: Tensor) -> Tensor:
        """See the class."""
        height, width = image.shape[-2:]
        padded, classes = fit(image, trimap, 32 if self.fitting == "mirror" else 1)
        if self.fitting != "mirror":
            extra = 31 if self.fitting == "up" else 0
            size = [max(32, (side + extra) // 32 * 32) for side in (height, width)]
            if size != [height, width]:
                padded = F.interpolate(padded, size, mode="bicubic", align_corners=False)
                classes = F.interpolate(classes, size, mode="nearest")
        alpha = self.raw(normalised(padded), classes)
        if self.fitting != "mirror" and alpha.shape[-2:] != image.shape[-2:]:
            alpha = F.interpolate(alpha, (height, width), mode="bicubic", align_corners=False)
        alpha = alpha[..., :height, :width]
        return alpha if self.training else alpha.clamp(0, 1)

    def raw(self, colours: Tensor, trimap: Tensor) -> Tensor:
        """Alpha before it is clipped, of normalised colours and classes; sides multiples of 32."""
        deepest, shortcuts = self.encoder(torch.cat((colours, encoded(trimap)), dim=1))
        found: Tensor = self.decoder(deepest, shortcuts)
        return found
