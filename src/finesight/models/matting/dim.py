"""DIM: "Deep Image Matting" (Xu et al., CVPR 2017). arXiv 1703.03872."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import SettingError
from finesight.models.matting.boundary import INPUTS, OUTPUTS, fit, normalised
from finesight.nn.reach import Reach, halo
from finesight.nn.traits import Port, Traits
from finesight.nn.trimap import encoded

__all__ = ["Dim", "PlainRefiner"]

_CONVOLUTIONS = (2, 2, 3, 3, 3)
"""Of the five levels of VGG-16."""


def _started(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.xavier_normal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class Encoder(nn.Module):
    """VGG-16 with four input channels; every pooling keeps where its maxima were."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        before = 4
        for level, (count, width) in enumerate(zip(_CONVOLUTIONS, widths, strict=True), start=1):
            layers: list[nn.Module] = []
            for _ in range(count):
                layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
                before = width
            self.add_module(f"layer{level}", nn.Sequential(*layers))
        self.conv6 = nn.Conv2d(before, before, 1)

    def forward(self, inputs: Tensor) -> tuple[Tensor, list[Tensor]]:
        """``(N, 4, H, W)`` to features at 1/32 and the five places of maxima, largest first."""
        features, places = inputs, []
        for level in range(1, 6):
            features, place = F.max_pool2d(self.get_submodule(f"layer{level}")(features), 2, return_indices=True)
            places.append(place)
        return F.relu(self.conv6(features)), places


class Decoder(nn.Module):
    """Puts features back where the maxima were, level by level."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        deepest = widths[4]
        self.deconv6_1 = nn.Conv2d(deepest, deepest, 1)
        for level in range(5, 0, -1):
            after = widths[max(level - 2, 0)]
            self.add_module(f"deconv{level}_1", nn.Conv2d(widths[level - 1], after, 5, padding=2))
        self.deconv1 = nn.Conv2d(widths[0], 1, 5, padding=2)

    def forward(self, features: Tensor, places: Sequence[Tensor]) -> Tensor:
        """Alpha before its activation, ``(N, 1, H, W)``."""
        features = F.relu(self.deconv6_1(features))
        for level in range(5, 0, -1):
            features = F.max_unpool2d(features, places[level - 1], (2, 2))
            features = F.relu(self.get_submodule(f"deconv{level}_1")(features))
        found: Tensor = self.deconv1(features)
        return found


class PlainRefiner(nn.Module):
    """Corrects alpha: three 3x3 convolutions with ReLU, and a last one, added before the sigmoid.

    Args:
        width: channels of the three.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.refine_conv1 = nn.Conv2d(4, width, 3, padding=1)
        self.refine_conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.refine_conv3 = nn.Conv2d(width, width, 3, padding=1)
        self.refine_pred = nn.Conv2d(width, 1, 3, padding=1)
        _started(self)

    def forward(self, colours: Tensor, raw: Tensor) -> Tensor:
        """Normalised colours ``(N, 3, H, W)`` and alpha before its sigmoid to alpha, both ``(N, 1, H, W)``."""
        features = torch.cat((colours, raw.sigmoid()), dim=1)
        for layer in (self.refine_conv1, self.refine_conv2, self.refine_conv3):
            features = F.relu(layer(features))
        found: Tensor = (raw + self.refine_pred(features)).sigmoid()
        return found


class Dim(nn.Module):
    """Alpha from a picture and a trimap, VGG-16 whose pooling is undone in place (26,276,802 parameters).

    ``forward(image, trimap)``: RGB in [0, 1] ``(N, 3, H, W)`` and classes ``(N, 1, H, W)`` (0 background, 1 unknown,
    2 foreground) of any size to alpha in [0, 1], ``(N, 1, H, W)``; known pixels are not imposed (``nn.trimap.impose``).
    The defaults are the published network (mmediting) of stages 2 and 3, which have the same tensors.

    Args:
        refine: with the refinement; ``False`` is the network of stage 1.
        both: give the alpha before the refinement too, as the first of two (the losses of stage 3 need it).
        widths: channels of the five levels.
        refine_width: channels of the refinement.
    """

    renames = (((r"^backbone\.", ""),),)

    def __init__(
        self,
        *,
        refine: bool = True,
        both: bool = False,
        widths: Sequence[int] = (64, 128, 256, 512, 512),
        refine_width: int = 64,
    ) -> None:
        super().__init__()
        if len(widths) != 5 or widths[3] != widths[4]:
            raise SettingError(f"DIM has five levels, the last two of equal width, got {tuple(widths)}.")
        self.encoder = Encoder(widths)
        self.decoder = Decoder(widths)
        _started(self)
        self.refiner = PlainRefiner(refine_width) if refine else None
        self.both = both and refine

        def backwards(reach: Reach) -> Reach:
            reach = reach.conv(3, times=4 if refine else 0).conv(5)
            for _ in _CONVOLUTIONS:
                reach = reach.conv(5).shuffle(2)
            for count in reversed(_CONVOLUTIONS):
                reach = reach.unshuffle(2).conv(3, times=count)
            return reach

        self.traits = Traits(
            task="matting",
            halo=halo(backwards, multiple=32),
            multiple=32,
            inputs=INPUTS,
            outputs=(Port("coarse", channels=1), *OUTPUTS) if self.both else OUTPUTS,
        )

    def forward(self, image: Tensor, trimap: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """See the class."""
        height, width = image.shape[-2:]
        image, trimap = fit(image, trimap, 32)
        colours = normalised(image)
        raw = self.raw(colours, trimap)
        coarse = raw.sigmoid()[..., :height, :width]
        if self.refiner is None:
            return coarse
        alpha = self.refiner(colours, raw)[..., :height, :width]
        return (coarse, alpha) if self.both else alpha

    def raw(self, colours: Tensor, trimap: Tensor) -> Tensor:
        """Unrefined alpha before its sigmoid, of normalised colours and classes; sides multiples of 32."""
        deepest, places = self.encoder(torch.cat((colours, encoded(trimap)), dim=1))
        found: Tensor = self.decoder(deepest, places)
        return found
