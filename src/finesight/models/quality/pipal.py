"""The baseline quality network of PIPAL and its pairwise ranker (Gu et al., 2020; code of the data set)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import InputError, SettingError
from finesight.models.quality.alexnet import AlexNet
from finesight.models.quality.vgg import IMAGENET_MEAN, IMAGENET_STD, Vgg
from finesight.nn.traits import Port, Traits

__all__ = ["PipalQuality", "PreferenceRanker"]

CHANNELS = {"alex": AlexNet.channels, "vgg16": (64, 128, 256, 512, 512)}


class PipalQuality(nn.Module):
    """A score from the *signed* differences of a classifier's features, unlike LPIPS neither squared nor normalised.

    ``forward(image, reference)`` takes RGB in [0, 1], (N, 3, H, W), and gives (N,). Which sign is better is not
    fixed by the training.

    Args:
        trunk: the classifier.
        heads: ``deep`` is 1x1 convolution, ReLU, 1x1 convolution, ReLU; ``linear`` is one 1x1 convolution and ReLU.
        bias: whether the convolutions of deep heads have one.
    """

    renames = (
        (
            (r"^FE\.(\d+)\.", r"trunk.features.\1."),
            (r"^regreassion_mine_1\.", "heads.0."),
            (r"^regreassion_mine_2\.", "heads.1."),
            (r"^regreassion_mine_3\.", "heads.2."),
            (r"^regreassion_mine_4\.", "heads.3."),
            (r"^regreassion_mine_5\.", "heads.4."),
            (r"^lin(\d)\.model\.1\.", r"heads.\1.0."),
        ),
    )

    image_mean: Tensor
    image_std: Tensor

    def __init__(
        self, trunk: Literal["alex", "vgg16"] = "alex", *, heads: Literal["deep", "linear"] = "deep", bias: bool = True
    ) -> None:
        super().__init__()
        if trunk not in CHANNELS or heads not in ("deep", "linear"):
            raise SettingError(
                f"PIPAL's network has trunks alex, vgg16 and heads deep, linear, got {trunk!r}, {heads!r}"
            )
        self.trunk = AlexNet() if trunk == "alex" else Vgg(16, normalise=False)
        self.heads = nn.ModuleList()
        for channels in CHANNELS[trunk]:
            if heads == "linear":
                layers = [nn.Conv2d(channels, 1, 1, bias=False), nn.ReLU()]
            else:
                layers = [
                    nn.Conv2d(channels, channels, 1, bias=bias),
                    nn.ReLU(),
                    nn.Conv2d(channels, 1, 1, bias=bias),
                    nn.ReLU(),
                ]
            self.heads.append(nn.Sequential(*layers))
        self.register_buffer("image_mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("image_std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)
        self.traits = Traits(
            task="quality",
            kind="score",
            halo=None,
            halo_reason="one value of the whole picture",
            minimum=self.trunk.traits.minimum,
            inputs=(Port("image"), Port("reference")),
            outputs=(Port("score", space="vector", channels=1),),
        )

    def forward(self, image: Tensor, reference: Tensor) -> Tensor:
        return self.layers(image, reference).sum(1)

    def differences(self, image: Tensor, reference: Tensor) -> list[Tensor]:
        """Features of the reference less those of the picture, of five depths."""
        if image.shape[1] != 3:
            raise InputError(f"PIPAL's network compares RGB pictures (N, 3, H, W), got {tuple(image.shape)}.")
        first, second = (self.trunk((x - self.image_mean) / self.image_std) for x in (reference, image))
        return [a - b for a, b in zip(first.values(), second.values(), strict=True)]

    def layers(self, image: Tensor, reference: Tensor) -> Tensor:
        """The five terms of the sum: (N, 5)."""
        parts = zip(self.heads, self.differences(image, reference), strict=True)
        return torch.stack([head(difference).mean(dim=(1, 2, 3)) for head, difference in parts], dim=1)


class PreferenceRanker(nn.Module):
    """The probability that one of two scores is preferred, learned beside a quality network (LPIPS, PIPAL).

    Args:
        channels: width of the hidden layers.
        epsilon: added to a score before it divides the other.
    """

    renames = (((r"^net\.model\.", "model."),),)

    def __init__(self, channels: int = 32, *, epsilon: float = 0.1) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.model = nn.Sequential(
            nn.Conv2d(5, channels, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels, channels, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels, 1, 1),
            nn.Sigmoid(),
        )

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Scores (N,) and (N,) to probabilities (N,)."""
        ratios = [first / (second + self.epsilon), second / (first + self.epsilon)]
        values = torch.stack([first, second, first - second, *ratios], dim=1)
        probability: Tensor = self.model(values[:, :, None, None])[:, 0, 0, 0]
        return probability

    def loss(self, first: Tensor, second: Tensor, judge: Tensor) -> Tensor:
        """Binary cross-entropy with people's judgement in [-1, 1], or (judge + 1)/2 as a probability."""
        return F.binary_cross_entropy(self(first, second), (judge + 1) / 2)
