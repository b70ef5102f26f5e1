"""Losses that judge texture: TTSR's transferred textures, LDL's artefacts."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from finesight.losses.artifact_map import artifact_loss
from finesight.losses.texture import texture_transfer
from finesight.train.settings.loss_kind import LossKind, Term

if TYPE_CHECKING:
    from finesight.data.batch import Batch
    from finesight.train.answers import Answer

__all__ = ["Artifact", "Texture"]


class Artifact(LossKind):
    """LDL's: L1 weighed by the map of artefacts (Liang et al., CVPR 2022)."""

    needs: ClassVar[frozenset[str]] = frozenset({"average"})

    kind: Literal["artifact"] = "artifact"
    target: str = Field("", description="name of another target than the batch's own, such as plain")
    window: int = Field(7, ge=3)
    detach: bool = Field(True, description="the map is a constant; the published code lets gradients through it")

    def term(self, device: torch.device) -> Term:  # noqa: ARG002
        def compute(answer: Answer, batch: Batch) -> Tensor:
            truth = batch.others[self.target] if self.target else batch.target
            return artifact_loss(
                truth, answer.pictures[-1], answer.others["average"], window=self.window, detach=self.detach
            )

        return compute


class Texture(LossKind):
    """TTSR's transferal perceptual loss (Yang et al., CVPR 2020), for the network ``ttsr`` only."""

    needs: ClassVar[frozenset[str]] = frozenset({"textures"})

    kind: Literal["texture"] = "texture"
    attention: bool = Field(False, description="weigh by the soft attention; the published setting does not")
    criterion: Literal["l1", "mse"] = "mse"
    sigmoid: Literal["all", "first"] = "all"

    def term(self, device: torch.device) -> Term:  # noqa: ARG002
        def compute(answer: Answer, batch: Batch) -> Tensor:  # noqa: ARG001
            maps, textures = ([answer.others[f"{kind}.{level}"] for level in (3, 2, 1)] for kind in ("map", "texture"))
            weight = answer.others["attention"] if self.attention else None
            return texture_transfer(maps, textures, weight, criterion=self.criterion, sigmoid=self.sigmoid)

        return compute
