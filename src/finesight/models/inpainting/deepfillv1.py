"""DeepFillv1: "Generative Image Inpainting with Contextual Attention" (Yu et al., CVPR 2018, arXiv 1801.07892)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import SettingError
from finesight.models.inpainting.completion import ChannelOrder, fixed_size, to_signed
from finesight.models.inpainting.deepfill import DeepFill
from finesight.nn.gated_conv import ActivatedConv2d
from finesight.nn.traits import Port, Traits

__all__ = ["DeepFillV1", "DeepFillV1Discriminators"]


class DeepFillV1(DeepFill):
    """The generator. The defaults are the published network (mmediting; 3,601,542 parameters).

    See ``Completion`` for what it takes and gives, ``DeepFill`` for the arguments.
    """


class Score(nn.Module):
    """A linear layer (name ``linear``) over everything, then LeakyReLU 0.2: on the score too, as published."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, 1)

    def forward(self, features: Tensor) -> Tensor:
        """``(N, C, H, W)`` to ``(N, 1)``."""
        return F.leaky_relu(self.linear(features.flatten(1)), 0.2)


class Judge(nn.Module):
    """Convolutions of stride 2 (names ``conv1`` to ``conv4``), then one score (name ``fc``)."""

    def __init__(self, size: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.depth = len(widths)
        for place, (inputs, outputs) in enumerate(zip((3, *widths), widths, strict=False), start=1):
            self.add_module(f"conv{place}", ActivatedConv2d(inputs, outputs, 5, stride=2, padding=2, border="zeros"))
        self.fc = Score(widths[-1] * (size // 2**self.depth) ** 2)

    def forward(self, features: Tensor) -> Tensor:
        """``(N, 3, size, size)`` to ``(N, 1)``."""
        for place in range(1, self.depth + 1):
            features = self.get_submodule(f"conv{place}")(features)
        answer: Tensor = self.fc(features)
        return answer


class DeepFillV1Discriminators(nn.Module):
    """Two critics: of the whole picture, and of the patch around the hole.

    ``forward`` takes pictures ``(N, 3, size, size)`` and patches ``(N, 3, local_size, local_size)``, RGB in [0, 1], and
    gives two scores ``(N,)``.

    Args:
        size: side of the pictures, a multiple of 16.
        local_size: side of the patches, a multiple of 16.
        widths, local_widths: channels of the convolutions.
        order: channel order of the published training.
    """

    renames = (((r"^disc\.", ""),),)
    ignored = (r"^(generator|loss_percep)\.",)

    def __init__(
        self,
        *,
        size: int = 256,
        local_size: int = 128,
        widths: tuple[int, ...] = (64, 128, 256, 256),
        local_widths: tuple[int, ...] = (64, 128, 256, 512),
        order: ChannelOrder = "bgr",
    ) -> None:
        super().__init__()
        for side, depth in ((size, len(widths)), (local_size, len(local_widths))):
            if side < 2**depth or side % 2**depth:
                raise SettingError(f"these discriminators need sizes that are multiples of {2**depth}, not {side}.")
        self.size, self.local_size = size, local_size
        self.order: ChannelOrder = order
        self.global_disc = Judge(size, widths)
        self.local_disc = Judge(local_size, local_widths)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.normal_(layer.weight, 0, 0.02)
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # made with a bias
        self.traits = Traits(
            task="discrimination",
            kind="score",
            halo=None,
            halo_reason="one score for the whole picture",
            minimum=size,
            maximum=size,
            inputs=(Port("image"), Port("patch", ratio=Fraction(local_size, size))),
            outputs=(Port("score", "vector", channels=1), Port("patch-score", "vector", channels=1)),
        )

    def forward(self, image: Tensor, patch: Tensor) -> tuple[Tensor, Tensor]:
        fixed_size(image, self.size, "picture")
        fixed_size(patch, self.local_size, "patch")
        whole: Tensor = self.global_disc(to_signed(image, self.order))
        local: Tensor = self.local_disc(to_signed(patch, self.order))
        return whole[:, 0], local[:, 0]
