"""LPIPS: learned perceptual image patch similarity (Zhang et al., 2018), versions 0.0 and 0.1."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import InputError, SettingError
from finesight.models.quality.alexnet import AlexNet
from finesight.models.quality.squeezenet import SqueezeNet
from finesight.models.quality.vgg import Vgg
from finesight.nn.traits import Port, Traits

__all__ = ["Lpips"]

SHIFT = (-0.030, -0.088, -0.188)  # of pictures in [-1, 1]
SCALE = (0.458, 0.448, 0.450)
VGG_CHANNELS = (64, 128, 256, 512, 512)


class Lpips(nn.Module):
    """Distance of two pictures in the features of a classifier; 0 for identical ones.

    ``forward(image, reference)`` takes RGB in [0, 1], (N, 3, H, W), and gives (N,). ``map`` gives the spatial form.
    ``features`` and ``layers`` are its two halves, for one picture compared with many.

    Args:
        trunk: the classifier: ``alex`` (evaluation), ``vgg`` (advised as a loss), ``squeeze``.
        version: 0.0 forgets to scale its input, a known fault of the first release that some papers' numbers have.
        calibrated: with the learned weight of each channel; without, channels are summed plainly.
    """

    renames = (
        (
            (r"^net\.slice\d+\.(\d+)\.", r"trunk.features.\1."),
            (r"^lin(\d+)\.model\.1\.", r"heads.\1."),
            (r"^features\.", "trunk.features."),
        ),
    )
    ignored = (r"^scaling_layer\.", r"^lins\.", r"^classifier\.", r"^trunk\.features\.30\.")

    image_shift: Tensor
    image_scale: Tensor

    def __init__(
        self,
        trunk: Literal["alex", "vgg", "squeeze"] = "alex",
        *,
        version: Literal["0.0", "0.1"] = "0.1",
        calibrated: bool = True,
    ) -> None:
        super().__init__()
        if trunk not in ("alex", "vgg", "squeeze") or version not in ("0.0", "0.1"):
            raise SettingError(
                f"LPIPS has the trunks alex, vgg, squeeze and versions 0.0, 0.1, got {trunk!r}, {version!r}"
            )
        self.trunk: AlexNet | Vgg | SqueezeNet
        channels: tuple[int, ...]
        if trunk == "alex":
            self.trunk, channels = AlexNet(), AlexNet.channels
        elif trunk == "squeeze":
            self.trunk, channels = SqueezeNet(), SqueezeNet.channels
        else:
            self.trunk, channels = Vgg(16, normalise=False), VGG_CHANNELS
        self.heads = nn.ModuleList(nn.Conv2d(count, 1, 1, bias=False) for count in channels) if calibrated else None
        scaled = version == "0.1"
        # One affine map from [0, 1]: 2x - 1, then the scaling of version 0.1.
        shift = torch.tensor(SHIFT if scaled else (0.0, 0.0, 0.0)).view(1, 3, 1, 1)
        scale = torch.tensor(SCALE if scaled else (1.0, 1.0, 1.0)).view(1, 3, 1, 1)
        self.register_buffer("image_shift", shift, persistent=False)
        self.register_buffer("image_scale", scale, persistent=False)
        self.traits = Traits(
            task="quality",
            kind="score",
            halo=None,
            halo_reason="one value of the whole picture",
            minimum=self.trunk.traits.minimum,
            inputs=(Port("image"), Port("reference")),
            outputs=(Port("distance", space="vector", channels=1),),
        )

    def forward(self, image: Tensor, reference: Tensor) -> Tensor:
        """(N,): the spatial mean of each layer, summed over layers."""
        layers = self.layers(self.features(image), self.features(reference))
        return torch.stack([layer.mean(dim=(1, 2, 3)) for layer in layers]).sum(0)

    def map(self, image: Tensor, reference: Tensor) -> Tensor:
        """(N, 1, H, W): each layer enlarged to the picture, summed. Its mean is near ``forward``, not equal to it."""
        layers = self.layers(self.features(image), self.features(reference))
        return self.enlarge(layers, (image.shape[-2], image.shape[-1]))

    def features(self, image: Tensor) -> list[Tensor]:
        """Features of each layer, of length one over channels."""
        return self.unit(self.trunk_features(image))

    def trunk_features(self, image: Tensor) -> list[Tensor]:
        """Features of each layer as the classifier gives them."""
        if image.shape[1] != 3:
            raise InputError(f"LPIPS compares RGB pictures (N, 3, H, W), got {tuple(image.shape)}.")
        return list(self.trunk((2 * image - 1 - self.image_shift) / self.image_scale).values())

    @staticmethod
    def unit(features: Sequence[Tensor]) -> list[Tensor]:
        """Each feature divided by its length over channels."""
        return [part / (torch.linalg.vector_norm(part, dim=1, keepdim=True) + 1e-10) for part in features]

    def layers(self, first: Sequence[Tensor], second: Sequence[Tensor]) -> list[Tensor]:
        """Distances of each layer (N, 1, h, w) from two answers of ``features``; a batch of one meets any other."""
        squares = [(a - b).square() for a, b in zip(first, second, strict=True)]
        if self.heads is None:
            return [square.sum(1, keepdim=True) for square in squares]
        return [head(square) for head, square in zip(self.heads, squares, strict=True)]

    @staticmethod
    def enlarge(layers: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """The layers' maps, bilinearly enlarged to ``size`` and summed: (N, 1, H, W)."""
        by_size: dict[torch.Size, Tensor] = {}
        for layer in layers:  # layers of one size are added before they are enlarged
            known = by_size.get(layer.shape[-2:])
            by_size[layer.shape[-2:]] = layer if known is None else known + layer
        parts = [F.interpolate(part, size, mode="bilinear", align_corners=False) for part in by_size.values()]
        return functools.reduce(torch.add, parts)
