"""GCA: "Natural Image Matting via Guided Contextual Attention" (Li and Lu, AAAI 2020), and its baseline.

arXiv 2001.04069.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import SettingError
from finesight.models.matting.boundary import INPUTS, OUTPUTS, fit, normalised
from finesight.nn.guided_attention import GuidedContextualAttention
from finesight.nn.reach import Reach, halo
from finesight.nn.spectral import SpectralConv2d
from finesight.nn.spectral_transposed import SpectralConvTranspose2d
from finesight.nn.traits import Traits
from finesight.nn.trimap import one_hot

__all__ = ["Gca"]

_LEAKY = partial(F.leaky_relu, negative_slope=0.2)


class NormedConv(nn.Module):
    """Spectrally normalised convolution (name ``conv``), batch norm (name ``bn``).

    Args:
        inputs, outputs, kernel, stride: of the convolution; the size stays but for the stride.
        transposed: enlarge by ``stride`` instead; kernel 4, stride 2.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, *, stride: int = 1, transposed: bool = False
    ) -> None:
        super().__init__()
        self.conv: SpectralConv2d | SpectralConvTranspose2d
        if transposed:
            self.conv = SpectralConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)
        else:
            self.conv = SpectralConv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2)
        nn.init.kaiming_normal_(self.conv.weight_orig, mode="fan_out", nonlinearity="relu")
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, features: Tensor) -> Tensor:
        """``(N, inputs, H, W)`` to ``(N, outputs, H', W')``."""
        found: Tensor = self.bn(self.conv(features))
        return found


class ReluThenNorm(nn.Module):
    """Spectrally normalised 3x3 convolution, ReLU, then batch norm.

    Args:
        inputs, outputs, stride: of the convolution.
        mirrored: pixels beyond the border are mirrored ones, not zero.
    """

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1, mirrored: bool = False) -> None:
        super().__init__()
        self.mirrored = mirrored
        self.conv = SpectralConv2d(inputs, outputs, 3, stride=stride, padding=0 if mirrored else 1)
        nn.init.kaiming_normal_(self.conv.weight_orig, mode="fan_out", nonlinearity="relu")
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, features: Tensor) -> Tensor:
        """``(N, inputs, H, W)`` to ``(N, outputs, H', W')``."""
        if self.mirrored:
            features = F.pad(features, (1, 1, 1, 1), mode="reflect")
        found: Tensor = self.bn(F.relu(self.conv(features)))
        return found


