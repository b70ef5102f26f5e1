"""Small networks with traits, for tests of ``run``."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.nn.traits import Traits
from finesight.zoo.model import Card, Model

__all__ = ["Attentive", "Failing", "Plain", "Shuffled", "model_of"]


class Plain(nn.Module):
    """3x3 convolutions with zero padding and a pixel shuffle, around nearest-neighbour enlargement."""

    def __init__(self, *, depth: int = 2, width: int = 6, scale: int = 2, seed: int = 0) -> None:
        super().__init__()
        channels = [3, *[width] * (depth - 1), 3 * scale * scale]
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in itertools.pairwise(channels))
        self.scale = scale
        self.traits = Traits(task="super-resolution", scale=scale, halo=depth)
        _seeded(self, seed)

    def forward(self, image: Tensor) -> Tensor:
        features = image
        for layer in self.layers[:-1]:  # type: ignore[union-attr]
            features = F.leaky_relu(layer(features), 0.1)
        residual = F.pixel_shuffle(self.layers[-1](features), self.scale)
        return F.interpolate(image, scale_factor=self.scale, mode="nearest") + 0.2 * residual


class Shuffled(nn.Module):
    """Works on 2x2 blocks: pads by mirroring to even sizes, unshuffles, convolves twice, shuffles back."""

    def __init__(self, *, scale: int = 1, seed: int = 0) -> None:
        super().__init__()
        self.first = nn.Conv2d(12, 8, 3, padding=1)
        self.last = nn.Conv2d(8, 3 * (2 * scale) ** 2, 3, padding=1)
        self.scale = scale
        # Two blocks each way from either pixel of a block: 2 * 2 + 1.
        self.traits = Traits(task="super-resolution", scale=scale, halo=5, multiple=2, minimum=2)
        _seeded(self, seed)

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        padded = F.pad(image, (0, width % 2, 0, height % 2), mode="reflect")
        features = self.last(torch.tanh(self.first(F.pixel_unshuffle(padded, 2))))
        answer = F.pixel_shuffle(features, 2 * self.scale)[..., : height * self.scale, : width * self.scale]
        return answer + F.interpolate(image, scale_factor=self.scale, mode="nearest")


class Attentive(nn.Module):
    """Adds a term that fades with distance but never ends: a wide blur. Its halo is declared unbounded."""

    def __init__(self, *, sigma: float = 6.0, strength: float = 0.5) -> None:
        super().__init__()
        radius = int(8 * sigma)
        line = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma) ** 2)
        self.register_buffer("line", line / line.sum())
        self.radius, self.strength = radius, strength
        self.traits = Traits(task="super-resolution", scale=2, halo=None, halo_reason="it attends to the whole picture")

    def forward(self, image: Tensor) -> Tensor:
        line: Tensor = self.line  # type: ignore[assignment]
        blur = F.conv2d(image, line.view(1, 1, -1, 1).repeat(3, 1, 1, 1), padding=(self.radius, 0), groups=3)
        blur = F.conv2d(blur, line.view(1, 1, 1, -1).repeat(3, 1, 1, 1), padding=(0, self.radius), groups=3)
        return F.interpolate(image + self.strength * (image - blur), scale_factor=2, mode="nearest")


class Failing(nn.Module):
    """Nearest-neighbour enlargement that runs out of memory above ``most`` pixels, and counts its calls."""

    def __init__(self, *, most: int, scale: int = 2) -> None:
        super().__init__()
        self.most, self.scale, self.calls, self.failures = most, scale, 0, 0
        self.traits = Traits(task="super-resolution", scale=scale, halo=0)

    def forward(self, image: Tensor) -> Tensor:
        self.calls += 1
        if image.shape[0] * image.shape[2] * image.shape[3] > self.most:
            self.failures += 1
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB.")
        return F.interpolate(image, scale_factor=self.scale, mode="nearest")


def _seeded(network: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(
                torch.randn(parameter.shape, generator=generator) * (0.5 / max(1, parameter[0].numel()) ** 0.5)
            )


def model_of(network: nn.Module, name: str = "") -> Model:
    """The network as the zoo would give it."""
    return Model(network.eval(), network.traits, Card(name=name))  # type: ignore[arg-type]
