"""ModifiedVGG, the discriminator of SRGAN and ESRGAN (Ledig et al., CVPR 2017; Wang et al., ECCVW 2018)."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import InputError
from finesight.nn.traits import Port, Traits

__all__ = ["ModifiedVgg"]


class ModifiedVgg(nn.Module):
    """Judge a picture of one fixed size. The defaults are the published network for 128 x 128.

    ``forward`` takes RGB in [0, 1], ``(N, C, side, side)``, and gives logits ``(N,)``.

    Args:
        inputs: channels of the picture.
        width: channels of the first convolution.
        side: 128, or 256 for BasicSR's larger variant, which has one more stage.
    """

    def __init__(self, *, inputs: int = 3, width: int = 64, side: Literal[128, 256] = 128) -> None:
        super().__init__()
        self.side = side
        self.stages = {128: 5, 256: 6}[side]
        channels = width
        for stage in range(self.stages):
            outputs = min(width * 2**stage, width * 8)
            self.add_module(
                f"conv{stage}_0", nn.Conv2d(inputs if stage == 0 else channels, outputs, 3, padding=1, bias=stage == 0)
            )
            if stage > 0:
                self.add_module(f"bn{stage}_0", nn.BatchNorm2d(outputs))
            self.add_module(f"conv{stage}_1", nn.Conv2d(outputs, outputs, 4, stride=2, padding=1, bias=False))
            self.add_module(f"bn{stage}_1", nn.BatchNorm2d(outputs))
            channels = outputs
        self.linear1 = nn.Linear(channels * 4 * 4, 100)
        self.linear2 = nn.Linear(100, 1)
        self.traits = Traits(
            task="discrimination",
            kind="score",
            halo=None,
            halo_reason="linear layers over the whole picture",
            minimum=side,
            maximum=side,
            inputs=(Port("image", channels=inputs),),
            outputs=(Port("logit", space="vector", channels=1),),
        )

    def features(self, image: Tensor) -> Tensor:
        """The last activations before the linear layers, ``(N, 8 width, 4, 4)``.

        Raises:
            InputError: the picture has another size.
        """
        if tuple(image.shape[-2:]) != (self.side, self.side):
            height, width = image.shape[-2:]
            raise InputError(
                f"ModifiedVGG judges pictures of {self.side} x {self.side} pixels, not {width} x {height}; crop them."
            )
        features = image
        for stage in range(self.stages):
            for layer in (0, 1):
                features = self.get_submodule(f"conv{stage}_{layer}")(features)
                if stage or layer:
                    features = self.get_submodule(f"bn{stage}_{layer}")(features)
                features = F.leaky_relu_(features, 0.2)
        return features

    def forward(self, image: Tensor) -> Tensor:
        hidden = F.leaky_relu_(self.linear1(self.features(image).flatten(1)), 0.2)
        logits: Tensor = self.linear2(hidden)
        return logits.squeeze(1)
