"""Losses of matting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from pydantic import Field
from torch import Tensor

from finesight.losses import matting
from finesight.train.settings.loss_kind import LossKind, PixelLoss, Term

if TYPE_CHECKING:
    from finesight.data.batch import Batch
    from finesight.train.answers import Answer

__all__ = ["Composition", "Laplacian"]


class Composition(LossKind):
    """Of matting: between what the alpha composes of the true colours and the picture, where the trimap is open."""

    kind: Literal["composition"] = "composition"
    form: Literal["charbonnier", "l1", "mse"] = "charbonnier"
    reduction: Literal["mean", "sample-mean"] = "mean"
    outputs: Literal["first", "last"] = Field("last", description="of a network with several answers")

    def term(self, device: torch.device) -> Term:  # noqa: ARG002
        between = {
            "charbonnier": matting.charbonnier_composition,
            "l1": matting.l1_composition,
            "mse": matting.mse_composition,
        }[self.form]

        def compute(answer: Answer, batch: Batch) -> Tensor:
            alpha = answer.pictures[0 if self.outputs == "first" else -1]
            front, back, merged = (batch.others[name] for name in ("foreground", "background", "merged"))
            return between(alpha, front, back, merged, batch.weight, reduction=self.reduction)

        return compute


class Laplacian(PixelLoss):
    """Of alphas: absolute differences of a Laplacian pyramid."""

    kind: Literal["laplacian"] = "laplacian"
    levels: int = Field(4, ge=1, le=6)

    def between(self, restored: Tensor, truth: Tensor, weight: Tensor | None) -> Tensor:
        return matting.laplacian(restored, truth, weight, levels=self.levels)
