"""DISTS: structure and texture similarity in VGG-16 (Ding, Ma, Wang, Simoncelli, 2020)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from finesight.models.quality.pooling import L2Pool
from finesight.models.quality.vgg import Vgg
from finesight.nn.traits import Port, Traits

__all__ = ["Dists"]

CHANNELS = (3, 64, 128, 256, 512, 512)  # the picture itself, then the end of each stage


class Dists(nn.Module):
    """Distance of two pictures; 0 for identical ones. Texture may move without changing it much.

    ``forward(image, reference)`` takes RGB in [0, 1], (N, 3, H, W), and gives (N,). The authors' loader first resizes
    the short side to 256, benchmarks often do not: whoever calls decides.
    """

    renames = (((r"^stage\d\.(\d+)\.", r"trunk.features.\1."), (r"^features\.", "trunk.features.")),)
    ignored = (r"\.filter$", r"^(mean|std)$", r"^classifier\.", r"^trunk\.features\.30\.")

    def __init__(self) -> None:
        super().__init__()
        self.trunk = Vgg(16, pool=L2Pool(5))
        count = sum(CHANNELS)
        self.alpha = nn.Parameter(torch.full((1, count, 1, 1), 0.1))
        self.beta = nn.Parameter(torch.full((1, count, 1, 1), 0.1))
        self.traits = Traits(
            task="quality",
            kind="score",
            halo=None,
            halo_reason="one value of the whole picture",
            minimum=self.trunk.traits.minimum,
            inputs=(Port("image"), Port("reference")),
            outputs=(Port("distance", space="vector", channels=1),),
        )

    def features(self, image: Tensor) -> list[Tensor]:
        """The picture and the five stages' features."""
        return [image, *self.trunk(image).values()]

    def forward(self, image: Tensor, reference: Tensor) -> Tensor:
        """(N,): 1 - the weighted similarity of means (texture) and of covariances (structure) of 1475 channels."""
        structure, texture = [], []
        for x, y in zip(self.features(image), self.features(reference), strict=True):
            mean_x, mean_y = x.mean(dim=(2, 3)), y.mean(dim=(2, 3))
            apart_x, apart_y = x - mean_x[..., None, None], y - mean_y[..., None, None]
            variance_x, variance_y = apart_x.square().mean(dim=(2, 3)), apart_y.square().mean(dim=(2, 3))
            covariance = (apart_x * apart_y).mean(dim=(2, 3))  # keeps the digits that E xy - Ex Ey loses in float32
            texture.append((2 * mean_x * mean_y + 1e-6) / (mean_x.square() + mean_y.square() + 1e-6))
            structure.append((2 * covariance + 1e-6) / (variance_x + variance_y + 1e-6))
        total = self.alpha.sum() + self.beta.sum()
        alpha, beta = self.alpha.flatten() / total, self.beta.flatten() / total
        return 1 - (torch.cat(texture, dim=1) @ alpha + torch.cat(structure, dim=1) @ beta)
