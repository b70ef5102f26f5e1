"""DIC: faces enlarged by 8, in turns with their landmarks.

Ma et al., "Deep Face Super-Resolution with Iterative Collaboration between Attentive Recovery and Landmark Estimation",
CVPR 2020, in the form of the published mmediting checkpoints (DIC and DIC-GAN share the generator).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finesight.errors import InputError, SettingError
from finesight.models.prior.face_parts import five_parts
from finesight.models.prior.hourglass import FeedbackHourglass
from finesight.models.prior.light_cnn import FACE_MEAN
from finesight.nn.resample import bicubic_8bit
from finesight.nn.traits import Port, Traits

__all__ = ["Dic", "DicSteps", "PartFusion", "face_inputs"]

_SIDE = 16  # of the small face: nothing else was published


@dataclass(frozen=True)
class DicSteps:
    """What DIC says at each of its steps.

    Args:
        images: faces (N, 3, 128, 128) in [0, 1], not clamped; the last one is the answer.
        heatmaps: landmark heat maps (N, landmarks, 32, 32) of each of them.
    """

    images: list[Tensor]
    heatmaps: list[Tensor]


def _conv(inputs: int, outputs: int, size: int, slope: float) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, size, padding=size // 2), nn.PReLU(init=slope))


class _Feedback(nn.Module):
    """Densely connected projections up and down, ``first_block``: (N, inputs, H, W) to (N, width, H, W)."""

    def __init__(self, inputs: int, width: int, blocks: int, factor: int, slope: float) -> None:
        super().__init__()
        self.blocks = blocks
        self.conv_first = _conv(inputs, width, 1, slope)
        size = factor + 4
        self.up_blocks, self.down_blocks = nn.ModuleList(), nn.ModuleList()
        self.lr_blocks, self.hr_blocks = nn.ModuleList(), nn.ModuleList()
        for index in range(blocks):
            enlarge = nn.ConvTranspose2d(width, width, size, stride=factor, padding=2)
            shrink = nn.Conv2d(width, width, size, stride=factor, padding=2)
            self.up_blocks.append(nn.Sequential(enlarge, nn.PReLU(init=slope)))
            self.down_blocks.append(nn.Sequential(shrink, nn.PReLU(init=slope)))
            if index:
                self.lr_blocks.append(_conv((index + 1) * width, width, 1, slope))
                self.hr_blocks.append(_conv((index + 1) * width, width, 1, slope))
        self.conv_last = _conv(blocks * width, width, 1, slope)

    def project(self, x: Tensor) -> Tensor:
        """The projections: with K large features kept, the largest tensor here is (N, K * width, 8H, 8W)."""
        low, high = [x], []
        for index in range(self.blocks):
            joined = self.lr_blocks[index - 1](torch.cat(low, dim=1)) if index else x
            high.append(self.up_blocks[index](joined))
            joined = self.hr_blocks[index - 1](torch.cat(high, dim=1)) if index else high[0]
            low.append(self.down_blocks[index](joined))
        found: Tensor = self.conv_last(torch.cat(low[1:], dim=1))
        return found

    def forward(self, x: Tensor) -> Tensor:
        return self.project(self.conv_first(x))


class _GroupResidual(nn.Module):
    """Residual block whose convolutions keep the parts apart."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.res = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, groups=groups),
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels, channels, 3, padding=1, groups=groups),
        )

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = x + self.res(x)
        return found


class PartFusion(nn.Module):
    """One expert for each part of the face, weighted by where the part is (section 3.3).

    ``forward(features, heatmaps)``: (N, width, H, W) and (N, parts, H, W) to (N, width, H, W).
    """

    def __init__(self, width: int = 48, *, parts: int = 5, blocks: int = 7) -> None:
        super().__init__()
        self.parts = parts
        self.conv_first = nn.Sequential(nn.Conv2d(width, width * parts, 1), nn.LeakyReLU(0.2))
        self.body = nn.Sequential(*(_GroupResidual(width * parts, parts) for _ in range(blocks)))

    def forward(self, features: Tensor, heatmaps: Tensor) -> Tensor:
        attention = heatmaps.softmax(dim=1)[:, :, None]
        experts = self.body(self.conv_first(features)).unflatten(1, (self.parts, -1))  # n part c h w
        found: Tensor = (experts * attention).sum(dim=1)
        return found


class _AttentiveFeedback(_Feedback):
    """The feedback block of later steps, ``block``: sees its own last answer and the parts of the face."""

    def __init__(self, width: int, blocks: int, factor: int, slope: float, *, parts: int, fusion_blocks: int) -> None:
        super().__init__(2 * width, width, blocks, factor, slope)
        self.fusion_block = PartFusion(width, parts=parts, blocks=fusion_blocks)

    def steered(self, x: Tensor, hidden: Tensor, parts: Tensor) -> Tensor:
        """The answer is the hidden state of the next step: nothing is kept here."""
        return self.project(self.fusion_block(self.conv_first(torch.cat((x, hidden), dim=1)), parts))


