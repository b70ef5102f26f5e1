"""FLAVR: "FLAVR: Flow-Agnostic Video Representations for Fast Frame Interpolation" (Kalluri et al., WACV 2023,
arXiv 2012.08512)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.nn.clip import check_clip
from finesight.nn.padding import mirror_to_multiple
from finesight.nn.traits import Port, Traits

__all__ = ["Flavr"]

Enlargement = Literal["transpose", "trilinear"]
Triple = tuple[int, int, int]


class Gate(nn.Module):
    """Weigh each channel by what the whole clip holds."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attn_layer = nn.Sequential(nn.Conv3d(width, width, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """``N width T H W`` -> the same shape."""
        answer: Tensor = x * self.attn_layer(x.mean((-3, -2, -1), keepdim=True))
        return answer


class ClipConvolution(nn.Module):
    """3D convolution (name ``conv``), batch norm where asked (name ``bn``), ReLU where asked."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int | Triple = 3,
        *,
        stride: Triple = (1, 1, 1),
        padding: int | Triple = 1,
        bias: bool = False,
        batch_norm: bool = False,
        active: bool = True,
    ) -> None:
        super().__init__()
        self.active = active
        self.conv = nn.Conv3d(inputs, outputs, kernel, stride=stride, padding=padding, bias=bias)
        self.bn = nn.BatchNorm3d(outputs) if batch_norm else None
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """``N inputs T H W`` -> ``N outputs T H' W'``."""
        x = self.conv(x)
        if self.bn is not None:
            x = self.bn(x)
        return F.relu_(x) if self.active else x


class Block(nn.Module):
    """Residual block of the encoder with a gate."""

    def __init__(self, inputs: int, outputs: int, *, stride: Triple, bias: bool, batch_norm: bool) -> None:
        super().__init__()
        self.conv1 = ClipConvolution(inputs, outputs, stride=stride, bias=bias, batch_norm=batch_norm)
        self.conv2 = ClipConvolution(outputs, outputs, bias=bias, batch_norm=batch_norm, active=False)
        self.fg = Gate(outputs)
        self.downsample: nn.Module | None = None
        if stride != (1, 1, 1) or inputs != outputs:
            self.downsample = ClipConvolution(
                inputs, outputs, 1, stride=stride, padding=0, batch_norm=batch_norm, active=False
            )

    def forward(self, x: Tensor) -> Tensor:
        """``N inputs T H W`` -> ``N outputs T H' W'``."""
        shortcut = x if self.downsample is None else self.downsample(x)
        return F.relu_(self.fg(self.conv2(self.conv1(x))) + shortcut)


class Encoder(nn.Module):
    """Features at 1/2, 1/2, 1/4, 1/8 and 1/8 of the size; time is never reduced."""

    def __init__(self, widths: Sequence[int], blocks: Sequence[int], *, bias: bool, batch_norm: bool) -> None:
        super().__init__()
        self.stem_layer = ClipConvolution(
            3, widths[0], (3, 7, 7), stride=(1, 2, 2), padding=(1, 3, 3), bias=bias, batch_norm=batch_norm
        )
        strides: tuple[Triple, ...] = ((1, 1, 1), (1, 2, 2), (1, 2, 2), (1, 1, 1))
        stages = []
        inputs = widths[0]
        for width, count, stride in zip(widths, blocks, strides, strict=True):
            stage = nn.Sequential()
            for index in range(count):
                first = stride if index == 0 else (1, 1, 1)
                stage.append(Block(inputs, width, stride=first, bias=bias, batch_norm=batch_norm))
                inputs = width
            stages.append(stage)
        self.layer1, self.layer2, self.layer3, self.layer4 = stages

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """``N 3 T H W`` -> the stem's feature and those of the four stages."""
        x0 = self.stem_layer(x)
        x1 = self.layer1(x0)
        x2 = self.layer2(x1)
        x3 = self.layer3(x2)
        return x0, x1, x2, x3, self.layer4(x3)


