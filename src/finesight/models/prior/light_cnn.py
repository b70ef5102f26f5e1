"""LightCNN: DIC-GAN's discriminator and the feature network of its loss.

Wu et al., "A Light CNN for Deep Face Representation with Noisy Labels", IEEE TIFS 2018, as used by Ma et al., "Deep
Face Super-Resolution with Iterative Collaboration between Attentive Recovery and Landmark Estimation", CVPR 2020.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import torch
from torch import Tensor, nn

from finesight.errors import InputError, SettingError
from finesight.nn.traits import Port, Traits

__all__ = ["FACE_MEAN", "LightCnn", "LightCnnFeatures", "MaxFeature"]

FACE_MEAN = (0.509, 0.424, 0.378)
"""RGB mean of CelebA-HQ in [0, 1], which DIC and LightCNN subtract."""

# channels of the convolutions by (kernel size, outputs), None is a pooling; the positions are the published names
_LAYERS = (
    *((5, 48), None, (1, 48), (3, 96), None, (1, 96), (3, 192), None),
    *((1, 192), (3, 128), (1, 128), (3, 128), None),
)


class MaxFeature(nn.Module):
    """Twice the channels, then the larger of both halves, element by element: a learned activation.

    Args:
        inputs, outputs: channels, or lengths where ``size`` is ``None``.
        size: of the kernel, zero padding; ``None`` for a linear layer.
    """

    def __init__(self, inputs: int, outputs: int, size: int | None) -> None:
        super().__init__()
        self.filter: nn.Conv2d | nn.Linear
        if size is None:
            self.filter = nn.Linear(inputs, 2 * outputs)
        else:
            self.filter = nn.Conv2d(inputs, 2 * outputs, size, padding=size // 2)

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.filter(x).chunk(2, dim=1)
        return torch.maximum(first, second)


class LightCnnFeatures(nn.Module):
    """The convolutions: (N, inputs, size, size) RGB in [0, 1] to the features that DIC-GAN's loss compares.

    The features are (N, 128, size / 16, size / 16) in the published width.

    Args:
        inputs: channels.
        size: side of the pictures, a multiple of 16; 128 is published.
        width: channels of the first layer; the others keep their proportion to it.

    Raises:
        InputError: pictures of another size.
    """

    renames: tuple[Sequence[tuple[str, str]], ...] = (((r"^feature_loss\.model\.", ""),), ((r"^discriminator\.", ""),))
    ignored = (
        r"^(generator|img_denormalize|feature_loss|pixel_loss|align_loss|discriminator|classifier)\.",
        r"^step_counter$",
    )

    mean: Tensor

    def __init__(self, *, inputs: int = 3, size: int = 128, width: int = 48) -> None:
        super().__init__()
        if size < 16 or size % 16:
            raise SettingError(f"LightCNN is built for a size that is a multiple of 16, not {size}.")
        self.size = size
        self.features = nn.Sequential()
        channels = inputs
        for layer in _LAYERS:
            if layer is None:
                self.features.append(nn.MaxPool2d(2, 2, ceil_mode=True))
            else:
                outputs = layer[1] * width // 48
                self.features.append(MaxFeature(channels, outputs, layer[0]))
                channels = outputs
        mean = torch.tensor(FACE_MEAN) if inputs == 3 else torch.tensor(FACE_MEAN).mean().expand(inputs)
        self.register_buffer("mean", mean.view(1, inputs, 1, 1).clone(), persistent=False)
        self.traits = Traits(
            task="features",
            halo=None,
            halo_reason="describes whole faces of one size",
            minimum=size,
            maximum=size,
            inputs=(Port("image", channels=inputs),),
            outputs=(Port("features", ratio=Fraction(1, 16), channels=channels),),
        )

    def describe(self, image: Tensor) -> Tensor:
        """The features, checked for size."""
        channels = self.traits.inputs[0].channels
        if image.shape[1:] != (channels, self.size, self.size):
            raise InputError(f"LightCNN takes (N, {channels}, {self.size}, {self.size}), got {tuple(image.shape)}.")
        found: Tensor = self.features(image - self.mean)
        return found

    def forward(self, image: Tensor) -> Tensor:
        return self.describe(image)


class LightCnn(LightCnnFeatures):
    """Whether faces look real: (N, inputs, size, size) RGB in [0, 1] to logits (N,); the arguments of its features."""

    renames = (((r"^discriminator\.", ""),),)
    ignored = (
        r"^(generator|img_denormalize|feature_loss|pixel_loss|align_loss)\.",
        r"^step_counter$",
    )

    def __init__(self, *, inputs: int = 3, size: int = 128, width: int = 48) -> None:
        super().__init__(inputs=inputs, size=size, width=width)
        length = self.traits.outputs[0].channels * (size // 16) ** 2
        self.classifier = nn.Sequential(MaxFeature(length, 256, None), nn.LeakyReLU(0.2), nn.Linear(256, 1))
        self.traits = replace(
            self.traits,
            task="discrimination",
            kind="score",
            halo_reason="one score for the whole picture",
            outputs=(Port("logit", "vector", channels=1),),
        )

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.describe(image).flatten(1))
        return logits[:, 0]
