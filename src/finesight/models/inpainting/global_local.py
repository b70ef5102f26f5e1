"""Global&Local: "Globally and Locally Consistent Image Completion" (Iizuka et al., SIGGRAPH 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import SettingError
from finesight.models.inpainting.completion import ChannelOrder, Completion, fixed_size, to_signed
from finesight.nn.reach import Reach, halo
from finesight.nn.traits import Port, Traits

__all__ = ["GlobalLocal", "GlobalLocalDiscriminators"]

_DILATIONS = (2, 4, 8, 16)


class NormedLayer(nn.Module):
    """Convolution (name ``conv``), batch norm (name ``bn``; the convolution then has no bias), ReLU.

    Args:
        inputs, outputs: channels.
        kernel, stride, dilation: of the convolution, whose zero padding keeps the size at stride 1.
        enlarging: a transposed convolution instead, kernel 4, stride 2, to twice the size.
        norm: whether there is a batch norm.
        relu: whether there is an activation.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        *,
        stride: int = 1,
        dilation: int = 1,
        enlarging: bool = False,
        norm: bool = True,
        relu: bool = True,
    ) -> None:
        super().__init__()
        self.relu = relu
        self.conv: nn.Conv2d | nn.ConvTranspose2d
        if enlarging:
            self.conv = nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=not norm)
        else:
            padding = dilation * (kernel - 1) // 2
            self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=not norm)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")
        if self.conv.bias is not None:
            nn.init.zeros_(self.conv.bias)
        self.bn = nn.BatchNorm2d(outputs) if norm else None

    def forward(self, features: Tensor) -> Tensor:
        """``(N, inputs, H, W)`` to ``(N, outputs, H', W')``."""
        features = self.conv(features)
        if self.bn is not None:
            features = self.bn(features)
        return F.relu(features) if self.relu else features


class Encoder(nn.Sequential):
    """Six convolutions (names ``enc1`` to ``enc6``) to a quarter of the size."""

    def __init__(self, width: int, norm: bool) -> None:
        super().__init__()
        widths = (4, width, 2 * width, 2 * width, 4 * width, 4 * width, 4 * width)
        for place, (kernel, stride) in enumerate(((5, 1), (3, 2), (3, 1), (3, 2), (3, 1), (3, 1)), start=1):
            layer = NormedLayer(widths[place - 1], widths[place], kernel, stride=stride, norm=norm)
            self.add_module(f"enc{place}", layer)


class DilationNeck(nn.Module):
    """Four dilated convolutions."""

    def __init__(self, width: int, norm: bool) -> None:
        super().__init__()
        self.dilation_convs = nn.Sequential(
            *(NormedLayer(width, width, dilation=rate, norm=norm) for rate in _DILATIONS)
        )

    def forward(self, features: Tensor) -> Tensor:
        """``(N, width, H, W)`` -> the same shape."""
        answer: Tensor = self.dilation_convs(features)
        return answer


