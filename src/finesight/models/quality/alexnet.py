"""AlexNet's convolutions as a feature extractor (LPIPS).

Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014; layout and names of torchvision.
"""

from __future__ import annotations

from fractions import Fraction

from torch import Tensor, nn

from finesight.errors import InputError
from finesight.nn.traits import Port, Traits

__all__ = ["AlexNet"]


class AlexNet(nn.Module):
    """Features after each of the five ReLUs, of 64, 192, 384, 256 and 256 channels.

    ``forward`` takes (N, 3, H, W) as its caller normalised it, sides of at least 31, and gives a dictionary from
    ``relu1`` ... ``relu5`` to (N, C, h, w).
    """

    ignored = (r"^classifier\.",)
    channels = (64, 192, 384, 256, 256)

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(inplace=True),
        )
        strides = (4, 8, 16, 16, 16)
        self.traits = Traits(
            task="features",
            halo=96,
            multiple=16,
            minimum=31,
            outputs=tuple(
                Port(f"relu{layer}", ratio=Fraction(1, stride), channels=channels)
                for layer, (stride, channels) in enumerate(zip(strides, self.channels, strict=True), start=1)
            ),
        )

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        if image.ndim != 4 or image.shape[1] != 3 or min(image.shape[2:]) < self.traits.minimum:
            raise InputError(f"AlexNet takes (N, 3, H, W) with sides of at least 31, got {tuple(image.shape)}.")
        found: dict[str, Tensor] = {}
        x = image
        for layer in self.features:
            x = layer(x)
            if isinstance(layer, nn.ReLU):
                found[f"relu{len(found) + 1}"] = x
        return found
