"""TTSR's discriminator, for pictures of one size (mmediting's form; Yang et al., CVPR 2020)."""

from __future__ import annotations

from torch import Tensor, nn

from finesight.errors import InputError, SettingError
from finesight.nn.traits import Port, Traits

__all__ = ["TtsrDiscriminator"]


class TtsrDiscriminator(nn.Module):
    """Whether pictures look real: (N, inputs, size, size) in [0, 1] to logits (N,).

    Args:
        size: side of the pictures, a multiple of 32.
        inputs: channels.
        width: channels of the first convolution; every second one doubles them.
        hidden: length between the two linear layers.
    """

    renames = (((r"^discriminator\.", ""),),)
    ignored = (r"^(generator|extractor|perceptual_loss)\.", r"^step_counter$")

    def __init__(self, size: int = 160, *, inputs: int = 3, width: int = 32, hidden: int = 1024) -> None:
        super().__init__()
        if size < 32 or size % 32:
            raise SettingError(f"TTSR's discriminator is built for a size that is a multiple of 32, not {size}.")
        self.size = size
        self.body = nn.Sequential()
        channels = inputs
        for outputs in (width, 2 * width, 4 * width, 8 * width, 16 * width):
            for stride in (1, 2):
                self.body.append(nn.Conv2d(channels, outputs, 3, stride=stride, padding=1))
                self.body.append(nn.LeakyReLU(0.2, inplace=True))
                channels = outputs
        self.last = nn.Sequential(
            nn.Linear((size // 32) ** 2 * channels, hidden), nn.LeakyReLU(0.2, inplace=True), nn.Linear(hidden, 1)
        )
        self.traits = Traits(
            task="discrimination",
            kind="score",
            halo=None,
            halo_reason="one score for the whole picture",
            minimum=size,
            maximum=size,
            inputs=(Port("image", channels=inputs),),
            outputs=(Port("logit", "vector", channels=1),),
        )

    def features(self, image: Tensor) -> Tensor:
        """The last convolutional features, (N, 16 * width, size / 32, size / 32)."""
        channels = self.traits.inputs[0].channels
        if image.shape[1:] != (channels, self.size, self.size):
            raise InputError(
                f"This discriminator takes (N, {channels}, {self.size}, {self.size}), got {tuple(image.shape)}."
            )
        found: Tensor = self.body(image * 2 - 1)
        return found

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.last(self.features(image).flatten(1))
        return logits[:, 0]