class Decoder(nn.Sequential):
    """Seven convolutions (names ``dec1`` to ``dec7``) to four times the size; the last is bare."""

    def __init__(self, width: int, norm: bool) -> None:
        super().__init__()
        widths = (4 * width, 4 * width, 4 * width, 2 * width, 2 * width, width, width // 2)
        for place in range(1, 7):
            layer = NormedLayer(widths[place - 1], widths[place], enlarging=place in (3, 5), norm=norm)
            self.add_module(f"dec{place}", layer)
        self.dec7 = NormedLayer(widths[-1], 3, norm=False, relu=False)


def _backwards(reach: Reach) -> Reach:
    """The decoder, the neck and the encoder, last layer first."""
    reach = reach.conv(times=2)
    for _ in range(2):
        # pixel y of a transposed convolution (kernel 4, stride 2, padding 1) has the inputs (y - 2) / 2 to (y + 1) / 2
        reach = Reach(-(-(reach.low - 2) // 2), (reach.high + 1) // 2).conv(times=1)
    reach = reach.conv()  # of the two before the first enlargement
    for rate in _DILATIONS:
        reach = reach.conv(2 * rate + 1)
    for kernel, stride in ((3, 1), (3, 1), (3, 2), (3, 1), (3, 2), (5, 1)):
        reach = reach.strided(kernel, stride=stride, padding=kernel // 2)
    return reach


class GlobalLocal(Completion):
    """The generator. The defaults are the published network (mmediting; 6,069,155 parameters).

    See ``Completion`` for what it takes and gives.

    Args:
        width: channels at full size, an even number; four times as many in the middle.
        norm: batch norm after every convolution but the last, or none.
        output: how the answer is bounded; published ``clamp`` to [-1, 1]. ``sigmoid``, an option of the published code,
            leaves the darker half of the range unused.
        order: channel order of the published training.
    """

    def __init__(
        self,
        *,
        width: int = 64,
        norm: Literal["batch"] | None = "batch",
        output: Literal["clamp", "sigmoid"] = "clamp",
        order: ChannelOrder = "bgr",
    ) -> None:
        super().__init__(order=order, multiple=4)
        self.output = output
        self.encoder = Encoder(width, norm is not None)
        self.decoder = Decoder(width, norm is not None)
        self.dilation_neck = DilationNeck(4 * width, norm is not None)
        self.traits = Traits(
            task="inpainting",
            halo=halo(_backwards, multiple=4),
            multiple=4,
            inputs=(Port("image"), Port("mask", channels=1)),
        )

    def complete(self, masked: Tensor, mask: Tensor) -> tuple[Tensor]:
        """``(N, 3, H, W)`` in [-1, 1] (``sigmoid``: [0, 1]); sides multiples of 4."""
        answer = self.decoder(self.dilation_neck(self.encoder(torch.cat((masked, mask), dim=1))))
        return (answer.sigmoid() if self.output == "sigmoid" else answer.clamp(-1, 1),)


class Features(nn.Module):
    """A linear layer (name ``linear``) over everything, then ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)

    def forward(self, features: Tensor) -> Tensor:
        """``(N, C, H, W)`` to ``(N, outputs)``."""
        return F.relu(self.linear(features.flatten(1)))


class Judge(nn.Module):
    """Convolutions of stride 2 (names ``conv1`` ...), then features (name ``fc``)."""

    def __init__(self, size: int, widths: Sequence[int], hidden: int) -> None:
        super().__init__()
        self.depth = len(widths)
        for place, (inputs, outputs) in enumerate(zip((3, *widths), widths, strict=False), start=1):
            self.add_module(f"conv{place}", NormedLayer(inputs, outputs, 5, stride=2))
        self.fc = Features(widths[-1] * (size // 2**self.depth) ** 2, hidden)

    def forward(self, features: Tensor) -> Tensor:
        """``(N, 3, size, size)`` to ``(N, hidden)``."""
        for place in range(1, self.depth + 1):
            features = self.get_submodule(f"conv{place}")(features)
        answer: Tensor = self.fc(features)
        return answer


class GlobalLocalDiscriminators(nn.Module):
    """Whether the whole picture and the patch around the hole look real, decided together.

    ``forward`` takes pictures ``(N, 3, size, size)`` and patches ``(N, 3, local_size, local_size)``, RGB in [0, 1], and
    gives logits ``(N,)``.

    Args:
        size: side of the pictures.
        local_size: side of the patches.
        widths, local_widths: channels of the convolutions, each of which halves the size.
        hidden: features of each side.
        order: channel order of the published training.
    """

    renames = (((r"^disc\.", ""),),)
    ignored = (r"^(generator|loss_percep)\.",)

    def __init__(
        self,
        *,
        size: int = 256,
        local_size: int = 128,
        widths: tuple[int, ...] = (64, 128, 256, 512, 512, 512),
        local_widths: tuple[int, ...] = (64, 128, 256, 512, 512),
        hidden: int = 1024,
        order: ChannelOrder = "bgr",
    ) -> None:
        super().__init__()
        for side, depth in ((size, len(widths)), (local_size, len(local_widths))):
            if side < 2**depth or side % 2**depth:
                raise SettingError(f"this discriminator needs sizes that are multiples of {2**depth}, not {side}.")
        self.size, self.local_size = size, local_size
        self.order: ChannelOrder = order
        self.global_disc = Judge(size, widths, hidden)
        self.local_disc = Judge(local_size, local_widths, hidden)
        self.fc = nn.Linear(2 * hidden, 1)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, 0, 0.02)
                nn.init.zeros_(layer.bias)
        self.traits = Traits(
            task="discrimination",
            kind="score",
            halo=None,
            halo_reason="one score for the whole picture",
            minimum=size,
            maximum=size,
            inputs=(Port("image"), Port("patch", ratio=Fraction(local_size, size))),
            outputs=(Port("logit", "vector", channels=1),),
        )

    def features(self, image: Tensor, patch: Tensor) -> tuple[Tensor, Tensor]:
        """What each side sees, ``(N, hidden)``."""
        fixed_size(image, self.size, "picture")
        fixed_size(patch, self.local_size, "patch")
        return self.global_disc(to_signed(image, self.order)), self.local_disc(to_signed(patch, self.order))

    def forward(self, image: Tensor, patch: Tensor) -> Tensor:
        logits: Tensor = self.fc(torch.cat(self.features(image, patch), dim=1))
        return logits[:, 0]
