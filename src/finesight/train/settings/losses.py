"""The losses that a recipe may name, each with its weight."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from finesight.losses import artifact_map, pixel
from finesight.train.settings.strict import Strict

if TYPE_CHECKING:
    from finesight.data.batch import Batch
    from finesight.train.answers import Answer

__all__ = ["Loss", "LossKind", "Term"]

Term = Callable[["Answer", "Batch"], Tensor]
"""A loss made ready: from what the network answered and the batch to one number."""


class LossKind(Strict):
    """What every loss of a recipe has."""

    needs_average: ClassVar[bool] = False  # the answer of the moving average as well: ``answer.others["average"]``

    kind: str
    weight: float = Field(1.0, ge=0)
    from_step: int = Field(0, ge=0, description="steps before this one are without it")

    def term(self, device: torch.device) -> Term:
        """The loss without its weight, with whatever it needs on ``device``."""
        raise NotImplementedError


class PixelLoss(LossKind):
    """A loss between pictures, element by element, weighted by the batch's own weight."""

    outputs: Literal["last", "all"] = Field("last", description="of a network with several answers; all are summed")
    target: str = Field("", description="name of another target than the batch's own, such as plain")

    def between(self, restored: Tensor, truth: Tensor, weight: Tensor | None) -> Tensor:
        """The loss of one picture."""
        raise NotImplementedError

    def term(self, device: torch.device) -> Term:  # noqa: ARG002 (nothing lives on a device)
        def compute(answer: Answer, batch: Batch) -> Tensor:
            truth = batch.others[self.target] if self.target else batch.target
            wanted = answer.pictures[-1:] if self.outputs == "last" else answer.pictures
            return torch.stack([self.between(one, truth, batch.weight) for one in wanted]).sum()

        return compute


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
    reduction: Literal["mean", "sum"] = "mean"

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


class Artifact(LossKind):
    """LDL's: L1 weighed by the map of artefacts (Liang et al., CVPR 2022)."""

    needs_average: ClassVar[bool] = True

    kind: Literal["artifact"] = "artifact"
    target: str = Field("", description="name of another target than the batch's own, such as plain")
    window: int = Field(7, ge=3)
    detach: bool = Field(True, description="the map is a constant; the published code lets gradients through it")

    def term(self, device: torch.device) -> Term:  # noqa: ARG002
        def compute(answer: Answer, batch: Batch) -> Tensor:
            truth = batch.others[self.target] if self.target else batch.target
            return artifact_map.artifact_loss(
                truth, answer.pictures[-1], answer.others["average"], window=self.window, detach=self.detach
            )

        return compute


Loss = Annotated[L1 | Mse | Charbonnier | Gradient | TotalVariation | Artifact, Field(discriminator="kind")]
"""One member for each kind."""