class Dic(nn.Module):
    """A face of 16 x 16 pixels to 128 x 128, RGB in [0, 1], not clamped; ``steps`` gives every step and the landmarks.

    Args:
        inputs, outputs: channels of the pictures.
        width, blocks: of the feedback blocks.
        landmark_width: of the landmark branch.
        landmarks: 68, 194 or 5 (see ``five_parts``).
        steps: how often recovery and landmarks take turns.
        projection: the inner factor of the feedback blocks; not the enlargement.
        detach_attention: no gradient from a step's image to the landmarks of the step before.
        slope: starting slope of every PReLU.
        parts, fusion_blocks: of ``PartFusion``.

    Raises:
        InputError: a face of another size.
    """

    ignored = (
        r"^(img_denormalize|discriminator|feature_loss|pixel_loss|align_loss)\.",
        r"^step_counter$",
    )

    mean: Tensor

    def __init__(
        self,
        *,
        inputs: int = 3,
        outputs: int = 3,
        width: int = 48,
        blocks: int = 6,
        landmark_width: int = 256,
        landmarks: int = 68,
        steps: int = 4,
        projection: int = 8,
        detach_attention: bool = False,
        slope: float = 0.2,
        parts: int = 5,
        fusion_blocks: int = 7,
    ) -> None:
        super().__init__()
        if steps < 1:
            raise SettingError(f"DIC needs at least one step, got {steps}.")
        self.number = steps
        self.detach_attention = detach_attention
        self.conv_first = _conv(inputs, 4 * width, 3, slope)
        self.first_block = _Feedback(width, width, blocks, projection, slope)
        self.block = _AttentiveFeedback(width, blocks, projection, slope, parts=parts, fusion_blocks=fusion_blocks)
        self.conv_last = nn.Sequential(
            nn.ConvTranspose2d(width, width, 8, stride=4, padding=2),
            nn.PReLU(init=slope),
            nn.Conv2d(width, outputs, 3, padding=1),
        )
        self.hour_glass = FeedbackHourglass(inputs=outputs, width=landmark_width, landmarks=landmarks)
        self.register_buffer("mean", torch.tensor(FACE_MEAN).view(1, 3, 1, 1), persistent=False)
        self.traits = Traits(
            task="super-resolution",
            scale=8,
            halo=None,
            halo_reason="the landmarks come from the whole face",
            minimum=_SIDE,
            maximum=_SIDE,
            inputs=(Port("image", channels=inputs),),
            outputs=(Port("image", ratio=Fraction(8), channels=outputs),),
        )

    def forward(self, image: Tensor) -> Tensor:
        return self._run(image, last_landmarks=False).images[-1]

    def steps(self, image: Tensor) -> DicSteps:
        """Every step's face and heat maps, the last heat maps among them: for training and for landmarks."""
        return self._run(image, last_landmarks=True)

    def _run(self, image: Tensor, *, last_landmarks: bool) -> DicSteps:
        if image.shape[1:] != (3, _SIDE, _SIDE):
            raise InputError(
                f"DIC takes faces of exactly {_SIDE} x {_SIDE} RGB pixels, got {tuple(image.shape[2:])} with "
                f"{image.shape[1]} channels. Cut out the face and resize it to {_SIDE} x {_SIDE}."
            )
        image = image - self.mean
        base = F.interpolate(image, size=(8 * _SIDE, 8 * _SIDE), mode="bilinear", align_corners=False)
        x = F.pixel_shuffle(self.conv_first(image), 2)
        faces: list[Tensor] = []
        heatmaps: list[Tensor] = []
        hidden, feedback = x, None
        for step in range(self.number):
            if step == 0:
                hidden = self.first_block(x)
            else:
                hidden = self.block.steered(x, hidden, five_parts(heatmaps[-1], detach=self.detach_attention))
            face = base + self.conv_last(hidden)
            faces.append(face + self.mean)
            if last_landmarks or step + 1 < self.number:
                found, feedback = self.hour_glass(face, feedback)
                heatmaps.append(found)
        return DicSteps(faces, heatmaps)


def face_inputs(face: Tensor) -> tuple[Tensor, Tensor]:
    """The published training pair of a face of any size: Pillow's bicubic to 128 x 128, then to 16 x 16.

    Args:
        face: 8-bit levels (3, H, W), RGB.

    Returns:
        The small face (3, 16, 16) and the true one (3, 128, 128), float32 in [0, 1].
    """
    truth = bicubic_8bit(face, (8 * _SIDE, 8 * _SIDE))
    return bicubic_8bit(truth, (_SIDE, _SIDE)).float() / 255, truth.float() / 255
