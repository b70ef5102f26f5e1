"""VGG-16 and VGG-19 as feature extractors: perceptual and style losses, LPIPS, DISTS.

Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015,
configurations D and E without batch normalisation. Only the convolution stack; the classifier is not built.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

import torch
from torch import Tensor, nn

from finesight.errors import InputError, SettingError, nearest
from finesight.nn.traits import Port, Traits

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "Vgg", "vgg_layers"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_CONVOLUTIONS = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}  # in each of the five stages; table 1 of the paper
_CHANNELS = (64, 128, 256, 512, 512)


def vgg_layers(depth: Literal[16, 19] = 19) -> tuple[str, ...]:
    """Names of all layers in order; the position of a name is the index of its module (and tensors) in ``features``.

    >>> vgg_layers(19)[34], vgg_layers(16)[15], vgg_layers(16)[4]
    ('conv5_4', 'relu3_3', 'pool1')
    """
    if depth not in _CONVOLUTIONS:
        raise SettingError(f"VGG exists here with depth 16 and 19, not {depth}.")
    names = []
    for stage, count in enumerate(_CONVOLUTIONS[depth], start=1):
        for place in range(1, count + 1):
            names += [f"conv{stage}_{place}", f"relu{stage}_{place}"]
        names.append(f"pool{stage}")
    return tuple(names)


class Vgg(nn.Module):
    """Features of a picture at named layers.

    ``forward`` takes (N, 3, H, W), RGB in [0, 1], and gives a dictionary from layer name to (N, C, H', W') in the
    order asked for. ``convI_J`` is before its ReLU, ``reluI_J`` after it. The stack ends with the deepest layer asked
    for, and its tensors keep the published names (``features.N.weight``), so a complete ImageNet file loads.

    Args:
        depth: 16 or 19.
        layers: names out of ``vgg_layers(depth)``; by default all five ``reluI_J`` that end a stage.
        normalise: subtract the ImageNet mean and divide by the deviation first; off for a caller that does its own.
        pool: takes the place of every max-pooling (L2 pooling in DISTS); must halve both sides and hold no parameters.

    Raises:
        SettingError: an unknown depth or layer.
        InputError: the picture has not three channels, or vanishes in the poolings.
    """

    renames = (
        ((r"^(?:vgg\.)?vgg_layers\.", "features."),),  # mmediting
        ((r"^(?:vgg\.)?vgg\.", "features."),),  # mGANprior
        ((r"^(?:net\.)?(?:slice|stage)\d\.(\d+)\.", r"features.\1."),),  # LPIPS, DISTS
        ((r"^(\d+)\.", r"features.\1."),),  # a bare stack
    )
    ignored = (
        r"^classifier\.",
        r"^features\.\d+\.",
        r"^(vgg\.)?(mean|std)$",
        r"^(alpha|beta)$",
        r"^(scaling_layer|lins?\d*)\.",
    )

    image_mean: Tensor
    image_std: Tensor

    def __init__(
        self,
        depth: Literal[16, 19] = 19,
        *,
        layers: Sequence[str] | None = None,
        normalise: bool = True,
        pool: nn.Module | None = None,
    ) -> None:
        super().__init__()
        known = vgg_layers(depth)
        if layers is None:
            layers = [known[position - 1] for position, name in enumerate(known) if name.startswith("pool")]
        if not layers:
            raise SettingError("VGG was asked for no layer. Name at least one, such as 'relu3_3'.")
        for name in layers:
            if name not in known:
                raise SettingError(f"VGG-{depth} has no layer '{name}'. {nearest(name, known)}".strip())
        self.layers = tuple(layers)
        self.normalise = normalise
        self._names = known[: max(known.index(name) for name in layers) + 1]
        self.features = nn.Sequential()
        outputs = {}
        channels, stride, reach = 3, 1, 0
        for name in self._names:
            width = _CHANNELS[int(name.split("_")[0][-1]) - 1]
            if name.startswith("conv"):
                self.features.append(nn.Conv2d(channels, width, 3, padding=1))
                channels, reach = width, reach + stride
            elif name.startswith("relu"):
                self.features.append(nn.ReLU())  # never in place: a feature before it may have been asked for
            else:
                self.features.append(pool if pool is not None else nn.MaxPool2d(2, 2))
                # a max-pooling looks one position ahead; another one may look further
                reach, stride = reach + (stride if pool is None else 2 * stride), stride * 2
            outputs[name] = Port(name, ratio=Fraction(1, stride), channels=channels)
        self.register_buffer("image_mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("image_std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)
        self.traits = Traits(
            task="features",
            halo=reach,
            multiple=stride,
            minimum=stride,
            outputs=tuple(outputs[name] for name in self.layers),
        )

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        least = self.traits.minimum
        if image.ndim != 4 or image.shape[1] != 3 or min(image.shape[2:]) < least:
            raise InputError(
                f"VGG takes (N, 3, H, W) with sides of at least {least} for the layers asked for, "
                f"got {tuple(image.shape)}."
            )
        x = (image - self.image_mean) / self.image_std if self.normalise else image
        found = {}
        for name, layer in zip(self._names, self.features, strict=True):
            x = layer(x)
            if name in self.layers:
                found[name] = x
        return {name: found[name] for name in self.layers}
