"""PConv: "Image Inpainting for Irregular Holes Using Partial Convolutions" (Liu et al., ECCV 2018).

arXiv 1804.07723.
"""

from __future__ import annotations

from functools import partial
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import SettingError
from finesight.models.inpainting.completion import ChannelOrder, Completion
from finesight.nn.gated_conv import Activation
from finesight.nn.partial_conv import PartialConv2d
from finesight.nn.reach import Reach, halo
from finesight.nn.traits import Port, Traits

__all__ = ["PConv"]

_LEAKY: Activation = partial(F.leaky_relu, negative_slope=0.2)


class PartialLayer(nn.Module):
    """Partial convolution (name ``conv``), batch norm (name ``bn``) where asked, activation."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, stride: int, norm: bool, activation: Activation | None
    ) -> None:
        super().__init__()
        self.activation = activation
        self.conv = PartialConv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=not norm)
        slope = 0.2 if activation is _LEAKY else 0.0
        nn.init.kaiming_normal_(self.conv.weight, a=slope, mode="fan_out", nonlinearity="leaky_relu")
        if self.conv.bias is not None:
            nn.init.zeros_(self.conv.bias)
        self.bn = nn.BatchNorm2d(outputs) if norm else None

    def forward(self, features: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Features and validity ``(N, inputs, H, W)`` to new ones ``(N, outputs, H', W')``."""
        features, grown = self.conv(features, valid)
        if self.bn is not None:
            features = self.bn(features)
        return (features if self.activation is None else self.activation(features)), grown


class PConv(Completion):
    """The U-Net. The defaults are the published network (mmediting; 25,779,860 parameters).

    See ``Completion`` for what it takes and gives. The published stages have the same tensors; the second trains with
    ``freeze_encoder_norms``.

    Args:
        levels: halvings; sides are padded to multiples of ``2 ** levels``.
        width: channels of the first level; the fourth and all further ones have eight times as many.
        freeze_encoder_norms: the encoder's batch norms use their stored statistics while training too, and their
            weights get no gradient.
        order: channel order of the published training.
    """

    ignored = (r"\.weight_mask_updater$",)  # all ones in every published file

    def __init__(
        self,
        *,
        levels: int = 7,
        width: int = 64,
        freeze_encoder_norms: bool = False,
        order: ChannelOrder = "bgr",
    ) -> None:
        if levels < 1:
            raise SettingError(f"PConv needs at least one level, got {levels}.")
        super().__init__(order=order, multiple=2**levels)
        self.levels = levels
        self.freeze_encoder_norms = freeze_encoder_norms
        widths = (3, *(width * min(2**level, 8) for level in range(levels)))
        kernels = tuple({0: 7, 1: 5, 2: 5}.get(level, 3) for level in range(levels))
        self.encoder = nn.Module()
        self.decoder = nn.Module()
        for level, kernel in enumerate(kernels, start=1):
            sizes = widths[level - 1], widths[level]
            self.encoder.add_module(
                f"enc{level}", PartialLayer(*sizes, kernel, stride=2, norm=level > 1, activation=F.relu)
            )
        for level in range(levels, 0, -1):
            sizes = widths[level] + widths[level - 1], widths[level - 1]
            activation = _LEAKY if level > 1 else None
            layer = PartialLayer(*sizes, 3, stride=1, norm=level > 1, activation=activation)
            self.decoder.add_module(f"dec{level}", layer)
        if freeze_encoder_norms:
            for norm in self._encoder_norms():
                norm.requires_grad_(False)

        def backwards(reach: Reach) -> Reach:
            skips = []
            for _ in range(levels):
                reach = reach.conv(3)
                skips.append(reach)  # the encoder's features at the decoder's size
                reach = reach.shuffle(2)
            for kernel, skip in zip(reversed(kernels), reversed(skips), strict=True):
                reach = reach.strided(kernel, stride=2, padding=kernel // 2) | skip
            return reach

        self.traits = Traits(
            task="inpainting",
            halo=halo(backwards, multiple=2**levels),
            multiple=2**levels,
            inputs=(Port("image"), Port("mask", channels=1)),
        )

    def _encoder_norms(self) -> list[nn.BatchNorm2d]:
        return [module for module in self.encoder.modules() if isinstance(module, nn.BatchNorm2d)]

    def train(self, mode: bool = True) -> Self:
        """As usual, but frozen norms stay in evaluation mode."""
        super().train(mode)
        if self.freeze_encoder_norms:
            for norm in self._encoder_norms():
                norm.eval()
        return self

    def complete(self, masked: Tensor, mask: Tensor) -> tuple[Tensor]:
        """``(N, 3, H, W)``, not clamped; sides multiples of ``2 ** levels``."""
        answer, _ = self.complete_with_validity(masked, mask)
        return (answer,)

    def complete_with_validity(self, masked: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The same, and where the last layer saw anything known, ``(N, 3, H, W)``."""
        valid = (1 - mask).detach().expand(-1, 3, -1, -1)
        levels = [(masked, valid)]
        for level in range(1, self.levels + 1):
            levels.append(self.encoder.get_submodule(f"enc{level}")(*levels[-1]))
        state = levels.pop()
        for level in range(self.levels, 0, -1):
            enlarged = (F.interpolate(part, scale_factor=2.0, mode="nearest") for part in state)
            joined = (torch.cat(pair, dim=1) for pair in zip(enlarged, levels.pop(), strict=True))  # deeper first
            state = self.decoder.get_submodule(f"dec{level}")(*joined)
        return state
