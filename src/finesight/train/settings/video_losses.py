"""Losses of single networks for clips."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import torch.nn.functional as F
from pydantic import Field

from finesight.losses import pixel
from finesight.train.settings.loss_kind import LossKind, Term, frames

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from finesight.data.batch import Batch
    from finesight.train.answers import Answer

__all__ = ["Alignment", "Cleaning"]


class Alignment(LossKind):
    """Of TDAN: mean squared difference of the aligned frames and the centre frame, both in low resolution."""

    needs: ClassVar[frozenset[str]] = frozenset({"aligned"})
    kind: Literal["alignment"] = "alignment"
    weight: float = Field(0.25, ge=0, description="0.25 for bicubic low resolution, 0.01 for blurred")

    def term(self, device: torch.device) -> Term:  # noqa: ARG002
        def compute(answer: Answer, batch: Batch) -> Tensor:
            aligned, clip = answer.others["aligned"], batch.inputs[0]
            centre = clip[:, clip.shape[1] // 2].unsqueeze(1)
            return pixel.mse(aligned, centre.expand_as(aligned), None)

        return compute


class Cleaning(LossKind):
    """Of RealBasicVSR: L1 of the cleaned frames and the truth reduced by the mean of each 4x4 pixels."""

    needs: ClassVar[frozenset[str]] = frozenset({"cleaned"})
    kind: Literal["cleaning"] = "cleaning"

    def term(self, device: torch.device) -> Term:  # noqa: ARG002
        def compute(answer: Answer, batch: Batch) -> Tensor:
            cleaned = frames(answer.others["cleaned"])
            size = (cleaned.shape[-2], cleaned.shape[-1])
            return pixel.l1(cleaned, F.adaptive_avg_pool2d(frames(batch.target), size), None)

        return compute
