"""Losses of inpainting: of what a network paints everywhere, or of the picture with the known pixels put back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from finesight.losses import contrast, inpainting, pixel
from finesight.train.settings.loss_kind import LossKind, Term

if TYPE_CHECKING:
    from finesight.data.batch import Batch
    from finesight.train.answers import Answer

__all__ = ["Contrast", "HoleDecibels", "HoleGradient", "HoleL1", "HoleSmoothness"]


class HoleL1(LossKind):
    """Mean absolute difference inside the hole, outside it, or everywhere."""

    kind: Literal["hole-l1"] = "hole-l1"
    region: Literal["hole", "known", "all"] = "hole"
    outputs: Literal["last", "all"] = Field("last", description="of a network of several stages; all are summed")
    per_sample: bool = Field(False, description="each sample's own mean first, then the mean of these")

    def term(self, device: torch.device) -> Term:  # noqa: ARG002 (nothing lives on a device)
        def compute(answer: Answer, batch: Batch) -> Tensor:
            mask = batch.inputs[1]
            weight = {"hole": mask, "known": 1 - mask, "all": torch.ones_like(mask)}[self.region]
            stages = answer.pictures[:-1]
            pictures = stages if self.outputs == "all" else stages[-1:]
            reduction: pixel.Reduction = "sample-mean" if self.per_sample else "mean"
            return torch.stack([pixel.l1(one, batch.target, weight, reduction=reduction) for one in pictures]).sum()

        return compute


class _OfTheHole(LossKind):
    """A loss of the composite and the mask."""

    def between(self, restored: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
        raise NotImplementedError

    def term(self, device: torch.device) -> Term:  # noqa: ARG002
        def compute(answer: Answer, batch: Batch) -> Tensor:
            return self.between(answer.pictures[-1], batch.target, batch.inputs[1])

        return compute


class HoleDecibels(_OfTheHole):
    """Minus the PSNR inside the hole, in dB, mean of the samples."""

    kind: Literal["hole-decibels"] = "hole-decibels"
    floor: float = Field(1e-4, gt=0, description="mean squared error that is good enough")

    def between(self, restored: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
        return inpainting.hole_decibels(restored, truth, mask, floor=self.floor)


class HoleGradient(_OfTheHole):
    """L1 between Sobel gradients inside the hole."""

    kind: Literal["hole-gradient"] = "hole-gradient"

    def between(self, restored: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
        return pixel.gradient(restored, truth, mask)


class HoleSmoothness(_OfTheHole):
    """Total variation inside the hole (PConv)."""

    kind: Literal["hole-smoothness"] = "hole-smoothness"

    def between(self, restored: Tensor, truth: Tensor, mask: Tensor) -> Tensor:  # noqa: ARG002
        return pixel.total_variation(restored, mask)


class Contrast(_OfTheHole):
    """Difference of the amount of detail, window by window."""

    kind: Literal["contrast"] = "contrast"
    window: PositiveInt = 8

    def between(self, restored: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
        return contrast.local_contrast(restored, truth, mask, window=self.window)