class Smoothing(nn.Module):
    """3D convolution and gate at the same size."""

    def __init__(self, inputs: int, outputs: int, *, batch_norm: bool) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv3d(inputs, outputs, 3, padding=1), Gate(outputs))
        if batch_norm:
            self.conv.append(nn.BatchNorm3d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """``N inputs T H W`` -> ``N outputs T H W``."""
        return F.leaky_relu_(self.conv(x), 0.2)


class Doubling(nn.Module):
    """Twice the size in space, then a gate."""

    def __init__(self, inputs: int, outputs: int, *, enlargement: Enlargement, batch_norm: bool) -> None:
        super().__init__()
        layers: list[nn.Module]
        if enlargement == "transpose":
            layers = [nn.ConvTranspose3d(inputs, outputs, (3, 4, 4), stride=(1, 2, 2), padding=1)]
        else:
            layers = [
                nn.Upsample(scale_factor=(1, 2, 2), mode="trilinear", align_corners=False),
                nn.Conv3d(inputs, outputs, 1),
            ]
        layers.append(Gate(outputs))
        if batch_norm:
            layers.append(nn.BatchNorm3d(outputs))
        self.upconv = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """``N inputs T H W`` -> ``N outputs T 2H 2W``."""
        return F.leaky_relu_(self.upconv(x), 0.2)


class Decoder(nn.Module):
    """Back to full size, joined with the encoder's features on the way."""

    def __init__(
        self, widths: Sequence[int], *, join: Literal["concat", "add"], enlargement: Enlargement, batch_norm: bool
    ) -> None:
        super().__init__()
        self.join = join
        grown = 2 if join == "concat" else 1
        self.layer0 = Smoothing(widths[3], widths[2], batch_norm=batch_norm)
        self.layer1 = Doubling(grown * widths[2], widths[1], enlargement=enlargement, batch_norm=batch_norm)
        self.layer2 = Doubling(grown * widths[1], widths[0], enlargement=enlargement, batch_norm=batch_norm)
        self.layer3 = Smoothing(grown * widths[0], widths[0], batch_norm=batch_norm)
        self.layer4 = Doubling(grown * widths[0], widths[0], enlargement=enlargement, batch_norm=batch_norm)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """The encoder's five features -> ``N widths[0] T H W``."""
        x0, x1, x2, x3, x = features
        for layer, skip in ((self.layer0, x3), (self.layer1, x2), (self.layer2, x1), (self.layer3, x0)):
            x = layer(x)
            x = torch.cat((x, skip), dim=1) if self.join == "concat" else x + skip
        answer: Tensor = self.layer4(x)
        return answer


class FrameFusion(nn.Module):
    """1x1 convolution over the frames side by side (name ``conv``), batch norm where asked, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, *, batch_norm: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.bn = nn.BatchNorm2d(outputs) if batch_norm else None
        nn.init.kaiming_normal_(self.conv.weight, a=0.2, mode="fan_out", nonlinearity="leaky_relu")

    def forward(self, x: Tensor) -> Tensor:
        """``N inputs H W`` -> ``N outputs H W``."""
        x = self.conv(x)
        return F.leaky_relu_(x if self.bn is None else self.bn(x), 0.2)


class Flavr(nn.Module):
    """New frames in the middle of a window, by a 3D U-Net without flow.

    ``forward`` takes ``N T 3 H W`` RGB in [0, 1] with T = ``frames``, any size, and gives ``N 3 H W``
    (``N outputs 3 H W`` for more than one), not clipped.

    Args:
        frames: in; ``outputs``: new frames out.
        widths: channels of the four stages.
        blocks: residual blocks of the four stages.
        bias: in the encoder's convolutions.
        batch_norm: after every convolution; the published network has none.
        join: how the decoder takes the encoder's features.
        enlargement: transposed convolutions, or trilinear enlargement and a 1x1x1 convolution.
    """

    def __init__(
        self,
        *,
        frames: int = 4,
        outputs: int = 1,
        widths: tuple[int, int, int, int] = (64, 128, 256, 512),
        blocks: tuple[int, int, int, int] = (2, 2, 2, 2),
        bias: bool = False,
        batch_norm: bool = False,
        join: Literal["concat", "add"] = "concat",
        enlargement: Enlargement = "transpose",
    ) -> None:
        super().__init__()
        self.outputs = outputs
        self.encoder = Encoder(widths, blocks, bias=bias, batch_norm=batch_norm)
        self.decoder = Decoder(widths, join=join, enlargement=enlargement, batch_norm=batch_norm)
        self.feature_fuse = FrameFusion(widths[0] * frames, widths[0], batch_norm=batch_norm)
        self.conv_last = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(widths[0], 3 * outputs, 7))
        self.traits = Traits(
            task="interpolation",
            kind="window",
            halo=None,
            halo_reason="mean colours and gates look at the whole clip",
            frames=frames,
            inputs=(Port("clip"),),
            outputs=(Port("image" if outputs == 1 else "clip"),),
        )

    def forward(self, clip: Tensor) -> Tensor:
        check_clip(clip, frames=self.traits.frames)
        return self.fuse([self.encode(frame) for frame in clip.unbind(1)])

    def encode(self, frame: Tensor) -> tuple[Tensor, ...]:
        """The frame itself: every layer mixes the frames of a window, so there is nothing to share."""
        return (frame,)

    def fuse(self, features: Sequence[tuple[Tensor, ...]]) -> Tensor:
        """The frames of a window -> the new frame, or frames."""
        clip = torch.stack([frame for (frame,) in features], dim=2)  # n 3 t h w
        mean = clip.mean((2, 3, 4), keepdim=True)
        centred = (clip - mean).transpose(1, 2)  # n t 3 h w
        padded = mirror_to_multiple(centred.flatten(0, 1), 8)
        padded = padded.view(*centred.shape[:3], *padded.shape[-2:]).transpose(1, 2)
        decoded = self.decoder(self.encoder(padded))
        side_by_side = decoded.transpose(1, 2).flatten(1, 2)  # n (t c) h w
        new: Tensor = self.conv_last(self.feature_fuse(side_by_side))
        new = new[..., : clip.shape[-2], : clip.shape[-1]]
        new = new.view(new.shape[0], self.outputs, 3, *new.shape[-2:]) if self.outputs > 1 else new
        return new + (mean.squeeze(2) if self.outputs == 1 else mean.transpose(1, 2))