class EncoderBlock(nn.Module):
    """Two 3x3 convolutions beside the identity, which is averaged over 2x2 pixels where the block halves the size."""

    def __init__(self, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = NormedConv(inputs, outputs, stride=stride)
        self.conv2 = NormedConv(outputs, outputs)
        self.interpolation = (
            nn.Sequential(nn.AvgPool2d(2, 2), NormedConv(inputs, outputs, 1)) if stride == 2 else nn.Identity()
        )

    def forward(self, features: Tensor) -> Tensor:
        """``(N, inputs, H, W)`` to ``(N, outputs, H / stride, W / stride)``."""
        return F.relu(self.conv2(F.relu(self.conv1(features))) + self.interpolation(features))


class DecoderBlock(nn.Module):
    """Two convolutions beside the identity; ``enlarge`` doubles the size, by a transposed convolution and nearest."""

    def __init__(self, inputs: int, outputs: int, *, enlarge: bool) -> None:
        super().__init__()
        self.conv1 = NormedConv(inputs, inputs, transposed=enlarge)
        self.conv2 = NormedConv(inputs, outputs)
        self.interpolation = (
            nn.Sequential(nn.UpsamplingNearest2d(scale_factor=2), NormedConv(inputs, outputs, 1))
            if enlarge
            else nn.Identity()
        )

    def forward(self, features: Tensor) -> Tensor:
        """``(N, inputs, H, W)`` to ``(N, outputs, H', W')``."""
        return _LEAKY(self.conv2(_LEAKY(self.conv1(features))) + self.interpolation(features))


class Encoder(nn.Module):
    """Features at five sizes; with ``attention`` the third level has been through guided attention."""

    def __init__(self, inputs: int, width: int, blocks: Sequence[int], *, attention: bool, chunk: int) -> None:
        super().__init__()
        self.conv1 = NormedConv(inputs, width, stride=2)
        self.conv2 = NormedConv(width, width)
        self.conv3 = NormedConv(width, 2 * width, stride=2)
        before = 2 * width
        for level, count in enumerate(blocks):
            after = 2 * width << level
            stride = 2 if level else 1
            layer = [
                EncoderBlock(before if i == 0 else after, after, stride=stride if i == 0 else 1) for i in range(count)
            ]
            self.add_module(f"layer{level + 1}", nn.Sequential(*layer))
            before = after
        kept = (width, width, 2 * width, 4 * width, 8 * width)
        self.shortcut = nn.ModuleList(
            nn.Sequential(ReluThenNorm(given, own), ReluThenNorm(own, own))
            for given, own in zip((inputs, *kept[1:]), kept, strict=True)
        )
        self.guidance_head: nn.Sequential | None = None
        self.gca: GuidedContextualAttention | None = None
        if attention:
            self.guidance_head = nn.Sequential(
                ReluThenNorm(3, width // 2, stride=2, mirrored=True),
                ReluThenNorm(width // 2, width, stride=2, mirrored=True),
                ReluThenNorm(width, 4 * width, stride=2, mirrored=True),
            )
            self.gca = GuidedContextualAttention(4 * width, chunk=chunk)

    def guidance(self, inputs: Tensor) -> Tensor | None:
        """Features of the colours alone ``(N, 4 width, H / 8, W / 8)``; ``None`` without attention."""
        return None if self.guidance_head is None else self.guidance_head(inputs[:, :3])

    def forward(self, inputs: Tensor, guidance: Tensor | None, unknown: Tensor) -> tuple[Tensor, list[Tensor]]:
        """``(N, inputs, H, W)`` to the deepest features and five shortcuts, largest first."""
        halved = F.relu(self.conv2(F.relu(self.conv1(inputs))))
        first = self.get_submodule("layer1")(F.relu(self.conv3(halved)))
        second = self.get_submodule("layer2")(first)
        if self.gca is not None and guidance is not None:
            second = self.gca(guidance, second, unknown)
        third = self.get_submodule("layer3")(second)
        levels = (inputs, halved, first, second, third)
        kept = [shortcut(level) for shortcut, level in zip(self.shortcut, levels, strict=True)]
        return self.get_submodule("layer4")(third), kept


class LastConv(nn.Module):
    """A plain convolution by the name ``conv``."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, 1, 3, padding=1)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, features: Tensor) -> Tensor:
        """``(N, inputs, H, W)`` to ``(N, 1, H, W)``."""
        found: Tensor = self.conv(features)
        return found


class Decoder(nn.Module):
    """From the deepest features to alpha; with ``attention`` guided attention after the second level."""

    def __init__(self, width: int, blocks: Sequence[int], *, attention: bool, chunk: int) -> None:
        super().__init__()
        before = 16 * width
        for level, count in enumerate(blocks):
            after = 8 * width >> level
            layer = [DecoderBlock(before if i == 0 else after, after, enlarge=i == 0) for i in range(count)]
            self.add_module(f"layer{level + 1}", nn.Sequential(*layer))
            before = after
        self.conv1 = NormedConv(width, width, transposed=True)
        self.conv2 = LastConv(width)
        self.gca = GuidedContextualAttention(4 * width, chunk=chunk) if attention else None

    def forward(self, deepest: Tensor, shortcuts: Sequence[Tensor], guidance: Tensor | None, unknown: Tensor) -> Tensor:
        """Alpha before its activation, ``(N, 1, H, W)``."""
        features = deepest
        for level in range(1, 5):
            features = self.get_submodule(f"layer{level}")(features) + shortcuts[5 - level]
            if level == 2 and self.gca is not None and guidance is not None:
                features = self.gca(guidance, features, unknown)
        found: Tensor = self.conv2(_LEAKY(self.conv1(features)) + shortcuts[0])
        return found


class Gca(nn.Module):
    """Alpha from a picture and a trimap, guided contextual attention or its baseline (25,164,529 parameters).

    ``forward(image, trimap)``: RGB in [0, 1] ``(N, 3, H, W)`` and classes ``(N, 1, H, W)`` (0 background, 1 unknown,
    2 foreground) of any size to alpha in [0, 1], ``(N, 1, H, W)``; known pixels are not imposed (``nn.trimap.impose``).
    The defaults are the published network (mmediting).

    Args:
        attention: with the two attentions and their guidance; ``False`` is the baseline (25,072,481 parameters).
        trimap_channels: 3, the classes one-hot; 1, their numbers (the files trained with DIM's augmentation).
        width: channels at half size; even.
        encoder_blocks, decoder_blocks: blocks of the four levels, in the order of computation.
        chunk: of ``GuidedContextualAttention``.
    """

    renames = (((r"^backbone\.", ""),),)

    def __init__(
        self,
        *,
        attention: bool = True,
        trimap_channels: Literal[1, 3] = 3,
        width: int = 32,
        encoder_blocks: Sequence[int] = (3, 4, 4, 2),
        decoder_blocks: Sequence[int] = (2, 3, 3, 2),
        chunk: int = 2**19,
    ) -> None:
        super().__init__()
        if trimap_channels not in (1, 3):
            raise SettingError(f"GCA takes a trimap of 1 or 3 channels, got {trimap_channels}.")
        if len(encoder_blocks) != 4 or len(decoder_blocks) != 4 or min(*encoder_blocks, *decoder_blocks) < 1:
            raise SettingError(
                "GCA has four levels of at least one block on each side, got "
                f"{tuple(encoder_blocks)} and {tuple(decoder_blocks)}."
            )
        self.trimap_channels = trimap_channels
        self.encoder = Encoder(3 + trimap_channels, width, encoder_blocks, attention=attention, chunk=chunk)
        self.decoder = Decoder(width, decoder_blocks, attention=attention, chunk=chunk)
        backwards = partial(_backwards, encoder_blocks=encoder_blocks, decoder_blocks=decoder_blocks)
        self.traits = Traits(
            task="matting",
            halo=None if attention else halo(backwards, multiple=32),
            halo_reason="attention compares all places of the picture" if attention else "",
            multiple=32,
            inputs=INPUTS,
            outputs=OUTPUTS,
        )

    def forward(self, image: Tensor, trimap: Tensor) -> Tensor:
        """See the class."""
        height, width = image.shape[-2:]
        image, trimap = fit(image, trimap, 32)
        alpha = (self.raw(normalised(image), trimap).tanh() + 1) / 2
        return alpha[..., :height, :width]

    def raw(self, colours: Tensor, trimap: Tensor) -> Tensor:
        """Alpha before its activation, of normalised colours and classes; sides multiples of 32."""
        inputs, guidance, unknown = self.seen(colours, trimap)
        deepest, shortcuts = self.encoder(inputs, guidance, unknown)
        found: Tensor = self.decoder(deepest, shortcuts, guidance, unknown)
        return found

    def seen(self, colours: Tensor, trimap: Tensor) -> tuple[Tensor, Tensor | None, Tensor]:
        """What the encoder is given, the guidance, and the unknown region at an eighth of the size."""
        shares = one_hot(trimap)
        inputs = torch.cat((colours, trimap if self.trimap_channels == 1 else shares), dim=1)
        return inputs, self.encoder.guidance(inputs), shares[:, 1:2, ::8, ::8]


def _enlarged(reach: Reach) -> Reach:
    """A transposed convolution of kernel 4, stride 2, padding 1."""
    return Reach(-((2 - reach.low) // 2), (reach.high + 1) // 2)


def _backwards(reach: Reach, *, encoder_blocks: Sequence[int], decoder_blocks: Sequence[int]) -> Reach:
    reach = reach.conv()
    skips = [reach.conv(times=2)]
    reach = _enlarged(reach)
    for count in reversed(decoder_blocks):
        skips.append(reach.conv(times=2))
        reach = _enlarged(reach.conv(times=2 * count - 1))
    for level in (4, 3, 2):
        reach = reach.conv(times=2 * encoder_blocks[level - 1] - 1).strided(3, stride=2, padding=1) | skips[level]
    reach = reach.conv(times=2 * encoder_blocks[0]).strided(3, stride=2, padding=1) | skips[1]
    return reach.conv().strided(3, stride=2, padding=1) | skips[0]
