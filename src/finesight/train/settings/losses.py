"""The losses that a recipe may name, each with its weight."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor

from finesight.losses import pixel
from finesight.train.settings.face_losses import Identity, Landmarks
from finesight.train.settings.feature_losses import Perceptual, Style
from finesight.train.settings.inpainting_losses import (
    Contrast,
    HoleDecibels,
    HoleGradient,
    HoleL1,
    HoleSmoothness,
)
from finesight.train.settings.loss_kind import LossKind, PixelLoss, Term
from finesight.train.settings.matting_losses import Composition, Laplacian
from finesight.train.settings.texture_losses import Artifact, Texture
from finesight.train.settings.video_losses import Alignment, Cleaning

__all__ = ["Loss", "LossKind", "PixelLoss", "Term"]


class L1(PixelLoss):
    """Mean absolute difference."""

    kind: Literal["l1"] = "l1"

    def between(self, restored: Tensor, truth: Tensor, weight: Tensor | None) -> Tensor:
        return pixel.l1(restored, truth, weight)


class Mse(PixelLoss):
    """Mean squared difference."""

    kind: Literal["mse"] = "mse"

    def between(self, restored: Tensor, truth: Tensor, weight: Tensor | None) -> Tensor:
        return pixel.mse(restored, truth, weight)


class Charbonnier(PixelLoss):
    """sqrt(difference^2 + epsilon)."""

    kind: Literal["charbonnier"] = "charbonnier"
    epsilon: float = Field(1e-12, gt=0, description="inside the root, not squared")
    reduction: Literal["mean", "sum", "sample-mean"] = "mean"

    def between(self, restored: Tensor, truth: Tensor, weight: Tensor | None) -> Tensor:
        return pixel.charbonnier(restored, truth, weight, epsilon=self.epsilon, reduction=self.reduction)


class Gradient(PixelLoss):
    """L1 between Sobel gradients."""

    kind: Literal["gradient"] = "gradient"

    def between(self, restored: Tensor, truth: Tensor, weight: Tensor | None) -> Tensor:
        return pixel.gradient(restored, truth, weight)


class TotalVariation(PixelLoss):
    """Smoothness of the answer; the target has no part in it."""

    kind: Literal["total-variation"] = "total-variation"

    def between(self, restored: Tensor, truth: Tensor, weight: Tensor | None) -> Tensor:  # noqa: ARG002
        return pixel.total_variation(restored, weight)


Loss = Annotated[
    L1
    | Mse
    | Charbonnier
    | Gradient
    | TotalVariation
    | Perceptual
    | Style
    | Texture
    | Artifact
    | Landmarks
    | Identity
    | Composition
    | Laplacian
    | HoleL1
    | HoleDecibels
    | HoleGradient
    | HoleSmoothness
    | Contrast
    | Alignment
    | Cleaning,
    Field(discriminator="kind"),
]
"""One member for each kind; a kind of your own stands in a module of its own, made of ``loss_kind``."""
